"""The checks of a candidate, one function each; they read its registered document alone.

A document that lacks what a check needs raises MissingFieldError, as does every check here: nobody
is promoted on trust. What training measured is read, never measured again, so that the decision is
the same whenever it is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sparkperso.config.recommend.promotion import PromotionConfig
from sparkperso.evaluate.bootstrap import Interval
from sparkperso.recommend.promote.model_document import Document, time_at, value_at

CHAMPION = "champion"
PLAIN, TUNED = "popularity", "popularity_tuned"
POPULARITY = (PLAIN, TUNED)
"""Names of the popularity models: every candidate is tested beside them."""
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Check:
    """One check and its result; `found` and `wanted` are phrases for people."""

    name: str
    is_passed: bool
    found: str
    wanted: str
    figure: float | None = None
    """What was held against the bound, where that is a number."""

    def __str__(self) -> str:
        mark = "✓" if self.is_passed else "!"
        return f"{mark} {self.name}: found {self.found}; wanted {self.wanted}"


def check_gain(document: Document, baseline: str) -> Check:
    """Requires a paired gain over a baseline whose interval lies wholly above zero.

    `baseline` is a name in the document's `test.gains`. Figure: the low end, in the units of the
    metric. The check fails where the candidate is the tuned popularity, which is its own baseline.
    """
    metric = value_at(document, "test", "metric")
    wanted = f"a gain in {metric} wholly above zero"
    # Popularity may win the search: then the tuned one, its baseline, is the candidate itself.
    if baseline == TUNED and document.get("strategy") == PLAIN:
        return Check(baseline, False, "this model itself: none did better on the folds", wanted)
    path = ("test", "gains", baseline)
    gain = Interval(
        *(float(value_at(document, *path, name)) for name in ("mean", "low", "high", "level"))
    )
    return Check(baseline, gain.is_above_zero(), f"a gain of {gain}", wanted, gain.low)


def check_champion(document: Document, champion: str | None) -> Check:
    """Requires a gain over the champion; `champion` is its version now, None without one.

    A comparison with any other version proves nothing about this one: the check fails. So it does
    where the champion could not be fitted beside the candidate.
    """
    tested = value_at(document, "test", "champion_version")
    tested = None if tested is None else str(tested)
    if tested != champion:
        found = f"a comparison with {_named(tested)}"
        wanted = f"one with {_named(champion)}, as it is now: run 'sparkperso train-recommender'"
        return Check(CHAMPION, False, found, wanted)
    if champion is None:
        return Check(CHAMPION, True, "no champion", "a gain over the champion where there is one")
    left_out = document["test"].get("left_out", {})
    if CHAMPION in left_out:
        found = f"no comparison, since it cannot be fitted any more: {left_out[CHAMPION]}"
        wanted = "a gain over it: raise the bound and train again, or take the alias from it"
        return Check(CHAMPION, False, found, wanted)
    return check_gain(document, CHAMPION)


def check_metric(document: Document, metric: str) -> Check:
    """Requires that the candidate was chosen and tested by the metric that decides now.

    `metric` is its logged name. Candidate and champion stand side by side in the candidate's test:
    by another metric, none of its gains is one in what is wanted now.
    """
    tested = str(value_at(document, "test", "metric"))
    wanted = f"one by {metric}, as recommend.search says now: run 'sparkperso train-recommender'"
    return Check("metric", tested == metric, f"a test by {tested}", wanted)


def check_coverage(document: Document, min_coverage: float) -> Check:
    """Requires that a share of the catalogue (0 to 1) stands in anybody's first k places.

    k is the length of the lists that were tested. Figure: the share.
    """
    path = ("test", "metrics", _contender(document))
    names = (name for name in value_at(document, *path) if name.startswith("coverage_at_"))
    coverage = float(value_at(document, *path, next(names, "coverage_at_k")))
    wanted = f"at least {min_coverage:g} of the catalogue"
    return Check("coverage", coverage >= min_coverage, f"{coverage:.4g}", wanted, coverage)


@dataclass(frozen=True)
class Bucket:
    """The test's users with about as long a history, and how well they are served."""

    name: str
    n_users: int
    metric: float
    """The candidate's."""
    popularity: float
    """That of the best popularity."""

    @property
    def share(self) -> float:
        """The candidate's metric as a share of popularity's; infinite where that is 0."""
        return self.metric / self.popularity if self.popularity > 0 else float("inf")


def check_worst_bucket(document: Document, config: PromotionConfig) -> Check:
    """Requires that every history bucket of enough users keeps its share of popularity's metric.

    The worst is that with the smallest share; figure: that share. Without a bucket of enough users
    there is nothing to hold against the bound: the check passes, by the gain over all users.
    """
    buckets = [b for b in _buckets(document) if b.n_users >= config.min_bucket_users]
    floor = config.worst_bucket_share
    wanted = f"at least {floor:g} × popularity's in buckets of {config.min_bucket_users:,} users"
    if not buckets:
        return Check("worst_bucket", True, "no bucket has so many users", wanted)
    worst = min(buckets, key=lambda bucket: bucket.share)
    found = (
        f"{worst.metric:.4f} against {worst.popularity:.4f} of popularity for the "
        f"{worst.n_users:,} users with a history of {worst.name}"
    )
    # Not by the share, which is infinite where popularity has nothing.
    is_passed = all(b.metric >= floor * b.popularity for b in buckets)
    return Check("worst_bucket", is_passed, found, wanted, worst.share)


def check_freshness(document: Document, as_of: datetime, max_age_days: float) -> Check:
    """Requires that the training data end at most `max_age_days` before `as_of` (naive UTC).

    Figure: their age in days.
    """
    trained = time_at(document, "as_of")
    age = (as_of - trained).total_seconds() / SECONDS_PER_DAY
    found = f"data up to {trained:%Y-%m-%d %H:%M}, {age:.2f} days before {as_of:%Y-%m-%d %H:%M}"
    return Check("freshness", age <= max_age_days, found, f"at most {max_age_days:g} days", age)


def check_not_rolled_back(is_rolled_back: bool) -> Check:
    """Requires that no rollback left this very version: the next run must not undo that."""
    found = "the version that the last rollback left" if is_rolled_back else "no rollback from it"
    wanted = "another version: train again, or return to it with 'promote-model --rollback'"
    return Check("not_rolled_back", not is_rolled_back, found, wanted)


def _buckets(document: Document) -> list[Bucket]:
    metric, strategy = value_at(document, "test", "metric"), _contender(document)
    test = ("test", "buckets")
    return [
        Bucket(
            name,
            int(value_at(document, *test, strategy, name, "n")),
            float(value_at(document, *test, strategy, name, metric)),
            max(float(value_at(document, *test, model, name, metric)) for model in POPULARITY),
        )
        for name in value_at(document, *test, strategy)
    ]


def _contender(document: Document) -> str:
    """Returns the name that the candidate has in the test, where popularity stands twice."""
    strategy = str(value_at(document, "strategy"))
    return TUNED if strategy == PLAIN else strategy


def _named(version: str | None) -> str:
    return "no champion" if version is None else f"champion version {version}"
