"""`demo`: `run` on the bundled real data set, then what came of it and what to look at next."""

from __future__ import annotations

import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from sparkperso.core.package import command_as_called
from sparkperso.core.places import local_path
from sparkperso.core.terminal import literal, visible
from sparkperso.jobs.demo.page import write_page
from sparkperso.jobs.demo.summary import RunSummary, read_summary
from sparkperso.jobs.run import require_no_gate, run_steps
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.runner import open_job

PAGE, PICTURES = "summary.html", "_pictures"
EXAMPLES = 3
"""Users whose lists stand on the page; the terminal shows those of the first."""

NEXT = """What to look at next:
{page}  {command} tables list{lake}
  {command} tables show gold/recommendations{lake} --where {where}
  {command} tables show silver/quarantine{lake} --limit 5
{shop}  {command} ui{lake}        (MLflow: every candidate, the segment pictures)
  README.md, "Your own data"
"""


def main(arguments: dict[str, Any]) -> None:
    """Runs the demo; raises QualityGateError (exit status 3) when a quality gate failed.

    The page and its pictures lie in the lake's folder, where that is one of this machine.
    """
    lake = arguments["lake"]
    arguments["assignments"] = (*_publication(), *arguments["assignments"])
    with open_job("demo", {**arguments, "source": "online_retail", "path": None}) as job:
        run_demo(job, lake)


def _publication() -> tuple[str, ...]:
    """Has the run end by publishing, for the shop, where the extra `serve` is installed."""
    return ("publish.in_run=true",) if find_spec("lmdb") else ()


def run_demo(job: Job, lake: str | None) -> None:
    """Runs the steps and shows what came of them; `lake` is what --lake said, for the hints."""
    root = None if job.settings.lake.catalog else local_path(job.settings.lake.root)
    if root:  # pictures stay, for a run whose segments are up to date draws none
        job.options = {**job.options, "pictures": str(Path(root) / PICTURES)}
    outcomes = run_steps(job)
    summary = read_summary(job, outcomes, EXAMPLES)
    page = root and write_page(summary, Path(root) / PICTURES, Path(root) / PAGE)
    _show(summary)
    # As a shell takes it: quotes of SQL are doubled, the rest is the shell's own quoting.
    user = next(iter(summary.lists), "")
    where = shlex.quote("user_id = '{}'".format(user.replace("'", "''")))
    hint = NEXT.format(
        command=command_as_called(),
        lake=f" --lake {shlex.quote(lake)}" if lake else "",
        where=where,
        shop=_shop_hint(lake) if _publication() and root else "",
        page=f"  {page}        (this summary with its pictures, for a browser)\n" if page else "",
    )
    click.echo(visible(hint))
    require_no_gate(outcomes)


def _shop_hint(lake: str | None) -> str:
    words = f"{command_as_called()} shop" + (f" --lake {shlex.quote(lake)}" if lake else "")
    return f"  {words}        (the demo shop: each customer sees their own)\n"


def _show(summary: RunSummary) -> None:
    """Prints a screen: a line per segment, one user's list."""
    console = Console(highlight=False, width=max(80, shutil.get_terminal_size((110, 24)).columns))
    segments = Table(title="Segments", title_justify="left")
    for heading in ("segment", "users", "label"):
        segments.add_column(heading, no_wrap=True, overflow="ellipsis")
    for segment in summary.segments:
        cells = (segment.segment_id, f"{segment.size:,}", segment.label)
        segments.add_row(*map(literal, cells))
    console.print(segments)
    for user, items in list(summary.lists.items())[:1]:
        table = Table(title=literal(f"Recommended to customer {user}"), title_justify="left")
        for heading in ("rank", "item", "title", "score", "strategy"):
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        for item in items:
            row = (item.rank, item.item_id, item.title, f"{item.score:.3f}", item.strategy)
            table.add_row(*map(literal, row))
        console.print(table)
