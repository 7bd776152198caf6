"""`demo`: `run` on the bundled real data set, then what to look at next."""

from __future__ import annotations

import shlex
import shutil
from typing import Any

import click
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from sparkperso.core.terminal import literal, visible
from sparkperso.jobs.run import require_no_gate, run_steps
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.runner import open_job

NEXT = """What to look at next:
  .venv/bin/sparkperso tables list{lake}
  .venv/bin/sparkperso tables show gold/recommendations{lake} --where {where}
  .venv/bin/sparkperso tables show silver/quarantine{lake} --limit 5
  .venv/bin/sparkperso ui{lake}        (MLflow: every candidate, the segment pictures)
  README.md, "Your own data"
"""


def main(arguments: dict[str, Any]) -> None:
    """Runs the demo; exit status 3 when a quality gate failed."""
    lake = arguments["lake"]
    job = open_job("demo", {**arguments, "source": "online_retail", "path": None})
    outcomes = run_steps(job)
    console = Console(highlight=False, width=max(80, shutil.get_terminal_size((110, 24)).columns))
    console.print(_segments(job))
    user = _example_user(job)
    console.print(_recommendations(job, user))
    # As a shell takes it: quotes of SQL are doubled, the rest is the shell's own quoting.
    where = shlex.quote("user_id = '{}'".format(user.replace("'", "''")))
    hint = NEXT.format(lake=f" --lake {shlex.quote(lake)}" if lake else "", where=where)
    click.echo(visible(hint))
    require_no_gate(outcomes)


def _segments(job: Job) -> Table:
    profiles = job.lake.ref("gold/segment_profiles").read().orderBy("segment_id")
    table = Table(title="Segments", title_justify="left")
    for heading in ("segment", "users", "label", "what distinguishes it"):
        table.add_column(heading)
    for row in profiles.select("segment_id", "size", "label", "sentence").collect():
        cells = (row.segment_id, f"{row['size']:,}", row.label, row.sentence)
        table.add_row(*map(literal, cells))
    return table


def _example_user(job: Job) -> str:
    """Returns the user with the middle number of interactions, as an example that is typical."""
    counts = job.lake.ref("gold/interactions").read().groupBy("user_id").count()
    middle = counts.agg(F.percentile_approx("count", 0.5)).first()
    found = counts.where(F.col("count") >= (middle[0] if middle else 0))
    row = found.orderBy("count", "user_id").first()
    return str(row.user_id) if row else ""


def _recommendations(job: Job, user: str) -> Table:
    lists = job.lake.ref("gold/recommendations").read().where(F.col("user_id") == user)
    titles = job.lake.ref("silver/items").read().select("item_id", "title")
    rows = lists.join(titles, on="item_id", how="left").orderBy("rank").limit(10)
    table = Table(title=literal(f"Recommended to customer {user}"), title_justify="left")
    for heading in ("rank", "item", "title", "score", "strategy"):
        table.add_column(heading)
    for row in rows.collect():
        score = f"{row.score:.3f}"
        cells = (row["rank"], row.item_id, row.title or "", score, row.strategy)
        table.add_row(*map(literal, cells))
    return table
