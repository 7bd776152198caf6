"""A benchmark of what comes next in sessions, on a split that the user gives.

1. Both parts are read as sessions, in order of time; the catalogue is that of the training part.
2. Every candidate learns from the earlier sessions of training and is judged by the latest.
3. The best of each model learns from all of them, and is asked about the test once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.config.recommend.sessions import SessionsConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE, SESSION_ID
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.core.threads import one_thread
from sparkperso.platform.frames import Keeper
from sparkperso.platform.literals import EPOCH
from sparkperso.recommend.arrays.numbers import Texts
from sparkperso.recommend.arrays.session_index import Sessions
from sparkperso.recommend.benchmark.memory import PeakMemory
from sparkperso.recommend.benchmark.report import plain
from sparkperso.recommend.sessions.judge import Answers, Questions, answer, questions_of
from sparkperso.recommend.sessions.next_items import fit_next_items
from sparkperso.recommend.sessions.read_sessions import SessionFile, read_sessions

Keep = Callable[[str, pa.Table], None]
"""(model, its lists: session_id, position, rank, item_id, score)."""
POSITION = "position"


@dataclass(frozen=True)
class SessionRequest:
    """What a benchmark of sessions is to report."""

    k: int
    """Length of the lists."""
    models: tuple[str, ...] | None = None
    """Names of models; None: all of the space."""
    allow_overlap: bool = False
    """Whether the test may begin before the training ends."""


def run_session_benchmark(
    train: DataFrame,
    test: DataFrame,
    *,
    config: SessionsConfig,
    request: SessionRequest,
    keep: Keep,
    say: Say,
    count: Count = no_count,
) -> dict[str, Any]:
    """Returns the document: split, chosen, models (best validation first).

    A question is an event that another one of its session follows, the answer what came next.
    `keep` is given every model's lists of the test. Raises JobError for data that cannot be used,
    UsageError for a test that begins before the training ends, and for models that the space does
    not have.
    """
    space = candidates_of(config, request.models)
    with Keeper():
        learned = read_sessions(train, "--train", config)
        asked = read_sessions(test, "--test", config)
    require_order(learned, asked, request.allow_overlap)
    catalogue = learned.events.item_ids()
    sessions = learned.events.on(catalogue)
    questions = questions_of(asked.events.on(catalogue))
    if not len(questions):
        raise JobError("--test should hold a session of two events", "Every session has one")
    say("choosing the settings of every model")
    best = choose(space, sessions, config, request.k, count)
    say("asking every model about the test")
    entries = []
    for name, (params, validation) in best.items():
        entry, answers = test_one(params, sessions, questions, request.k)
        entries.append({**entry, "validation": plain(validation)})
        keep(name, lists_of(answers, questions, asked, catalogue))
    return {
        "split": split_of(learned, asked, questions, catalogue, request.k),
        "chosen": next(iter(best)),
        "models": entries,
    }


def candidates_of(config: SessionsConfig, models: Sequence[str] | None) -> list[Any]:
    """Returns the candidates of these models; raises UsageError for one that the space lacks."""
    known = list(dict.fromkeys(params.model for params in config.space))
    unknown = [name for name in models or () if name not in known]
    if unknown or models == ():
        raise UsageError(
            f"--models names models of sessions: {', '.join(known)}",
            f"Found {', '.join(unknown) or 'none'}",
            "Fix the name, or leave --models out",
        )
    return [params for params in config.space if models is None or params.model in models]


def choose(
    space: Sequence[Any], sessions: Sessions, config: SessionsConfig, k: int, count: Count
) -> dict[str, tuple[Any, dict[str, float]]]:
    """Returns model → (its best settings, their metrics in validation), the best model first.

    By MRR at k on the latest sessions; the first of equal candidates. Raises JobError where these
    hold no question.
    """
    cut = len(sessions) - max(1, round(len(sessions) * config.validation_share))
    earlier, later = sessions.part(0, cut), sessions.part(cut, len(sessions))
    questions = questions_of(later).first(config.validation_events)
    expected = "The latest sessions of --train should hold one of two events, after others"
    if not len(earlier):
        raise JobError(
            expected,
            f"All {len(sessions):,} are judged by, and none is left to learn from",
            "Give more sessions, or lower recommend.sessions.validation_share",
        )
    if not len(questions):
        raise JobError(
            expected,
            f"Of {len(sessions):,} sessions none of the last {len(later):,} has two",
            "Give more sessions, or raise recommend.sessions.validation_share",
        )
    metric = f"mrr_at_{k}"
    best: dict[str, tuple[Any, dict[str, float]]] = {}
    for place, params in enumerate(space):
        with one_thread():
            found = answer(fit_next_items(params, earlier), questions, k).metrics()
        count(place + 1, len(space), "candidates")
        if params.model not in best or found[metric] > best[params.model][1][metric]:
            best[params.model] = (params, found)
    return dict(sorted(best.items(), key=lambda entry: -entry[1][1][metric]))


def test_one(
    params: Any, sessions: Sessions, questions: Questions, k: int
) -> tuple[dict[str, Any], Answers]:
    """Returns the document's part about one model, and its answers."""
    with PeakMemory() as memory, one_thread():
        start = perf_counter()
        model = fit_next_items(params, sessions)
        fitted = perf_counter()
        answers = answer(model, questions, k)
        ended = perf_counter()
    entry = {
        "model": params.model,
        "params": params.model_dump(mode="json"),
        "metrics": plain(answers.metrics()),
        "predict_us": answers.predict_us(),
        "fit_seconds": round(fitted - start, 3),
        "score_seconds": round(ended - fitted, 3),
        "peak_rss_mb": round(memory.peak_mb, 1),
    }
    return entry, answers


