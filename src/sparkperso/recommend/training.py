"""From events to a candidate.

1. The history is cut into folds and a test, and users' attributes as of every cut are worked out.
2. All candidates are tried on the folds; of each model the best stays, and a blend of them is
   learned (`tune.tuning`).
3. The best of each model, two popularities and the champion are fitted on the test's training part
   and judged once by what came after it (`holdout`). The test chooses nothing.
4. The candidate that did best on the folds is fitted again on everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import PopularityParams
from sparkperso.config.recommend.section import MinimumConfig, RecommendConfig
from sparkperso.core.columns import ITEM_ID, RANK, USER_ID
from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.frames import Keeper
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.data.folds import Fold, FoldSet, make_cuts
from sparkperso.recommend.data.prepared_fold import PreparedFold, prepare_fold
from sparkperso.recommend.data.user_histories import (
    Attributes,
    attributes_at_times,
    attributes_of,
    capped_text,
    profile_frame,
)
from sparkperso.recommend.fit.driver_folds import DriverFold, read_everybody, read_folds
from sparkperso.recommend.fit.fit_strategy import Fitter, Users
from sparkperso.recommend.holdout import Comparison, compare
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.lists.tested_lists import TestedModels
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.models.recency_prior import without_prior
from sparkperso.recommend.repeat_tuning import RepeatsOutcome, tune_repeats
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.recommend.tune.search_space import candidates
from sparkperso.recommend.tune.trial_result import TrialResult
from sparkperso.recommend.tune.tuning import (
    SPACE,
    AnyFold,
    TuningContext,
    TuningResult,
    tune,
    tune_ratings,
)

PLAIN, TUNED, CHAMPION = "popularity", "popularity_tuned", "champion"


@dataclass(frozen=True)
class SearchOutcome:
    """What the search found on the folds."""

    tuned: TuningResult
    explicit: TrialResult | None
    """Best explicit ALS, where there are ratings."""


@dataclass(frozen=True)
class TrainingResult:
    """What training gives: the refitted model, and everything there is to say about it."""

    model: Fitted
    als: Any
    """The best ALS (an AlsModel), for the factor tables; None when none was tried."""
    popularity: Fitted | None
    """The tuned popularity, which fills what a list lacks; None where it could not be fitted."""
    users: Histories | None
    """All users with interactions, where they are in memory."""
    winner: TrialResult
    search: SearchOutcome
    test: Comparison
    champion_version: str | None
    not_tested: Mapping[str, str]
    """Contender → why it could not be fitted for the test."""
    repeats: RepeatsOutcome | None = None
    """Settings of what is bought again; None where no such lists are made."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the document of a registered version, as far as its training goes.

        `promote.checks` read it later: a key that they need is never renamed.
        """
        best, explicit = self.search.tuned.best, self.search.explicit
        return {
            "strategy": self.winner.params.model,
            "params": self.winner.params.model_dump(mode="json"),
            "folds": [dict(fold) for fold in self.winner.folds],
            "best": {n: t.params.model_dump(mode="json") for n, t in best.items() if n != "hybrid"},
            "popularity": best["popularity"].params.model_dump(mode="json"),
            "explicit": explicit
            and {"params": explicit.params.model_dump(), "mean": explicit.mean},
            "left_out": self.search.tuned.left_out,
            "test": {
                **self.test.as_dict(),
                "champion_version": self.champion_version,
                "left_out": dict(self.not_tested),
            },
            **({"repeats": self.repeats.as_dict()} if self.repeats else {}),
        }


@dataclass(frozen=True)
class Inputs:
    """What is known when training starts."""

    events: DataFrame
    interactions: DataFrame
    item_index: DataFrame
    attributes: Attributes
    as_of: datetime
    n_users: int
    """Users of the interactions."""
    n_pairs: int
    """Interactions."""
    n_long: int = 0
    """Users with more interactions than models learn from."""
    pairs: pa.Table | None = None
    """The interactions in memory (driver_folds.read_interactions), where the driver trains."""
    champion: tuple[str, Any] | None = None
    """Version and settings of the champion: fitted beside the others for the test."""
    items: DataFrame | None = None
    """item_id, category: for lists of what is bought again."""


@dataclass(frozen=True)
class PreparedSplit:
    """What models are fitted on and judged by: frames, or arrays in the driver's memory."""

    cuts: FoldSet
    folds: Sequence[AnyFold]
    test: AnyFold
    everybody: Users
    """The profiles of all users as of `as_of`."""
    is_rated: bool
    """Whether any user has rated an item."""
    of_search: Keeper
    """Keeps what the search alone needs: closed before the test and the refit."""


