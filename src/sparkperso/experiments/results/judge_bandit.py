"""What is said of a bandit: no test is made of shares that follow what they are to explain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.bandits.shares import ShareRow
from sparkperso.experiments.results.judge import Findings, Judgement
from sparkperso.experiments.statistics.verdict import FAULTS

NO_TEST = (
    "Shares follow the metric, so that units of the variants are of different days and no fixed "
    "share is there to be tested: neither effects with p values nor the sample ratio are told."
)


def judge_bandit(
    experiment: Experiment, rows: Sequence[ShareRow], *, findings: Findings, as_of: datetime
) -> Judgement:
    """Returns what a bandit came to: `keep_running`, `stop` once it is over, or `broken`.

    It ships nothing: that a variant has most of the units is no proof at a level of errors. Each
    variant's value is told with its interval and share, for everybody and by segment.
    """
    assert experiment.bandit is not None, experiment.name
    everybody = [row for row in rows if row.segment is None]
    n_trials = sum(row.n for row in everybody)
    phase = experiment.phase(as_of.replace(tzinfo=timezone.utc))
    started = experiment.start and experiment.start.replace(tzinfo=None)
    has_run = started is not None and as_of >= started + timedelta(days=1)
    first = max(everybody, key=lambda row: row.share)
    variant = None
    if findings.faults:
        verdict, reason = "broken", findings.faults[0]
        why = f"It cannot be believed: {'; '.join(FAULTS[fault] for fault in findings.faults)}."
    elif not n_trials and has_run:
        verdict, reason = "broken", "nobody_exposed"
        why = "Nobody was exposed to it, though it runs."
    elif phase in ("ended", "stopped"):
        verdict, reason, variant = "stop", "over", first.variant
        why = f"A bandit, over: {first.variant} had the largest share, {_percent(first.share)}."
    elif n_trials:
        verdict, reason = "keep_running", "bandit"
        why = (
            f"A bandit: {first.variant} has the largest share, {_percent(first.share)}, after "
            f"{n_trials:,} trials."
        )
    else:
        verdict, reason = "keep_running", "no_units_yet"
        why = "A bandit that has just started: nobody saw it yet."
    sentences = [_sentence(experiment, row) for row in rows]
    return Judgement(
        verdict,
        reason,
        variant,
        why,
        tuple(sentences),
        (*findings.notes, NO_TEST),
        n_planned=None,
        srm_p_value=None,
        is_final=False,
    )


def _sentence(experiment: Experiment, row: ShareRow) -> str:
    assert experiment.bandit is not None, experiment.name
    where = f" in {row.segment}" if row.segment else ""
    what = f"{experiment.bandit.metric}: {row.variant}{where}"
    share = f"share {_percent(row.share)}"
    if row.value is None or row.value_low is None or row.value_high is None:
        return f"{what} was not shown yet, {share}."
    return (
        f"{what} {_percent(row.value)} (95 % interval {_percent(row.value_low)} to "
        f"{_percent(row.value_high)}, {row.n:,} trials), {share}."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"
