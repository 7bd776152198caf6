"""`sparkperso doctor`: looks at all that a run needs, and says what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import click

from sparkperso.cli.doctor import machine, serving
from sparkperso.cli.doctor.findings import Check, Finding
from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import JobError, SparkpersoError

CHECKS: dict[str, Check] = {**machine.CHECKS, **serving.CHECKS}


@click.command("doctor", help="Says what is missing, and what to do about it.")
@with_settings
def command(settings: Settings) -> None:
    """Prints one line per check; exit status 1 when something is missing."""
    findings = list(examine(settings))
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.status:<7}  {finding.what:<{width}}  {finding.text}")
    missing = [finding.what for finding in findings if finding.status == "missing"]
    if missing:
        raise JobError("Everything should be there", f"Missing: {', '.join(missing)}")


def examine(settings: Settings) -> Iterator[Finding]:
    """Yields what each check found, in the order of CHECKS; raises nothing of what they miss."""
    for what, check in CHECKS.items():
        try:
            yield Finding(what, *check(settings))
        except (SparkpersoError, OSError) as error:
            yield Finding(what, "missing", str(error))