@dataclass(frozen=True)
class Trainer:
    """Trains one recommender on what was known at `as_of`."""

    config: RecommendConfig
    fitter: Fitter
    slots: int
    recorder: RunRecorder
    say: Say
    count: Count = no_count
    on_test: Callable[[TestedModels], None] | None = None
    """Is shown the models of the test once they are compared; it chooses nothing either."""

    def train(self, inputs: Inputs) -> TrainingResult:
        """Returns the best candidate of the folds, tested once, refitted on everything.

        A model that cannot be fitted is left out, by name, wherever that shows. Raises
        QualityGateError when there is too little to train on or to test with, JobError when no
        model can be fitted.
        """
        with self._ready(inputs) as prepared_split:
            return self._train(prepared_split, inputs)

    def _train(self, prepared_split: PreparedSplit, inputs: Inputs) -> TrainingResult:
        context, test = self._context(inputs), prepared_split.test
        if inputs.n_long:
            self.say(capped_text(inputs.n_long, self.config.max_user_items))
        require_test_users(test, self.config.minimum)
        search = self._search(context, prepared_split)
        # Nothing reads them again, and the test's fits need the memory.
        prepared_split.of_search.close()
        self.say("testing the best of each model on the held-out part")
        contenders = self._contenders(search.tuned, inputs.champion)
        users = test.in_memory.users if isinstance(test, DriverFold) else test.profiles
        models, not_tested = self.fitter.try_fit(users, contenders)
        self._say_left_out(not_tested, "the test")
        # By the folds alone; the test only leaves out what could not be fitted for it.
        ranked = [one for one in search.tuned.ranked(context.metric) if self._name(one) in models]
        winner, refitted = self._refit(ranked, search.tuned, prepared_split.everybody)
        comparison = compare(
            models,
            self._name(winner),
            test,
            self.fitter.catalogue,
            (self.config.bootstrap, self.config.seed),
        )
        if self.on_test:
            named = (models, self._name(winner), test, self.fitter.catalogue)
            self.on_test(TestedModels(*named, fallback=TUNED))
        version = inputs.champion[0] if inputs.champion else None
        return TrainingResult(
            refitted["winner"],
            refitted.get("als"),
            refitted.get(PLAIN),
            prepared_split.everybody if isinstance(prepared_split.everybody, Histories) else None,
            winner,
            search,
            comparison,
            version,
            not_tested,
            self._repeats(prepared_split, inputs, models, self._name(winner)),
        )

    def _repeats(
        self,
        prepared_split: PreparedSplit,
        inputs: Inputs,
        models: Mapping[str, Fitted],
        winner: str,
    ) -> RepeatsOutcome | None:
        """Returns the settings of what is bought again; None where no list is of that."""
        if self.config.lists.kinds == ("new",) or inputs.items is None:
            return None
        test, catalogue = prepared_split.test, self.fitter.catalogue
        select = Selection(test.k, test.allowed)
        lister = Lister(models[winner], winner, catalogue, select, models.get(TUNED))
        if isinstance(test, DriverFold):
            table = make_lists(lister, test.in_memory.users)
            new = inputs.events.sparkSession.createDataFrame(table.select([USER_ID, RANK, ITEM_ID]))
        else:
            new = list_frame(test.profiles, lister)
        reporting = (self.recorder, self.say)
        return tune_repeats(prepared_split.cuts, inputs.items, new, self.config, reporting)

    @contextmanager
    def _ready(self, inputs: Inputs) -> Iterator[PreparedSplit]:
        """Gives all that models are fitted on and judged by, from two looks at the events.

        One is at the pairs of all cuts, the other at what is known of the users. What is cached for
        it is let go of at the end.
        """
        config, catalogue = self.config, self.fitter.catalogue
        criterion = config.search.criterion
        cuts = make_cuts(inputs.events, config.interactions, config.split, inputs.as_of)
        times = [*(cut for cut, _ in cuts.spans), inputs.as_of]
        last = len(times) - 1
        known = attributes_at_times(inputs.attributes, times)
        with Keeper() as keeper:
            if inputs.pairs is not None:
                table = known.toArrow()
                in_memory, is_rated = read_folds(cuts, criterion, catalogue, table)
                everybody = read_everybody(inputs.pairs, catalogue, table, (inputs.as_of, last))
                split = (cuts, in_memory[:-1], in_memory[-1], everybody, is_rated)
                yield PreparedSplit(*split, of_search=Keeper())
                return
            known = keeper.cached(known)

            def prepare(fold: Fold, place: int) -> PreparedFold:
                attributes = attributes_of(known, place)
                return prepare_fold(fold, criterion, catalogue, inputs.item_index, attributes)

            *folds, test = cuts.folds()
            with Keeper() as preparing:
                prepared_folds = [prepare(fold, n) for n, fold in enumerate(folds)]
                of_search = preparing.pop_all()
            keeper.callback(of_search.close)
            prepared_test = prepare(test, len(folds))
            given = (attributes_of(known, last), inputs.as_of)
            profiles = profile_frame(inputs.interactions, inputs.item_index, *given)
            is_rated = not cuts.pairs.where("user_id IS NOT NULL AND is_rated").isEmpty()
            yield PreparedSplit(cuts, prepared_folds, prepared_test, profiles, is_rated, of_search)

    def _context(self, inputs: Inputs) -> TuningContext:
        return TuningContext(
            self.config,
            self.config.search.criterion,
            self.fitter,
            inputs.item_index,
            inputs.attributes,
            self.slots,
            DataSize(inputs.n_users, len(self.fitter.catalogue), inputs.n_pairs),
            self.say,
            self.recorder,
            self.count,
        )

    def _search(self, context: TuningContext, prepared_split: PreparedSplit) -> SearchOutcome:
        tuned = tune(
            context, prepared_split.folds, candidates(self.config, context.size), blend=True
        )
        if "popularity" not in tuned.best:
            why = "; ".join(f"{name}: {reason}" for name, reason in tuned.left_out.items())
            raise JobError("Popularity, the baseline, should be fitted", why, SPACE)
        ratings = self.config.search.explicit
        if not ratings or not prepared_split.is_rated:
            return SearchOutcome(tuned, None)
        explicit = tune_ratings(context, prepared_split.folds, ratings)
        return SearchOutcome(tuned, explicit if explicit.failure is None else None)

    def _contenders(self, tuned: TuningResult, champion: tuple[str, Any] | None) -> dict[str, Any]:
        """Returns name → settings of what the test compares.

        The best of each model, both popularities, the blend, the champion.
        """
        contenders = {name: one.params for name, one in tuned.best.items() if name != "hybrid"}
        contenders |= {PLAIN: PopularityParams(), TUNED: tuned.best["popularity"].params}
        contenders |= {n: one.params for n, one in tuned.best.items() if n == "hybrid"}
        return contenders | ({CHAMPION: champion[1]} if champion else {})

    def _refit(
        self, ranked: list[TrialResult], tuned: TuningResult, everybody: Users
    ) -> tuple[TrialResult, dict[str, Fitted]]:
        """Returns the best of the folds that can be fitted on everything, and what was fitted.

        The test has no say in it.
        """
        for one in ranked:
            self.say(f"refitting {one.name} on everything up to as-of")
            to_fit = {"winner": one.params, PLAIN: tuned.best["popularity"].params}
            if "als_implicit" in tuned.best:
                # Without a prior: the factors are for similar items, and for others to use.
                als = tuned.best["als_implicit"].params
                to_fit["als"] = without_prior(als)
            models, left_out = self.fitter.try_fit(everybody, to_fit)
            self._say_left_out(left_out, "the refit")
            if "winner" in models:
                return one, models
        raise JobError(
            "One of the models that were tried should be fitted on everything",
            "None could be",
            SPACE,
        )

    def _say_left_out(self, left_out: Mapping[str, str], where: str) -> None:
        for name, why in left_out.items():
            self.say(f"{name} is left out of {where}: {why}")

    def _name(self, trial: TrialResult) -> str:
        """Returns the name that a contender has in the test, where popularity stands twice."""
        return TUNED if trial.params.model == "popularity" else str(trial.params.model)


def require_enough(counts: Mapping[str, int], minimum: MinimumConfig) -> None:
    """Raises QualityGateError when there are fewer users, items or interactions than needed."""
    names = ("users", "items", "interactions")
    lacking = [n for n in names if counts[n] < getattr(minimum, n)]
    if lacking:
        raise QualityGateError(
            "Training needs at least " + ", ".join(f"{getattr(minimum, n):,} {n}" for n in names),
            "Found " + ", ".join(f"{counts[n]:,} {n}" for n in names),
            "The champion stays as it is. Bring more events, or lower recommend.minimum",
        )


def require_test_users(test: AnyFold, minimum: MinimumConfig) -> None:
    """Raises QualityGateError when too few users have a relevant item on the test.

    Intervals would be so wide that no gain could be told from chance.
    """
    n_users = test.n_judged_users
    if n_users < minimum.test_users:
        raise QualityGateError(
            f"The test should judge at least {minimum.test_users:,} users",
            f"Only {n_users:,} known users turned to a new item after "
            f"{test.fold.training.as_of:%Y-%m-%d %H:%M}",
            "The champion stays as it is. Bring more events, or lower recommend.minimum.test_users",
        )
