"""The commands of the jobs, rendered from `pipeline.registry`.

Spark is imported when one is carried out.
"""

from __future__ import annotations

from typing import Any

import click

from sparkperso.cli.options import SETTINGS_OPTIONS, WITHOUT_LAKE, with_options
from sparkperso.pipeline.registry import JOBS, JobEntry

DEBUG = click.option("--debug", is_flag=True, help="Show Spark's output and tracebacks.")
COMMON = (
    *SETTINGS_OPTIONS,
    click.option("--as-of", metavar="TIME", help="Look back from this time, not the latest event."),
    DEBUG,
)
COMMON_NAMES = frozenset(
    option.name for option in click.command()(with_options(COMMON)(lambda: None)).params
)
"""The names of what COMMON gives."""


def command_of(entry: JobEntry) -> click.Command:
    """Returns the command that calls `main(arguments)` of a job's module."""

    def call(**arguments: Any) -> None:
        entry.load().main(arguments)

    common = COMMON if entry.has_lake else (*WITHOUT_LAKE, DEBUG)
    decorated = with_options((*common, *entry.options))(call)
    return click.command(entry.name, help=entry.text, short_help=entry.line)(decorated)


JOB_COMMANDS = {name: command_of(entry) for name, entry in JOBS.items()}
