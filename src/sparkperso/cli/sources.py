"""`sparkperso sources`: what there is in conf/sources, and whether a file of it fits its data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click

from sparkperso.cli.job_commands import DEBUG
from sparkperso.cli.options import CONF_DIR, SETTINGS_OPTIONS, with_options
from sparkperso.config import load_named, load_settings
from sparkperso.config.layers import conf_files
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError, JobError, UsageError
from sparkperso.core.terminal import visible
from sparkperso.ingest.check.report import Report, check_source
from sparkperso.ingest.sources.places import resolve_path

MARKS = {"ok": "✓", "look": "!", "wrong": "✗", "spark": "·"}
LEGEND = "! look whether that is meant   ✗ an ingest would stop, or reject all records"
BY_SPARK = "· worked out by Spark: --rows shows it"


@click.group("sources", help="Lists sources, and checks one against its files.")
def command() -> None:
    """Groups what can be asked about sources."""


@command.command("list")
@with_options((CONF_DIR,))
def list_sources(conf_dir: Path | None) -> None:
    """List the files of conf/sources: name, kind, where they read, what they say they are."""
    for name in conf_files("sources", conf_dir):
        click.echo(visible(_line(name, conf_dir)))


@command.command("check")
@click.argument("name")
@click.option("--path", metavar="FILE|DIR", help="Read this, not what the source's file says.")
@click.option("--rows", is_flag=True, help="Start Spark, and show mapped and rejected records.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def check(
    *,
    name: str,
    path: str | None,
    rows: bool,
    debug: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Hold a source's file against the first records of its input.

    Columns, types, times, lists, second inputs and the fields that they become are looked at
    without Spark, in a second or two; nothing is written. Exit status 1 where an ingest would stop.
    """
    settings = load_settings(env, conf_dir, assignments, lake)
    source = load_named("sources", name, SourceConfig, conf_dir)
    plan = load_named("tracking_plans", settings.ingest.tracking_plan, TrackingPlan, conf_dir)
    place = path or source.path
    if not place:
        raise UsageError(f"Source '{name}' has no path of its own", "", "Name one by --path")
    root = settings.lake.root
    place = resolve_path(place, root)
    report = check_source(source, plan, settings.ingest, place, root)
    for line in lines_of(report, source):
        click.echo(visible(line))
    if rows:
        # Only now: Spark takes seconds to start.
        module = import_module("sparkperso.pipeline.preview")
        for line in module.preview(settings, source, plan, place, debug):
            click.echo(visible(line))
    elif any(f.mark == "spark" for found in report.sections.values() for f in found):
        click.echo(BY_SPARK)
    if not report.is_fine:
        wrong = [f.name for found in report.sections.values() for f in found if f.mark == "wrong"]
        raise JobError(
            f"Source '{name}' should fit its files",
            f"It does not: {', '.join(dict.fromkeys(wrong))} (lines marked ✗)",
            "Fix the source's file, or the data",
        )


def lines_of(report: Report, source: SourceConfig) -> Iterator[str]:
    """Yields a report as lines: what was read, then each part of the source's file."""
    head = report.head
    n_files = len(head.files)
    files = str(head.files[0]) + (f" and {n_files - 1} more files" if n_files > 1 else "")
    read = f"{head.format}, first {len(head.records)} records"
    yield f"{source.name}: {source.kind} of {files} ({read})"
    for title, findings in report.sections.items():
        yield f"{title}"
        width = min(max(len(finding.name) for finding in findings), 32)
        for finding in findings:
            yield f"  {MARKS[finding.mark]} {finding.name:<{width}}  {finding.text}"
    if source.needs_consent:
        yield "consent: a record is kept where its condition 'consent' is true"
    elif source.asks_decisions:
        yield "consent: a record is kept where silver/consents holds a decision that covers it"
    yield LEGEND


def _line(name: str, conf_dir: Path | None) -> str:
    """A source as a line; of a file that cannot be read, why."""
    try:
        source = load_named("sources", name, SourceConfig, conf_dir)
    except ConfigError as error:
        return f"✗ {name:<20} {error}"
    where = source.path or "(--path)"
    return f"  {name:<20} {source.kind:<12} {where:<40} {source.description}".rstrip()
