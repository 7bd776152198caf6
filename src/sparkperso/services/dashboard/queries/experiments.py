"""Experiments: verdicts, results as of several times, and who was shown what."""

from __future__ import annotations

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal

VERDICTS, RESULTS, EXPOSURES = (
    *("gold/experiment_verdicts", "gold/experiment_results", "gold/exposures"),
)
VERDICT = (
    *("experiment", "verdict", "variant", "why", "sentences", "warnings", "started_at", "ends_at"),
    *("phase", "n_units", "n_planned", "n_several", "srm_p_value", "as_of"),
)
RESULT = (
    *("metric", "role", "method", "segmentation", "segment", "variant", "baseline", "n"),
    *("n_baseline", "value", "value_baseline", "effect", "effect_low", "effect_high", "lift"),
    *("lift_low", "lift_high", "statistic", "p_value", "p_adjusted", "status", "as_of"),
)


def verdicts(lake: LakeTables) -> list[Row]:
    """Returns the latest verdict on each experiment, the newest first; raises AbsentTable."""
    latest = "(SELECT max(o.as_of) FROM t o WHERE o.experiment = t.experiment)"
    rows = lake.select(VERDICTS, VERDICT, f"as_of = {latest}", "as_of DESC, experiment")
    return rows


def results(lake: LakeTables, experiment: str) -> list[Row]:
    """Returns all results of an experiment, as of all times, the latest first.

    Goals come before guardrails. Raises AbsentTable.
    """
    order = (
        "as_of DESC, CASE role WHEN 'goal' THEN 0 WHEN 'guardrail' THEN 1 ELSE 2 END, metric, "
        "method, segmentation NULLS FIRST, segment, variant"
    )
    return lake.select(RESULTS, RESULT, f"experiment = {literal(experiment)}", order)


def exposures(lake: LakeTables, experiment: str) -> list[Row]:
    """Returns units by variant, first and last exposure, and those that saw several variants.

    Raises AbsentTable.
    """
    text = (
        "SELECT variant, count(*) AS units, count(*) FILTER (WHERE n_variants > 1) AS several, "
        "min(exposed_at) AS first_at, max(exposed_at) AS last_at FROM x "
        f"WHERE experiment = {literal(experiment)} GROUP BY variant ORDER BY variant"
    )
    return lake.rows(text, x=EXPOSURES)
