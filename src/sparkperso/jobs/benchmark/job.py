"""benchmark: all models on a split that the user gives. It needs no lake and leaves none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from rich.console import Console

from sparkperso.core.columns import RANK, USER_ID
from sparkperso.core.terminal import visible
from sparkperso.jobs.benchmark.files import read, require_writable, write_document, write_one
from sparkperso.jobs.benchmark.session import benchmark_session
from sparkperso.jobs.benchmark.sessions import main_of_sessions
from sparkperso.recommend.benchmark.candidates import parse_models
from sparkperso.recommend.benchmark.holdout import Keep
from sparkperso.recommend.benchmark.implicit_baseline import require_implicit
from sparkperso.recommend.benchmark.prepare import Frames
from sparkperso.recommend.benchmark.report import notes, table
from sparkperso.recommend.benchmark.run import BenchmarkRequest, run_benchmark


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line: prints a table, writes the document and the lists."""
    if arguments["sessions"]:
        main_of_sessions(arguments)
        return
    request = request_of(arguments)
    require_writable(arguments["out"])
    with benchmark_session(arguments) as (spark, settings, progress):
        frames = Frames(*(read(spark, arguments, n) for n in ("train", "test", "items", "users")))
        keep = keep_in(arguments["predictions_out"])
        config, say = settings.recommend, progress.say
        document = run_benchmark(frames, config, request, keep, say, count=progress.count)
    write_document(document, arguments["out"])
    show(document, request.k)


def request_of(arguments: Mapping[str, Any]) -> BenchmarkRequest:
    """Returns what the command line asks for.

    Raises UsageError for an unknown model, and for a comparison with a library that is not
    installed.
    """
    models = parse_models(arguments["models"])
    if arguments["compare"]:
        require_implicit()
    overlap = arguments["allow_time_overlap"]
    return BenchmarkRequest(arguments["k"], models, bool(arguments["compare"]), overlap)


def keep_in(folder: str | None) -> Keep:
    """Returns what writes the lists of each model to <folder>/<model>.parquet, one file.

    Without a folder they are written nowhere.
    """

    def keep(name: str, lists: DataFrame) -> None:
        if folder is not None:
            write_one(lists, folder, name, (USER_ID, RANK))

    return keep


def show(document: Mapping[str, Any], k: int) -> None:
    """Prints the table, and below it counts and warnings, a line each."""
    width = max(110, shutil.get_terminal_size((110, 24)).columns)
    Console(highlight=False, width=width).print(table(document, k))
    for line in notes(document):
        print(visible(line))
