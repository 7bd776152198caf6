"""monitor: events → KPIs by day; tables, lists and models → what is out of the ordinary.

1. KPIs of the days that something came of.
2. Checks; one that cannot be carried out says so, and stops no other.
3. What they found into ops/checks; alerts opened, brought up to date, resolved in ops/alerts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from sparkperso.core.causes import cause_of
from sparkperso.core.errors import QualityGateError, SparkpersoError
from sparkperso.core.times import now
from sparkperso.jobs.monitor.drift import REFERENCE, check_drift
from sparkperso.jobs.monitor.kpis import BOOKMARKS, KPIS, tell_kpis
from sparkperso.jobs.monitor.states import (
    champion_of,
    check_ages,
    check_coverage,
    check_fallbacks,
    check_lag,
    check_models,
)
from sparkperso.jobs.monitor.volumes import check_kpis, check_quarantine, check_volumes
from sparkperso.monitoring.alerts import OPEN, Alert, open_critical, reconcile
from sparkperso.monitoring.checks.advice import advised
from sparkperso.monitoring.checks.finding import Finding
from sparkperso.pipeline.job import Job, Summary, latest_event
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import aware, moment, naive_utc
from sparkperso.schemas import TABLES

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion

CHECKS, ALERTS = "ops/checks", "ops/alerts"
TIMES = ("first_seen", "last_seen", "resolved_at")


def monitor(job: Job) -> Summary:
    """Brings KPIs and alerts up to date; returns how many days, findings and open alerts there are.

    With the option `fail_on_critical` raises QualityGateError while an alert of severity critical
    is open.
    """
    at = now()
    if job.requested_as_of is None and latest_event(job) is None:
        job.requested_as_of = naive_utc(at)  # without events there is still what is missing to say
    days = tell_kpis(job)
    findings = advised(look(job, at))
    keep_findings(job, findings, at)
    alerts = keep_alerts(job, findings, at)
    for alert in alerts:
        job.say(f"{alert.severity}: {alert.message}. {alert.to_do}")
    critical = open_critical(alerts)
    if critical and job.options.get("fail_on_critical"):
        raise QualityGateError(
            "No alert of severity critical should be open (--fail-on-critical)",
            "; ".join(alert.message for alert in critical),
            "ops/alerts says of each what to do",
        )
    counts = Counter(finding.status for finding in findings)
    return {
        "days": days,
        "checks": len(findings),
        **{word: counts[word] for word in ("warning", "critical", "unknown") if counts[word]},
        "open alerts": len(alerts),
    }


def look(job: Job, at: datetime) -> list[Finding]:
    """Returns what all checks find; `at` is now, for ages."""
    skipped = job.settings.monitoring.checks.skip
    champion = None if {"drift", "staleness"} <= set(skipped) else _champion(job)
    version = champion.version if champion else "none"
    checks: dict[str, Callable[[], list[Finding]]] = {
        "volume": lambda: check_volumes(job),
        "kpi": lambda: check_kpis(job),
        "quarantine": lambda: check_quarantine(job),
        "drift": lambda: check_drift(job, version),
        "coverage": lambda: check_coverage(job),
        "staleness": lambda: check_ages(job, champion, at),
        "fallback": lambda: check_fallbacks(job),
        "lag": lambda: check_lag(job),
        "overfit": lambda: check_models(job),
    }
    findings = []
    wanted = {name: check for name, check in checks.items() if name not in skipped}
    for place, (name, check) in enumerate(wanted.items()):
        job.count(place, len(wanted), "checks")
        try:
            findings += check()
        except (SparkpersoError, PySparkException, Py4JJavaError) as error:
            text = f"The check {name} could not be carried out: {cause_of(error)}"
            findings.append(Finding(name, name, "unknown", text))
    return findings


def _champion(job: Job) -> ModelVersion | None:
    try:
        return champion_of(job)
    except SparkpersoError as error:
        job.say(f"The registry does not say who is champion: {cause_of(error)}")
        return None


def keep_findings(job: Job, findings: list[Finding], at: datetime) -> None:
    """Adds what was found to ops/checks."""
    as_of = aware(job.as_of)
    job.writer(CHECKS).append_rows(
        (
            job.run_id,
            one.check,
            one.subject,
            one.status,
            one.value,
            one.threshold,
            one.message,
            one.to_do,
            as_of,
            at,
        )
        for one in findings
    )


def keep_alerts(job: Job, findings: list[Finding], at: datetime) -> list[Alert]:
    """Brings ops/alerts up to date; returns the alerts that are open, critical ones first."""
    before = read_open(job)
    changed = reconcile(before, findings, at, job.run_id)
    if changed:
        writer = job.writer(ALERTS)
        names = TABLES[ALERTS].column_names
        rows = (tuple(getattr(alert, name) for name in names) for alert in changed)
        writer.merge(writer.frame_of(rows))
    latest = {alert.alert_id: alert for alert in (*before, *changed)}
    still = [alert for alert in latest.values() if alert.status == OPEN]
    return sorted(still, key=lambda one: (one.severity, one.check, one.subject))


def read_open(job: Job) -> list[Alert]:
    """Returns the open alerts of ops/alerts."""
    ref = job.lake.ref(ALERTS)
    if not ref.exists():
        return []
    rows = ref.read().where(F.col("status") == OPEN)
    # As numbers: collected timestamps would come in the time zone of this machine.
    rows = rows.withColumns({name: F.unix_micros(name) for name in TIMES})
    alerts = []
    for row in rows.orderBy("alert_id").collect():
        values = row.asDict()
        times = {name: values[name] and aware(moment(values[name])) for name in TIMES}
        alerts.append(Alert(**{**values, **times}))
    return alerts


# No inputs are named: that nothing came is news, too.
STEP = Step(
    name="monitor",
    action=monitor,
    outputs=(KPIS, BOOKMARKS, CHECKS, ALERTS, REFERENCE),
    side_options=("fail_on_critical", "new_reference"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
