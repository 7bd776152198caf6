"""What to do about what a check finds: one sentence each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sparkperso.monitoring.checks.finding import BAD, Finding

ADVICE = {
    "volume": "See whether the site, an app or a source stopped sending, or sends twice: "
    "the collector's /metrics, ops/data_quality, 'sparkperso runs'.",
    "kpi": "See what changed on that day by channel, variant and model in gold/kpis_daily; go back "
    "with 'sparkperso promote-model --rollback' or 'publish --rollback' if it is the model.",
    "quarantine": "Look at the reasons: 'sparkperso tables show silver/quarantine'; repair the "
    "source or its mapping, then 'sparkperso replay-quarantine'.",
    "refused": "See whether the consent banner is shown and heard, and which region asks "
    "(ops/data_quality, rules refused:<purpose>).",
    "feature_drift": "Train anew: 'sparkperso train-recommender', then 'promote-model'; look first "
    "whether a source changed what it sends.",
    "score_drift": "Compare with the features that drift; train anew, or go back with 'sparkperso "
    "promote-model --rollback' where lists got worse.",
    "segment_drift": "Look at gold/segmentation_runs; build segments anew with 'sparkperso "
    "build-segments' where the features drifted too.",
    "user_coverage": "Carry out 'sparkperso build-recommendations' and 'publish'; see whether "
    "users of the last days are in gold/recommendations.",
    "item_coverage": "See recommend.lists (diversity, eligibility) and stock in silver/items: few "
    "items take all places.",
    "staleness": "See why its job did not run: 'sparkperso runs', the scheduler's log.",
    "champion": "Train anew ('sparkperso train-recommender'), and see why candidates are refused "
    "('sparkperso promote-model --dry-run').",
    "store": "Carry out 'sparkperso publish'; its message says what holds it back.",
    "fallback": "See /readyz and /metrics of 'sparkperso serve'; docs/serving.md has each reason.",
    "lag": "Give the stream more cores or larger micro-batches (stream.*), or see what stops it: "
    "'sparkperso runs'.",
    "overfit": "Go back with 'sparkperso promote-model --rollback', and compare the folds with "
    "what is shown: position, slots, who is asked.",
}


def advised(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings, those that are out of the ordinary with what to do."""
    return [
        replace(one, to_do=ADVICE[one.check]) if one.status in BAD and not one.to_do else one
        for one in findings
    ]
