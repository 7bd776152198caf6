"""The commands of the jobs: their options and help. Spark is imported when one is carried out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from sparkperso.cli.options import SETTINGS_OPTIONS, WITHOUT_LAKE, with_options

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

SOURCE = click.option("--source", required=True, metavar="NAME", help="conf/sources/NAME.yaml.")
PATH = click.option(
    "--path", metavar="FILE|DIR", help="Read this, not what the source's file says."
)


def _follow(condition: str = "") -> tuple[Callable[..., Any], ...]:
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
    *WITHOUT_LAKE,
    DEBUG,
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
    click.option("--models", metavar="A,B", help="These models, not all."),
    click.option("--compare", type=click.Choice(["implicit"]), help="A library beside ours."),
    click.option("--allow-time-overlap", is_flag=True, help="Let the test begin before its time."),
    click.option("--out", metavar="F.json", help="Write all figures here."),
    click.option("--predictions-out", metavar="DIR", help="Write the lists to DIR/MODEL.parquet."),
)


def module_of(name: str) -> str:
    """Returns the module that carries out a command."""
    return f"sparkperso.jobs.{name.replace('-', '_')}"


def _command(name: str, line: str, text: str, *options: Callable[..., Any]) -> click.Command:
    """Returns a command of the lake's: it has the options of COMMON beside its own."""
    return _bare_command(name, line, text, *COMMON, *options)


def _bare_command(name: str, line: str, text: str, *options: Callable[..., Any]) -> click.Command:
    """Returns the command that calls `main(arguments)` of its module; `line` stands in the list."""

    def call(**arguments: Any) -> None:
        import_module(module_of(name)).main(arguments)

    decorated = with_options(options)(call)
    return click.command(name, help=text, short_help=line)(decorated)


# In the order of the flow.
_ALL = (
    _command(
        "run",
        "Every step from raw events to recommendation tables.",
        "Carries out every step from raw events to recommendation tables.",
        *(SOURCE, PATH),
    ),
    _command(
        "demo",
        "`run` on the bundled real data set.",
        "Carries out `run` on the bundled year of a real shop.",
    ),
    _command(
        "ingest-events",
        "Events of files into bronze and silver.",
        "Takes events of files (JSON lines, CSV, Parquet) into bronze and silver; with --stream, "
        "those that a collector hands over, by files or Kafka, as they come.",
        *(SOURCE, PATH, *STREAM),
    ),
    _command(
        "replay-quarantine",
        "Rejected records again, once repaired.",
        "Puts rejected records of a source through its mapping and the rules again. What is valid "
        "now enters silver, once however often this is run.",
        SOURCE,
        click.option(
            "--repaired",
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="Try these: JSON lines of record_id and payload, the record as it should be.",
        ),
    ),
    _command(
        "rekey-pseudonyms",
        "Pseudonyms of older keys under the current.",
        "Gives pseudonyms of older keys (privacy.keys) the names that they have under the current "
        "one, in every table; values behind them are not needed. Running it again changes nothing.",
    ),
    _command(
        "build-features",
        "Interactions and user features.",
        "Turns events into interactions, user features and scaled user features.",
    ),
    _command(
        "build-segments",
        "User segments and their profiles.",
        "Divides the users into named segments and profiles them.",
        PICTURES,
        click.option(
            "--dry-run", is_flag=True, help="Count the rules' segments and overlaps; write nothing."
        ),
        click.option("--force", is_flag=True, help="Replace segments however many users move."),
    ),
    _command(
        "stream-segments",
        "Segments as events come, until stopped.",
        "Follows silver/events: keeps counters for the rules of segments.segmentations, and tells "
        "within seconds who enters and leaves a segment. Goes on until it is stopped.",
        *_follow(),
    ),
    _command(
        "train-recommender",
        "Tunes, blends, tests and refits models.",
        "Tunes every model on time-ordered folds, blends the best, tests once, refits the winner "
        "and registers it as the candidate.",
    ),
    _bare_command(
        "benchmark",
        "All models on a split of yours.",
        "Tunes every model inside the training part of a split, and asks each once about the test. "
        "Rows have user_id, item_id, and maybe rating and timestamp. Needs no lake.",
        *BENCHMARK,
    ),
    _command(
        "promote-model",
        "Candidate becomes champion, if better.",
        "Makes the candidate champion if it passes every check: better than popularity and than "
        "the champion, floors of recommend.promotion kept, fresh data. Else exit status 3.",
        click.option("--dry-run", is_flag=True, help="Show the checks; change and log nothing."),
        click.option("--rollback", is_flag=True, help="Return to the champion before this one."),
    ),
    _command(
        "build-recommendations",
        "The lists of every user.",
        "Writes every user's list, popular items and similar items.",
    ),
)
JOB_COMMANDS = {str(command.name): command for command in _ALL}
