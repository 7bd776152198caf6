"""What a search shows while it runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from sparkperso.core.reporting import Count, Say
from sparkperso.recommend.tune.trial_result import DECIMALS


class LiveReport:
    """Shows each trial as it ends, and each candidate with its last one, from any thread."""

    def __init__(
        self, names: Sequence[str], n_folds: int, metric: str, say: Say, count: Count
    ) -> None:
        self._names, self._n_folds, self._metric = names, n_folds, metric
        self._say, self._count = say, count
        self._values: dict[int, dict[int, float]] = {}
        self._ended: set[tuple[int, int]] = set()
        self._left_out: set[int] = set()
        self._before, self._total, self._budget = 0, 0, ""
        self._lock = threading.Lock()

    def begin(self, n_trials: int, budget: str = "") -> None:
        """Shows that so many trials more are to come, and later what they had: `on …`."""
        self._before += len(self._ended)
        self._values, self._ended, self._budget = {}, set(), budget and f" {budget}"
        self._total = self._before + n_trials
        self._count(self._before, self._total, "trials")

    def add(self, place: int, fold: int, document: Mapping[str, Any]) -> None:
        """Shows a trial's end: a task that Spark carries out twice is shown once."""
        with self._lock:
            if (place, fold) in self._ended:
                return
            self._ended.add((place, fold))
            self._count(self._before + len(self._ended), self._total, "trials")
            if "failure" in document:
                if place not in self._left_out:
                    self._left_out.add(place)
                    self._say(f"{self._names[place]} is left out: {document['failure']}")
                return
            values = self._values.setdefault(place, {})
            values[fold] = document[self._metric]
            if len(values) == self._n_folds:
                # As TrialResult.mean rounds: the same candidate is shown with the same digits.
                mean = round(sum(values.values()) / len(values), DECIMALS)
                self._say(f"{self._names[place]}: {self._metric} {mean:.4f}{self._budget}")
