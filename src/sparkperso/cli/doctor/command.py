"""`sparkperso doctor`: looks at all that a run needs, and says what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from sparkperso.cli.doctor import machine, serving
from sparkperso.cli.doctor.findings import Check, Finding
from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import JobError, SparkpersoError

CHECKS: dict[str, Check] = {**machine.CHECKS, **serving.CHECKS}
OF_SERVICES = ("Python", "lake", "loopback", "disk", *serving.CHECKS)
"""What services need of it: no Spark, no Java, no MLflow."""


@click.command("doctor", help="Says what is missing, and what to do about it.")
@click.option("--services", is_flag=True, help="Look at what collector and API need alone.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    services: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Prints one line per check; exit status 1 when something is missing."""
    settings = load_settings(env, conf_dir, assignments, lake)
    findings = list(examine(settings, OF_SERVICES if services else tuple(CHECKS), conf_dir))
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.status:<7}  {finding.what:<{width}}  {finding.text}")
    missing = [finding.what for finding in findings if finding.status == "missing"]
    if missing:
        raise JobError("Everything should be there", f"Missing: {', '.join(missing)}")


def examine(
    settings: Settings, names: Sequence[str] = tuple(CHECKS), conf_dir: Path | None = None
) -> Iterator[Finding]:
    """Yields what each check found, in the order of names; raises nothing of what they miss."""
    checks = {**CHECKS, "triggers": serving.triggers_of(conf_dir)}
    for what in names:
        try:
            yield Finding(what, *checks[what](settings))
        except (SparkpersoError, OSError) as error:
            yield Finding(what, "missing", str(error))
