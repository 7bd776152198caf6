"""benchmark --sessions: models of what comes next, on a split that the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from sparkperso.core.columns import RANK, SESSION_ID
from sparkperso.core.errors import UsageError
from sparkperso.core.terminal import literal, visible
from sparkperso.jobs.benchmark.files import read, require_writable, write_document, write_one
from sparkperso.jobs.benchmark.session import benchmark_session
from sparkperso.recommend.benchmark.candidates import names_of
from sparkperso.recommend.sessions.benchmark import (
    POSITION,
    Keep,
    SessionRequest,
    notes,
    run_session_benchmark,
)

NOT_FOR_SESSIONS = ("items", "users", "compare")
METRICS = ("hit_rate", "mrr", "ndcg")


def main_of_sessions(arguments: dict[str, Any]) -> None:
    """Carries out the command line: prints a table, writes the document and the lists."""
    given = [f"--{option}" for option in NOT_FOR_SESSIONS if arguments[option]]
    if given:
        raise UsageError("--sessions has --train and --test alone", f"Found {', '.join(given)}")
    given_models = arguments["models"]
    models = None if given_models is None else names_of(given_models)
    request = SessionRequest(arguments["k"], models, bool(arguments["allow_time_overlap"]))
    require_writable(arguments["out"])
    with benchmark_session(arguments) as (spark, settings, progress):
        document = run_session_benchmark(
            *(read(spark, arguments, part) for part in ("train", "test")),
            config=settings.recommend.sessions,
            request=request,
            keep=keep_in(spark, arguments["predictions_out"]),
            say=progress.say,
            count=progress.count,
        )
    write_document(document, arguments["out"])
    Console(highlight=False, width=110).print(table(document))
    for line in notes(document):
        print(visible(line))


def keep_in(spark: SparkSession, folder: str | None) -> Keep:
    """Returns what writes the lists of each model to <folder>/<model>.parquet, one file.

    Without a folder they are written nowhere.
    """

    def keep(name: str, lists: pa.Table) -> None:
        if folder is not None:
            rows = spark.createDataFrame(lists)
            write_one(rows, folder, name, (SESSION_ID, POSITION, RANK))

    return keep


def table(document: Mapping[str, Any]) -> Table:
    """Returns the models as a table, best validation first; the chosen one is marked."""
    split = document["split"]
    k = split["k"]
    title = f"{split['n_questions']:,} next items, lists of {k} (* chosen on validation)"
    shown = Table(title=title, title_justify="left")
    shown.add_column("model")
    for name in (
        f"valid. MRR@{k}",
        f"hit rate@{k}",
        f"MRR@{k}",
        f"nDCG@{k}",
        "fit s",
        "µs p50",
        "p90",
    ):
        shown.add_column(name, justify="right")
    for one in document["models"]:
        mark = " *" if one["model"] == document["chosen"] else ""
        metrics = [
            one["validation"][f"mrr_at_{k}"],
            *(one["metrics"][f"{n}_at_{k}"] for n in METRICS),
        ]
        micros = [f"{one['predict_us'][p]:,.0f}" for p in ("p50", "p90")]
        figures = [*(f"{value:.4f}" for value in metrics), f"{one['fit_seconds']:.1f}", *micros]
        shown.add_row(literal(one["model"] + mark), *figures)
    return shown
