"""All jobs, in the order of the flow: what a command line, a run and a scheduler know of them.

Rendered from here are the commands (`cli.job_commands`) and the steps of `run`; tests hold jobs/,
the DAG of Airflow and databricks.yml to it. Nothing of a job is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import click

Option = Callable[..., Any]
"""A decorator of click's."""

SOURCE = click.option("--source", required=True, metavar="NAME", help="conf/sources/NAME.yaml.")
SOURCES = click.option(
    "--source",
    required=True,
    multiple=True,
    metavar="NAME",
    help="conf/sources/NAME.yaml; given several times, one after the other.",
)
PATH = click.option(
    "--path", metavar="FILE|DIR", help="Read this, not what the source's file says."
)


def _follow(condition: str = "") -> tuple[Option, ...]:
    return (
        click.option("--available-now", is_flag=True, help=f"{condition}Stop when all is in."),
        click.option(
            "--trigger",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help=f"{condition}Least time between two micro-batches.",
        ),
    )


STREAM = (
    click.option("--stream", is_flag=True, help="Go on, taking in what comes, until stopped."),
    *_follow("With --stream: "),
)
PICTURES = click.option(
    "--pictures",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Save the pictures as PNG in this folder too.",
)

BENCHMARK = (
    click.option(
        "--train", required=True, metavar="FILE|DIR", help="Parquet or CSV: what models may know."
    ),
    click.option("--test", required=True, metavar="FILE|DIR", help="What they are asked about."),
    click.option(
        "--items", metavar="FILE|DIR", help="item_id, title, category, price, tags, others."
    ),
    click.option("--users", metavar="FILE|DIR", help="user_id, and what is known of users."),
    click.option(
        "--k",
        default=10,
        show_default=True,
        type=click.IntRange(1, 1000),
        help="Length of the lists.",
    ),
    click.option(
        "--sessions", is_flag=True, help="Rows are events of sessions: what comes next in each."
    ),
    click.option("--models", metavar="A,B", help="These models, not all."),
    click.option("--compare", type=click.Choice(["implicit"]), help="A library beside ours."),
    click.option("--allow-time-overlap", is_flag=True, help="Let the test begin before its time."),
    click.option("--out", metavar="F.json", help="Write all figures here."),
    click.option("--predictions-out", metavar="DIR", help="Write the lists to DIR/MODEL.parquet."),
)


@dataclass(frozen=True)
class JobEntry:
    """One job: its command, and its place in the flow."""

    name: str
    line: str
    """What it does, in the list of commands."""
    text: str
    """What it does, at the top of its help."""
    options: tuple[Option, ...] = ()
    """Its options besides those of all jobs."""
    is_step: bool = True
    """Whether it leaves a row in ops/runs: others carry out steps, or need no lake."""
    has_lake: bool = True
    """Whether it works on a lake, and looks back from a time."""
    in_run: bool = False
    """Whether it is a step of `run`."""
    after: tuple[str, ...] = ()
    """The steps of a run that it waits for: what it reads was written by one of them, or of those
    that they wait for in turn."""
    only_if: str | None = None
    """The setting that must be true for `run` to carry it out."""
    is_optional: bool = False
    """Whether that setting is false unless somebody says so; schedules of all steps leave the step
    out, since they are made without settings."""
    run_options: tuple[str, ...] = ()
    """Options of `run` that are handed on to it."""
    is_indispensable: bool = False
    """Whether a run ends where its quality gate fails, or goes on with what was there before."""
    despite_gate: bool = False
    """Whether schedulers carry it out though the step before it failed its quality gate."""
    is_scheduled: bool = False
    """Whether it is carried out anew on a schedule, between two runs of everything."""
    follows: bool = False
    """Whether it can follow a stream, of Kafka's for one."""

    @property
    def script(self) -> str:
        """Returns the file in jobs/ that spark-submit takes."""
        return f"{self.name.replace('-', '_')}.py"

    def load(self) -> ModuleType:
        """Returns its module: `main(arguments)`, and `STEP` of a job that is one step."""
        return import_module(f"sparkperso.jobs.{self.name.replace('-', '_')}")


