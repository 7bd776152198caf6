"""How well a model of sessions says what comes next, and how fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.arrays.session_index import Sessions
from sparkperso.recommend.sessions.next_items import NextItemModel

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Questions:
    """All events of sessions that another one follows: what came up to it, and what came next."""

    sessions: Sessions
    session: Ints
    """Place of the session of each question."""
    end: Ints
    """Position after the last event that is known, in `sessions.items`."""

    def __len__(self) -> int:
        """Returns the number of questions."""
        return len(self.end)

    def first(self, n: int) -> Questions:
        """Returns the first n."""
        return Questions(self.sessions, self.session[:n], self.end[:n])

    def __iter__(self) -> Iterator[tuple[Ints, int]]:
        """Yields (items so far, the next item)."""
        items, starts = self.sessions.items.astype(np.int64), self.sessions.indptr[self.session]
        for start, end in zip(starts, self.end, strict=True):
            yield items[start:end], int(items[end])


@dataclass(frozen=True)
class Answers:
    """The lists of one model, a row per question."""

    items: npt.NDArray[np.int32]
    """Questions × k, -1 where a list is shorter."""
    scores: Singles
    places: Ints
    """Place of what came next in its list, from 0; -1 where it is not in it."""
    micros: Floats
    """Microseconds that each answer took."""

    def metrics(self) -> dict[str, float]:
        """Returns hit rate, MRR and nDCG at k, means over the questions.

        One item is relevant, so that the reciprocal rank is 1 ÷ (place + 1), nDCG is
        1 ÷ log2(place + 2), and both are 0 where the item is not in the list.
        """
        k, is_hit = self.items.shape[1], self.places >= 0
        place = np.maximum(self.places, 0)
        return {
            f"hit_rate_at_{k}": mean(is_hit.astype(float)),
            f"mrr_at_{k}": mean(is_hit / (place + 1)),
            f"ndcg_at_{k}": mean(is_hit / np.log2(place + 2)),
        }

    def predict_us(self) -> dict[str, float]:
        """Returns percentiles of the time of one answer, in microseconds, on one thread."""
        if not len(self.micros):
            return {}
        found = np.percentile(self.micros, PERCENTILES)
        return {f"p{p}": round(float(us), 1) for p, us in zip(PERCENTILES, found, strict=True)}


def questions_of(sessions: Sessions) -> Questions:
    """Returns one question per event that another one of its session follows.

    An event that repeats the item before it is one, too, and no model of ours answers it: nobody
    recommends what is on the page.
    """
    ends = np.arange(1, len(sessions.items), dtype=np.int64)
    owners = np.repeat(np.arange(len(sessions)), np.diff(sessions.indptr))
    is_next = owners[1:] == owners[:-1]
    return Questions(sessions, owners[1:][is_next].astype(np.int64), ends[is_next])


def answer(model: NextItemModel, questions: Questions, k: int) -> Answers:
    """Returns the model's lists of k items for all questions, one after the other."""
    items = np.full((len(questions), k), -1, dtype=np.int32)
    scores = np.full((len(questions), k), -np.inf, dtype=np.float32)
    places = np.full(len(questions), -1, dtype=np.int64)
    micros = np.zeros(len(questions))
    for row, (recent, following) in enumerate(questions):
        start = perf_counter_ns()
        found = model.next_items(recent, k)
        micros[row] = (perf_counter_ns() - start) / 1000
        items[row, : len(found.items)] = found.items
        scores[row, : len(found.items)] = found.scores
        hits = np.flatnonzero(found.items == following) if following >= 0 else found.items[:0]
        places[row] = hits[0] if len(hits) else -1
    return Answers(items, scores, places, micros)


def mean(values: Floats) -> float:
    """Returns the mean, 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0
