"""`sparkperso doctor`: looks at all that a run needs, and says what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from sparkperso.cli.doctor import machine, serving
from sparkperso.cli.doctor.findings import Check, Finding
from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import JobError, SparkpersoError

CHECKS: dict[str, Check] = {**machine.CHECKS, **serving.CHECKS}
OF_SERVICES = ("Python", "lake", "loopback", "disk", *serving.CHECKS)
"""What services need of it: no Spark, no Java, no MLflow."""


@click.command("doctor", help="Says what is missing, and what to do about it.")
@click.option("--services", is_flag=True, help="Look at what collector and API need alone.")
@with_settings
def command(settings: Settings, *, services: bool) -> None:
    """Prints one line per check; exit status 1 when something is missing."""
    findings = list(examine(settings, OF_SERVICES if services else tuple(CHECKS)))
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.status:<7}  {finding.what:<{width}}  {finding.text}")
    missing = [finding.what for finding in findings if finding.status == "missing"]
    if missing:
        raise JobError("Everything should be there", f"Missing: {', '.join(missing)}")


def examine(settings: Settings, names: Sequence[str] = tuple(CHECKS)) -> Iterator[Finding]:
    """Yields what each check found, in the order of names; raises nothing of what they miss."""
    for what in names:
        try:
            yield Finding(what, *CHECKS[what](settings))
        except (SparkpersoError, OSError) as error:
            yield Finding(what, "missing", str(error))
