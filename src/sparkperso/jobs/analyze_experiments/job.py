"""analyze-experiments: exposures and events → results, verdicts and reports of experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.content.slots import SLOTS
from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.config.experiments.load import load_experiments
from sparkperso.config.experiments.started import started_forms
from sparkperso.config.metrics import METRICS, Metric, load_metrics
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.experiments.analysis.exposures import (
    early_clicks,
    exposure_events,
    exposure_problems,
    exposures_and_clicks,
    first_exposures,
)
from sparkperso.experiments.analysis.measure import measure
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.experiments.analysis.shared_units import count_shared, shared_units
from sparkperso.experiments.analysis.trials import bandit_trials
from sparkperso.experiments.assignment.shares import metric_fault
from sparkperso.experiments.bandits.shares import ShareRow, share_rows
from sparkperso.experiments.report.page import Report, figures_of, render
from sparkperso.experiments.results.judge import judge
from sparkperso.experiments.results.judge_bandit import judge_bandit
from sparkperso.experiments.results.neighbours import neighbours_of
from sparkperso.experiments.results.rows import ResultRow, result_rows
from sparkperso.jobs.analyze_experiments.findings import Observed, findings_of
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.lake import TableWriter
from sparkperso.platform.literals import aware, instant_sql

EVENTS, HISTORY = "silver/events", "gold/segment_history"
EXPOSURES, RESULTS = "gold/exposures", "gold/experiment_results"
VERDICTS, SHARES = "gold/experiment_verdicts", "gold/experiment_shares"


def analyze_experiments(job: Job) -> Summary:
    """Compares the variants of every experiment that has begun, and says what follows.

    1. First exposures are written to gold/exposures: of these experiments they replace what was
       there.
    2. What their units did is measured, in one reading of silver/events; exposures (those of
       neighbours too, which share units with them) and clicks are read once beside it.
    3. Of bandits trials are counted in place of that, in a reading of their own, and shares set by
       them: gold/experiment_shares has those of now, for `publish`.
    4. Each experiment's comparisons, and its verdict, replace those of the same as-of.
    5. Each has a report, kept with a run of MLflow, and in the folder `report` if there is one.

    Returns how each stands. Raises ConfigError for experiments and metrics that are not sound, and
    UsageError for a name that is none.
    """
    known = load_experiments(job.conf_dir)
    experiments = chosen_experiments(job, known)
    if not experiments:
        write_shares(job, known, [], {})
        return {"experiments": "none that has begun"}
    metrics = metrics_of(job, experiments)
    events = job.read(EVENTS)
    keys = [one.key for one in experiments]
    begun = [one for one in known.values() if _has_begun(one, job.as_of)]
    neighbours = {one.key: neighbours_of(one, begun) for one in experiments}
    everyone = {each.experiment.key: each.experiment for of in neighbours.values() for each in of}
    everyone |= {one.key: one for one in experiments}
    seen = keep_cached(exposures_and_clicks(events, list(everyone.values())))
    shown = exposure_events(seen, list(everyone.values()))
    job.writer(EXPOSURES).overwrite(
        first_exposures(shown, experiments, job.as_of), where=_is_one_of("experiment", keys)
    )
    exposures = job.lake.ref(EXPOSURES).read().where(F.col("experiment").isin(keys))
    others = job.settings.experiments.metrics
    tested = [one for one in experiments if one.bandit is None]
    plan = MetricPlan(
        metrics={
            one.key: [] if one.bandit else reported_metrics(one, metrics, others)
            for one in experiments
        },
        as_of=job.as_of,
        daily={one.key: (*one.goals, *one.guardrails) for one in tested},
        unit_kinds=sorted({one.unit for one in experiments}),
    )
    history = job.read(HISTORY) if job.lake.ref(HISTORY).exists() else None
    config = job.settings.experiments
    shared = shared_units(shown, experiments, neighbours, job.as_of)
    shared = shared if shared is None else keep_cached(shared)
    measured = measure(exposures, events, history, plan, config, shared=shared)
    findings = findings_of(
        experiments,
        started_forms(job.conf_dir),
        Observed(
            exposure_problems(shown, experiments, job.as_of),
            early_clicks(seen, exposures),
            measured,
            neighbours,
            count_shared(shared) if shared is not None else {},
        ),
    )
    shares = shares_of(job, experiments, metrics, (shown, events, history))
    reports = []
    for one in experiments:
        found, rows = measured[one.key], []
        if one.bandit is None:
            rows = result_rows(one, plan.metrics[one.key], found, config, job.as_of)
            judgement = judge(
                one,
                metrics,
                found,
                rows,
                findings=findings[one.key],
                config=config,
                as_of=job.as_of,
            )
        else:
            # Whoever saw several variants is none of its errors, and left out of nothing.
            found = replace(found, n_units=found.n_first, n_several=0)
            judgement = judge_bandit(
                one, shares[one.key], findings=findings[one.key], as_of=job.as_of
            )
        reports.append(Report(one, metrics, found, rows, judgement, config, job.as_of))
    write_shares(job, known, experiments, shares)
    write_results(job, reports)
    keep_reports(job, reports)
    return {report.experiment.key: str(report.judgement) for report in reports}


def chosen_experiments(job: Job, known: Mapping[str, Experiment]) -> list[Experiment]:
    """Returns those of the known experiments that began by as-of, in the order of their names.

    Of those that `--experiment` names, if it does. Raises UsageError for a name without a file, and
    for one that has not begun.
    """
    named = job.options.get("experiment") or ()
    for name in named:
        if name not in known:
            raise UsageError(
                f"'{name}' should be an experiment of conf/{EXPERIMENTS}",
                f"There is no {name}.yaml",
                did_you_mean(name, known, "Run 'sparkperso experiments list'"),
            )
        if not _has_begun(known[name], job.as_of):
            raise UsageError(
                f"'{name}' should have begun by {job.as_of:%Y-%m-%d %H:%M}",
                f"It is {known[name].phase(aware(job.as_of))}",
                "Start it, or name a later --as-of",
            )
    chosen = named or known
    return [one for name, one in known.items() if name in chosen and _has_begun(one, job.as_of)]


def metrics_of(job: Job, experiments: Sequence[Experiment]) -> dict[str, Metric]:
    """Returns all metrics of conf/metrics; raises ConfigError where another one is named."""
    metrics = load_metrics(job.conf_dir)
    named = [name for one in experiments for name in (*one.goals, *one.guardrails)]
    bandits = {one.name: one.bandit.metric for one in experiments if one.bandit}
    named += bandits.values()
    # Its own message, which names the nearest.
    load_metrics(job.conf_dir, [*named, *(job.settings.experiments.metrics or ())])
    for name, metric in bandits.items():
        if fault := metric_fault(metrics[metric]):
            raise ConfigError(f"The bandit '{name}' follows a metric of successes", fault)
    return metrics


def reported_metrics(
    experiment: Experiment, metrics: Mapping[str, Metric], others: Sequence[str] | None
) -> list[Metric]:
    """Returns the metrics that are reported of an experiment: goals, guardrails, then `others`."""
    named = [*experiment.goals, *experiment.guardrails]
    return [
        metrics[name] for name in dict.fromkeys([*named, *(metrics if others is None else others)])
    ]


def write_results(job: Job, reports: Sequence[Report]) -> None:
    """Replaces the rows of these experiments as of now, and of earlier days as they stand now.

    What an earlier run found as of another time stays, but for the metrics by day: they come out as
    they did, or restated where events came late.
    """
    of_these = _is_one_of("experiment", [report.experiment.key for report in reports])
    now = f"as_of = {instant_sql(job.as_of)}"
    rows = [(report, row) for report in reports for row in report.rows]
    days = [row for _, row in rows if row.as_of != job.as_of]
    times = ", ".join(instant_sql(at) for at in sorted({row.as_of for row in days}))
    restated = " OR (" + " AND ".join(
        (
            f"as_of IN ({times})",
            "segmentation IS NULL",
            _is_one_of("metric", sorted({row.metric for row in days})),
            _is_one_of("method", sorted({row.method for row in days})),
        )
    ) + ")"  # fmt: skip
    where = f"{of_these} AND ({now}{restated if days else ''})"
    _overwrite(job.writer(RESULTS), [_values(*pair) for pair in rows], where)
    verdicts = [_verdict(report) for report in reports]
    _overwrite(job.writer(VERDICTS), verdicts, f"{of_these} AND {now}")


def shares_of(
    job: Job,
    experiments: Sequence[Experiment],
    metrics: Mapping[str, Metric],
    frames: tuple[DataFrame, DataFrame, DataFrame | None],
) -> dict[str, list[ShareRow]]:
    """Returns, by key, the shares of the bandits among the experiments.

    `frames` are exposure events, silver/events and gold/segment_history.
    """
    bandits = [(one, metrics[one.bandit.metric]) for one in experiments if one.bandit]
    if not bandits:
        return {}
    shown, events, history = frames
    most = job.settings.experiments.max_segments
    trials = bandit_trials(shown, events, history, bandits, as_of=job.as_of, most_segments=most)
    return {one.key: share_rows(one, trials[one.key]) for one, _ in bandits}


def write_shares(
    job: Job,
    known: Mapping[str, Experiment],
    experiments: Sequence[Experiment],
    shares: Mapping[str, Sequence[ShareRow]],
) -> None:
    """Replaces the shares of these experiments, and removes those of bandits that are no more.

    Those of other bandits among the `known` experiments stay as they are.
    """
    ref, now = job.lake.ref(SHARES), {one.key for one in experiments}
    kept = [one.key for one in known.values() if one.bandit and one.key not in now]
    if not shares and not ref.exists():
        return
    rows = [
        {**asdict(row), "experiment": key, "set_at": aware(job.as_of)}
        for key, each in shares.items()
        for row in each
    ]
    where = f"NOT ({_is_one_of('experiment', kept)})" if kept else None
    _overwrite(job.writer(SHARES), rows, where)


def keep_reports(job: Job, reports: Sequence[Report]) -> None:
    """Keeps a run of MLflow per experiment: effects as metrics, plots, tables, the page."""
    folder = job.options.get("report")
    for report in reports:
        key, page = report.experiment.key, render(report)
        with job.tracking.run("experiments", key, report.experiment.hypothesis) as run:
            run.log_params({"experiment": key, "as_of": job.as_of, "unit": report.experiment.unit})
            run.set_tags({"verdict": report.judgement.verdict, "why": report.judgement.why})
            run.log_metrics(_figures(report.decisive))
            for title, figure in figures_of(report).items():
                run.log_figure(figure, f"plots/{title.replace(' ', '_').replace(':', '')}.png")
            run.log_text(page, "report.html")
        if folder:
            place = Path(folder) / f"{key.replace(':', '-')}.html"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(page, encoding="utf-8")
            job.say(f"{key}: {place}")


def _has_begun(one: Experiment, as_of: datetime) -> bool:
    return one.start is not None and one.status != "draft" and one.start <= aware(as_of)


def _values(report: Report, row: ResultRow) -> dict[str, Any]:
    values = row.values(report.experiment, report.judgement.srm_p_value)
    return {**values, "as_of": aware(row.as_of)}


def _verdict(report: Report) -> dict[str, Any]:
    one, judgement = report.experiment, asdict(report.judgement)
    return {
        **judgement,
        "experiment": one.key,
        "started_at": one.start,
        "ends_at": one.end,
        "phase": one.phase(aware(report.as_of)),
        "n_units": {name: report.measured.n_units.get(name, 0) for name in one.arms},
        "n_several": report.measured.n_several,
        "as_of": aware(report.as_of),
    }


def _figures(rows: Sequence[ResultRow]) -> dict[str, float]:
    figures = {}
    for row in rows:
        for name in ("effect", "lift", "p_value"):
            if (value := getattr(row.estimate, name)) is not None:
                figures[f"{row.metric}.{row.variant}.{name}"] = float(value)
    return figures


def _is_one_of(column: str, names: Sequence[str]) -> str:
    # Letters, digits, `-`, `_` and `:`: nothing that ends a text of SQL.
    return f"{column} IN ({', '.join(repr(name) for name in names)})"


def _overwrite(writer: TableWriter, rows: Sequence[Mapping[str, Any]], where: str | None) -> None:
    names = writer.ref.spec.column_names
    frame = writer.frame_of(tuple(row[name] for name in names) for row in rows)
    writer.overwrite(frame, where=where)


STEP = Step(
    name="analyze-experiments",
    action=analyze_experiments,
    inputs=(EVENTS, HISTORY),
    outputs=(EXPOSURES, RESULTS, VERDICTS, SHARES),
    conf=(EXPERIMENTS, METRICS, SLOTS),
    side_options=("report",),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