_ENTRIES = (
    JobEntry(
        "run",
        "Every step from raw events to recommendation tables.",
        "Carries out every step from raw events to recommendation tables.",
        options=(SOURCES, PATH),
        is_step=False,
    ),
    JobEntry(
        "demo",
        "`run` on the bundled real data set.",
        "Carries out `run` on the bundled year of a real shop.",
        is_step=False,
    ),
    JobEntry(
        "ingest-events",
        "Events of files into bronze and silver.",
        "Takes events of files (JSON lines, CSV, Parquet) into bronze and silver; with --stream, "
        "those that a collector hands over, by files or Kafka, as they come.",
        options=(SOURCE, PATH, *STREAM),
        follows=True,
        in_run=True,
        run_options=("source", "path"),
        is_indispensable=True,
    ),
    JobEntry(
        "load-source",
        "Items and users of files, by key.",
        "Merges files of items or users (JSON lines, CSV, Parquet) into silver/items and "
        "silver/users: the latest record of a key wins, nulls take nothing away, and what a "
        "catalogue says no event changes.",
        options=(SOURCE, PATH),
        is_indispensable=True,
    ),
    JobEntry(
        "replay-quarantine",
        "Rejected records again, once repaired.",
        "Puts rejected records of a source through its mapping and the rules again. What is valid "
        "now enters silver, once however often this is run.",
        options=(
            SOURCE,
            click.option(
                "--repaired",
                type=click.Path(exists=True, dir_okay=False),
                metavar="FILE",
                help="Try these: JSON lines of record_id and payload, the record as it should be.",
            ),
        ),
    ),
    JobEntry(
        "rekey-pseudonyms",
        "Pseudonyms of older keys under the current.",
        "Gives pseudonyms of older keys (privacy.keys) the names that they have under the current "
        "one, in every table; values behind them are not needed. Running it again changes nothing.",
    ),
    JobEntry(
        "build-features",
        "Interactions and user features.",
        "Turns events into interactions, user features and scaled user features.",
        in_run=True,
        after=("ingest-events",),
        is_indispensable=True,
        is_scheduled=True,
    ),
    JobEntry(
        "build-segments",
        "User segments and their profiles.",
        "Divides the users into named segments and profiles them.",
        options=(
            PICTURES,
            click.option(
                "--dry-run",
                is_flag=True,
                help="Count the rules' segments and overlaps; write nothing.",
            ),
            click.option("--force", is_flag=True, help="Replace segments however many users move."),
        ),
        in_run=True,
        after=("build-features",),
        run_options=("pictures",),
        is_scheduled=True,
    ),
    JobEntry(
        "build-profiles",
        "Who is known: facts, consents, segments.",
        "Writes one row per user: declared facts and traits, what was consented to, withdrawals, "
        "and the segments of gold/segments.",
        in_run=True,
        after=("build-segments",),
        is_scheduled=True,
    ),
    JobEntry(
        "stream-segments",
        "Segments as events come, until stopped.",
        "Follows silver/events: keeps counters for the rules of segments.segmentations, and tells "
        "within seconds who enters and leaves a segment. Goes on until it is stopped.",
        options=_follow(),
        follows=True,
    ),
    JobEntry(
        "train-recommender",
        "Tunes, blends, tests and refits models.",
        "Tunes every model on time-ordered folds, blends the best, tests once, refits the winner "
        "and registers it as the candidate.",
        in_run=True,
        after=("build-features",),
    ),
    JobEntry(
        "benchmark",
        "All models on a split of yours.",
        "Tunes every model inside the training part of a split, and asks each once about the test. "
        "Rows have user_id, item_id, and maybe rating and timestamp. Needs no lake.",
        options=BENCHMARK,
        is_step=False,
        has_lake=False,
    ),
    JobEntry(
        "promote-model",
        "Candidate becomes champion, if better.",
        "Makes the candidate champion if it passes every check: better than popularity and than "
        "the champion, floors of recommend.promotion kept, fresh data. Else exit status 3.",
        options=(
            click.option(
                "--dry-run", is_flag=True, help="Show the checks; change and log nothing."
            ),
            click.option(
                "--rollback", is_flag=True, help="Return to the champion before this one."
            ),
        ),
        in_run=True,
        only_if="recommend.promotion.in_run",
        after=("train-recommender",),
    ),
    JobEntry(
        "build-recommendations",
        "The lists of every user.",
        "Writes every user's list, popular items, similar items and recent sessions.",
        in_run=True,
        after=("promote-model",),
        despite_gate=True,
    ),
    JobEntry(
        "publish",
        "Lists and people, for services to read.",
        "Publishes lists, segments, profiles and decisions on consent to the serving store as a "
        "new version, checks it, and makes it current in one step. Else the version before stays; "
        "with too few records (publish.min_coverage) the exit status is 3.",
        options=(
            click.option("--store", type=click.Choice(["lmdb", "redis"]), help="store.kind."),
            click.option("--rollback", is_flag=True, help="Return to the version before this one."),
        ),
        in_run=True,
        only_if="publish.in_run",
        is_optional=True,
        after=("build-profiles", "build-recommendations"),
        despite_gate=True,
    ),
    JobEntry(
        "monitor",
        "KPIs by day; what is out of the ordinary.",
        "Tells KPIs by day, for the days that something came of since the last run; looks at "
        "volumes, drift, coverage, ages, fallbacks, lag and models, and opens and resolves alerts.",
        options=(
            click.option(
                "--fail-on-critical",
                is_flag=True,
                help="Exit status 3 while an alert of severity critical is open.",
            ),
            click.option(
                "--new-reference", is_flag=True, help="Hold drift against today's distributions."
            ),
        ),
        in_run=True,
        only_if="monitoring.in_run",
        is_optional=True,
        after=("build-recommendations",),
        despite_gate=True,
    ),
    JobEntry(
        "analyze-experiments",
        "Did it help? Results and verdicts.",
        "Compares the variants of every experiment that has begun: first exposures, metrics by "
        "variant, segment and day, and a verdict with its reasons. Each has a report, in MLflow.",
        options=(
            click.option(
                "--experiment",
                multiple=True,
                metavar="NAME",
                help="conf/experiments/NAME.yaml, these alone.",
            ),
            click.option(
                "--report",
                type=click.Path(file_okay=False),
                metavar="DIR",
                help="Write the reports (HTML) into this folder too.",
            ),
        ),
    ),
    JobEntry(
        "refresh",
        "Trains anew when there is cause.",
        "Says what is cause to train anew: the schedule, drift, staleness, a KPI that fell, volume "
        "(section refresh). If anything is: features, segments, profiles, training, the gate, "
        "lists and, where a store is used, publishing. Whatever fails, the model, the lists and "
        "the published version of before stay. Without a cause there is nothing to do.",
        options=(
            click.option("--dry-run", is_flag=True, help="Say what is cause, and do nothing."),
            click.option("--force", is_flag=True, help="Train anew without a cause."),
            click.option(
                "--suggest",
                is_flag=True,
                help="List segments, rules and content that do worse than others, and what to do.",
            ),
        ),
        is_step=False,
    ),
)

JOBS: Final[Mapping[str, JobEntry]] = {entry.name: entry for entry in _ENTRIES}


def steps_of_run(with_optional: bool = False) -> list[JobEntry]:
    """Returns the steps of `run`, in their order; those that a setting asks for if you wish."""
    return [e for e in _ENTRIES if e.in_run and (with_optional or not e.is_optional)]


def scheduled_steps() -> list[JobEntry]:
    """Returns the steps that are carried out anew on a schedule, in their order."""
    return [entry for entry in _ENTRIES if entry.is_scheduled]