def require_order(train: SessionFile, test: SessionFile, allow_overlap: bool) -> None:
    """Raises UsageError when the test begins before the training ends, unless that is allowed."""
    if test.first_at < train.last_at and not allow_overlap:
        raise UsageError(
            "The test should begin after the training has ended",
            f"--train ends at {text_of(train.last_at)}, --test begins at {text_of(test.first_at)}",
            "Cut by time, or say --allow-time-overlap if the split is meant so",
        )


def split_of(
    train: SessionFile, test: SessionFile, questions: Questions, catalogue: Texts, k: int
) -> dict[str, Any]:
    """Returns the counts of both parts, and of the questions."""
    items = questions.sessions.items
    before, answers = items[questions.end - 1], items[questions.end]
    return {
        "k": k,
        "train": {**train.counts, "last_at": text_of(train.last_at)},
        "test": {**test.counts, "first_at": text_of(test.first_at)},
        "n_catalogue": len(catalogue),
        "n_questions": len(questions),
        "n_cold_answers": int((answers < 0).sum()),
        # Of items that are unknown it is not known whether they are the same.
        "n_repeats": int(((answers >= 0) & (answers == before)).sum()),
        "has_time_overlap": test.first_at < train.last_at,
    }


def lists_of(
    answers: Answers, questions: Questions, test: SessionFile, catalogue: Texts
) -> pa.Table:
    """Returns session_id, position (of the last known event, from 1), rank, item_id, score."""
    row, place = np.nonzero(answers.items >= 0)
    position = questions.end - questions.sessions.indptr[questions.session]
    return pa.table(
        {
            SESSION_ID: test.ids.take(questions.session[row]),
            POSITION: position[row].astype(np.int32),
            RANK: (place + 1).astype(np.int32),
            ITEM_ID: pa.array(catalogue[answers.items[row, place]], pa.string()),
            SCORE: answers.scores[row, place].astype(np.float64),
        }
    )


def text_of(micros: int) -> str:
    """Returns a time as ISO 8601 text in UTC."""
    at: datetime = EPOCH + timedelta(microseconds=micros)
    return at.isoformat()


def notes(document: Mapping[str, Any]) -> list[str]:
    """Returns what the reader should know beside the table, one line each."""
    split = document["split"]
    lines = []
    for part in ("train", "test"):
        counts = split[part]
        bad = ", ".join(f"{why} ({n:,})" for why, n in counts["invalid"].items())
        older = f"; the {counts['n_older']:,} oldest are left out" if counts["n_older"] else ""
        long = f"; of {counts['n_long']:,} long ones the latest events" if counts["n_long"] else ""
        lines.append(
            f"--{part}: {counts['n_events']:,} events of {counts['n_sessions']:,} sessions"
            + f"{older}{long}{f'; dropped: {bad}' if bad else ''}"
        )
    lines.append(
        f"{split['n_questions']:,} questions; no model lists the {split['n_cold_answers']:,} items"
        f" that --train does not have, nor the {split['n_repeats']:,} that are the item before"
    )
    return lines
