"""A registered recommender in memory: lists and scores of any user, by the code of the jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix, vstack

from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.config.recommend.models import parse_params
from sparkperso.core.columns import ITEM_ID, RANK, SCORE
from sparkperso.core.errors import UsageError
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.models import load_model
from sparkperso.recommend.models.base import Arrays, Fitted
from sparkperso.recommend.promote.model_document import Document, time_at
from sparkperso.recommend.registered.explanation import ItemExplanation, explain_item
from sparkperso.recommend.registered.known_users import KnownUsers
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.selection import list_selection

POPULARITY = "popularity"
FALLBACK = "fallback."
"""How the names of the arrays begin of the popularity that fills short lists."""


@dataclass(frozen=True)
class ListedItem:
    """One place of a list."""

    rank: int
    """From 1."""
    item_id: str
    score: float
    """Comparable within a list, not between lists."""
    strategy: str
    """The model that chose the item; `popularity` where it filled the list."""


def arrays_of(model: Fitted, fallback: Fitted | None) -> dict[str, Any]:
    """Returns the arrays of a model and of the popularity that fills its lists, under one name."""
    filling = {} if fallback is None else fallback.arrays()
    return {**model.arrays(), **{f"{FALLBACK}{name}": own for name, own in filling.items()}}


class Recommender:
    """A fitted model with its items, its settings of lists and, where it can look, its users."""

    def __init__(
        self,
        document: Document,
        arrays: Arrays,
        catalogue: Catalogue,
        users: KnownUsers | None = None,
        version: str | None = None,
    ) -> None:
        self.document = document
        """Everything that was registered of it."""
        self.version = version
        """Number in the registry, where it came from there."""
        self._arrays, self._catalogue, self._users = arrays, catalogue, users

    @property
    def strategy(self) -> str:
        """Returns the kind of model, such as `hybrid`."""
        return str(self.document["strategy"])

    @property
    def trained_at(self) -> datetime:
        """Returns the as-of of its training (naive UTC): nothing later is in it."""
        return time_at(self.document, "as_of")

    @property
    def metrics(self) -> Mapping[str, float]:
        """Returns its figures on the test: metric → mean over users with a history."""
        test = self.document["test"]
        return dict(test["metrics"][test["challenger"]])

    @property
    def n_items(self) -> int:
        """Returns the usual length of a list."""
        return self._lists.n_items

    def recommend(
        self,
        user_id: str,
        n: int | None = None,
        items: Sequence[str] | None = None,
        exclude_seen: bool = True,
    ) -> list[ListedItem]:
        """Returns the first `n` places of a user's list, by default as many as the jobs make.

        `items` are taken for the user's history instead of what the lake knows; each counts as
        bought once. Without a history the list is popularity's. With `exclude_seen` no item of
        the history is listed, as in gold/recommendations. Raises UsageError for `n` below 1, and
        for a user whose history is neither given nor to be looked up.
        """
        table = self.lists(self.histories([user_id], [items]), n, exclude_seen)
        columns = (table.column(name).to_pylist() for name in (RANK, ITEM_ID, SCORE, "strategy"))
        return [ListedItem(*row) for row in zip(*columns, strict=True)]

    def score(
        self, user_id: str, item_ids: Sequence[str], items: Sequence[str] | None = None
    ) -> list[float]:
        """Returns the model's score of each item for a user, in their order; higher is better.

        Before anything is left out or filled. -inf where the model knows nothing, and for an item
        that came after the training. `items` and errors as in `recommend`.
        """
        _require_list("item_ids", item_ids)
        scores = self._lister.model.scores(self.histories([user_id], [items]))[0]
        places = [self._places.get(item) for item in item_ids]
        return [-np.inf if place is None else float(scores[place]) for place in places]

    def explain(
        self, user_id: str, item_id: str, items: Sequence[str] | None = None
    ) -> ItemExplanation:
        """Returns why an item has its score for a user, its place in the list, or why it has none.

        `items` and errors as in `recommend`; raises UsageError for an item that came after the
        training, or that there is not.
        """
        place = self._places.get(item_id)
        if place is None:
            raise UsageError(
                "An item that is explained was known when the model was trained",
                f"{item_id!r} was not",
                f"It knows {len(self._places):,} items, as of {self.trained_at}",
            )
        user = self.histories([user_id], [items])
        rows = self.lists(user).to_pylist()
        own = next((row for row in rows if row[ITEM_ID] == item_id), None)
        listed = (own["strategy"], own[RANK]) if own else (self.strategy, None)
        params = parse_params(self.document["params"])
        names = tuple(part.model for part in getattr(params, "parts", (params,)))
        return explain_item(self._lister, names, user, place, listed)

    def lists(self, users: Histories, n: int | None = None, exclude_seen: bool = True) -> pa.Table:
        """Returns user_id, rank, item_id, score, strategy …: `scoring.lister.make_lists`."""
        if n is not None and not n >= 1:
            raise UsageError("A list has at least one place", f"Found n = {n}", "Ask for 1 or more")
        select = self._lister.select
        if n is not None or not exclude_seen:
            # No list is longer than the catalogue, whatever memory is asked for.
            n = min(n or select.n, max(len(self._catalogue), 1))
            select = replace(select, n=n, with_seen=not exclude_seen)
        return make_lists(replace(self._lister, select=select), users)

    def histories(
        self, user_ids: Sequence[str], items: Sequence[Sequence[str] | None] | None = None
    ) -> Histories:
        """Returns the users as models take them, in their order, each by `items` where it has any.

        Of the others the lake is asked. Raises UsageError where there is no lake to ask, and for
        ids that are no text.
        """
        given = list(items) if items is not None else [None] * len(user_ids)
        _require_ids(user_ids, given)
        asked = [user for user, own in zip(user_ids, given, strict=True) if own is None]
        if asked and self._users is None:
            raise UsageError(
                "A list needs what its user has",
                f"Nothing is known of {asked[0]!r}: there is no lake to look it up in",
                "Give what each user has as `items`, or name the lake: set SPARKPERSO__LAKE__ROOT",
            )
        # Who is asked for twice is looked up once.
        place = {user: row for row, user in enumerate(dict.fromkeys(asked))}
        known = self._users.histories(list(place)) if place and self._users else None
        if known is not None and len(asked) == len(user_ids):
            return known.take(np.array([place[user] for user in user_ids], dtype=np.int64))
        rows, attributes = [self._row(())[:0]], []
        for user, own in zip(user_ids, given, strict=True):
            if own is None and known is not None:
                rows.append(known.pairs[place[user]])
                attributes.append(known.attributes[place[user]])
            else:
                rows.append(self._row(own or ()))
                attributes.append(())
        pairs = vstack(rows, format="csr")
        ages = np.zeros(pairs.nnz, np.float32)
        return Histories(np.asarray(user_ids, dtype=object), pairs, ages, tuple(attributes))

    def _row(self, items: Sequence[str]) -> csr_matrix:
        known = {self._places[item] for item in items if item in self._places}
        places = np.array(sorted(known), dtype=np.int32)
        data = np.ones(len(places), dtype=np.float32)
        return csr_matrix((data, places, [0, len(places)]), shape=(1, len(self._catalogue)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self._catalogue.ids)}

    @property
    def _lists(self) -> ListsConfig:
        return ListsConfig.model_validate(self.document["config"]["lists"])

    @cached_property
    def _lister(self) -> Lister:
        model = load_model(parse_params(self.document["params"]), self._arrays)
        filling = {
            name.removeprefix(FALLBACK): array
            for name, array in self._arrays.items()
            if name.startswith(FALLBACK)
        }
        popularity = parse_params(self.document["popularity"])
        fallback = load_model(popularity, filling) if filling else None
        aliases = self.document.get("country_aliases", {})
        select = list_selection(self._lists, self._catalogue, self.trained_at, aliases)
        return Lister(model, self.strategy, self._catalogue, select, fallback)


def _require_ids(user_ids: Sequence[Any], given: Sequence[Any]) -> None:
    """Raises UsageError for users without an id of text, and a history that is a single text."""
    for user in user_ids:
        # What pandas reads may hold NaN, None and whole numbers in the place of ids.
        if not isinstance(user, str):
            raise UsageError(
                "A user_id is text",
                f"Found {user!r}",
                "Leave out rows without one, and give the others as text",
            )
    for items in given:
        if items is not None:
            _require_list("items", items)


def _require_list(name: str, items: Any) -> None:
    """Raises UsageError for a text, whose letters would be taken for items."""
    if isinstance(items, str):
        raise UsageError(f"{name} is a list of item_ids", f"Found {items!r}", f"Give [{items!r}]")
