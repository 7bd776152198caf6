"""A finished lake in Python: lists, similar items, segments and tables, without Spark.

Tables are read through delta-rs, each as it was when the view first looked at it. What is asked by
user or item is held in memory, grouped by its key, so that an answer is a look-up.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from sparkperso.config import load_settings
from sparkperso.config.platform import LakeConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.core.errors import UsageError
from sparkperso.core.places import local_path
from sparkperso.platform.artifacts import registered_folder, registered_name
from sparkperso.platform.lake_reader import LakeReader, spec_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable

    from sparkperso.recommend.registered.explanation import ItemExplanation
    from sparkperso.recommend.registered.recommender import Recommender
    from sparkperso.recommend.registered.session_model import SessionModel
    from sparkperso.recommend.scoring.judged_lists import JudgedLists

GLOBAL = "global"
"""The scope of gold/popular_items that is for everybody."""
POPULARITY = "popularity"
"""The strategy of what nobody in particular is recommended."""


class LockedProperty(cached_property[Any]):
    """A property that threads who ask at once work out once: since Python 3.12 each would."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__(function)
        self._while_working = RLock()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Returns the value; once it is kept, the instance gives it without a lock."""
        with self._while_working:
            return super().__get__(instance, owner)


@dataclass(frozen=True)
class Recommendation:
    """One place of a list of recommendations."""

    rank: int
    """From 1."""
    item_id: str
    title: str | None
    """As silver/items has it; None where it has none."""
    score: float
    """Comparable within a list, not between lists."""
    strategy: str
    """The model that chose the item; `popularity` where there is no list for the user."""
    reason: str | None
    """Why it is listed, as gold/recommendations tells it."""


@dataclass(frozen=True)
class SimilarItem:
    """One place of a list of similar items."""

    rank: int
    item_id: str
    title: str | None
    score: float
    """Cosine of the items' factors."""


@dataclass(frozen=True)
class NextItem:
    """One place of a list of what may follow in a session."""

    rank: int
    item_id: str
    title: str | None
    score: float
    """Comparable within a list, not between lists."""


@dataclass(frozen=True)
class Membership:
    """A segment that a user is in."""

    segment_id: str
    segmentation: str
    label: str | None


def open_lake(root: str | os.PathLike[str] | None = None, env: str = "local") -> LakeView:
    """Returns a view of the lake in a folder (or at a URI), else of the one that `env` names.

    Raises UsageError for a lake whose tables lie in a catalog: ask the catalog's own SQL.

    >>> lake = open_lake("lake")                                        # doctest: +SKIP
    >>> [place.item_id for place in lake.recommend("12393", n=2)]       # doctest: +SKIP
    ['22961', '21479']
    """
    if root is None:
        return LakeView(LakeReader(load_settings(env).lake), env)
    place = os.fspath(root)
    if not place:
        raise UsageError("A lake is a folder or a URI", "Found an empty text", "Name one")
    local = local_path(place)
    # Absolute, since tables are opened when they are first needed: the process may move meanwhile.
    place = place if local is None else os.path.abspath(os.path.expanduser(local))
    return LakeView(LakeReader(LakeConfig(root=place)), env)


class LakeView:
    """Reads a lake of files; made by `open_lake`."""

    def __init__(self, reader: LakeReader, env: str = "local") -> None:
        self._reader, self._env = reader, env
        self._opened: dict[str, DeltaTable] = {}

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns a table (`<layer>/<table>`) as Arrow, in the order of its key.

        Raises UsageError for a table that is not there.
        """
        spec = spec_of(name)
        opened = self._open(name)
        names = [field.name for field in opened.schema().fields]
        if isinstance(columns, str) or not set(columns or ()) <= set(names):
            found = f"Found {columns!r}"
            raise UsageError(f"Columns of {name} are a list of {', '.join(names)}", found)
        wanted = names if columns is None else list(columns)
        keys = [key for key in spec.key if key in names]
        read = opened.to_pyarrow_table(columns=list(dict.fromkeys([*wanted, *keys])))
        return read.sort_by([(key, "ascending") for key in keys]).select(wanted)

    def pandas(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Returns `table` as a pandas DataFrame; maps are dictionaries."""
        frame: pd.DataFrame = self.table(name, columns).to_pandas(maps_as_pydicts="lossy")
        return frame

    def recommend(self, user_id: str, n: int = 10, kind: str = "new") -> list[Recommendation]:
        """Returns the first `n` places of a user's list, the popular items where there is none.

        `kind` is one of `recommend.lists.kinds`: `new`, `again` (empty for who has bought nothing)
        or `mixed`. A list is as long as `recommend.lists` made it: there may be fewer than `n`.
        Raises UsageError before the first build-recommendations, and for lists that it did not
        make.
        """
        require_place(n)
        lists = self._lists
        # Where there are no lists at all, nobody had one to get.
        if kind not in lists and lists:
            raise UsageError(
                f"There are lists of the kinds {', '.join(sorted(lists))}",
                f"Found kind = {kind!r}",
                "Name it in recommend.lists.kinds and run build-recommendations",
            )
        rows = lists[kind].of(user_id, n) if lists else []
        if not rows and kind != "again":
            rows = [
                {**row, "strategy": POPULARITY, "reason": row["window"]}
                for row in self._popular.of(GLOBAL, n)
            ]
        names = (RANK, ITEM_ID, SCORE, "strategy", "reason")
        return [
            Recommendation(**{name: row[name] for name in names}, title=self.title(row[ITEM_ID]))
            for row in rows
        ]

    def similar(self, item_id: str, n: int = 10) -> list[SimilarItem]:
        """Returns the first `n` similar items of an item, none for one that no model knows."""
        require_place(n)
        names = ("other_item_id", RANK, SCORE)
        rows = ([row[name] for name in names] for row in self._similar.of(item_id, n))
        return [SimilarItem(rank, other, self.title(other), score) for other, rank, score in rows]

    def next_items(self, recent: Iterable[str], n: int = 10) -> list[NextItem]:
        """Returns up to `n` items that may follow these in a session, in order, the latest last.

        By recent sessions like this one, anonymous ones too; for whom, need not be known. None
        where no recent session holds an item of it. Raises UsageError before the first
        build-recommendations.
        """
        require_place(n)
        is_list = isinstance(recent, Iterable) and not isinstance(recent, str)
        items = list(recent) if is_list else []
        if not is_list or not all(isinstance(item, str) for item in items):
            raise UsageError(
                "A session is a list of item_ids, the latest last", f"Found {recent!r}"
            )
        rows = self._sessions.next_items(items, n)
        return [
            NextItem(at + 1, one, self.title(one), score) for at, (one, score) in enumerate(rows)
        ]

    def segments(self, user_id: str) -> list[Membership]:
        """Returns the segments that a user is in, in the order of their ids."""
        return [
            Membership(row["segment_id"], row["segmentation"], row["label"])
            for row in self._members.of(user_id)
        ]

    def champion(self) -> Recommender:
        """Returns the model that lists are made with: lists and scores of any user, its figures.

        The same that `mlflow.pyfunc.load_model` loads. Users are looked up in this lake. Raises
        UsageError where no version is champion, and where the registry is not the lake's own.
        """
        from sparkperso.recommend.registered.model_files import is_complete
        from sparkperso.recommend.registered.pyfunc import load_recommender

        tracking, root = load_settings(self._env).tracking, local_path(self._reader.root)
        name = registered_name(tracking.experiment_prefix, "recommender")
        if tracking.uri or root is None:
            raise UsageError(
                "The champion is looked up in the lake's own MLflow",
                "The registry of this environment is elsewhere (tracking.uri)",
                f"Ask it: mlflow.pyfunc.load_model('models:/{name}@champion').get_raw_model()",
            )
        found = registered_folder(Path(root), name, "champion")
        if found is None or not is_complete(found[1]):
            raise UsageError(
                f"A version of {name} should be champion in {root}",
                "None is" if found is None else f"Version {found[0]} has no files to load it from",
                "Run 'sparkperso train-recommender' and 'sparkperso promote-model'",
            )
        version, folder = found
        return load_recommender(folder, version, self._reader)

    def explain(self, user_id: str, item_id: str) -> ItemExplanation:
        """Returns why the champion gives an item its score for a user, or why it is not listed.

        By the model itself, on what the lake knows of the user now. Raises UsageError for an item
        that came after the training, and as `champion` does.
        """
        from sparkperso.recommend.registered.explanation import titled

        return titled(self._champion.explain(user_id, item_id), self.title)

    def judge(self, lists: Any, truth: Any, k: int = 10, baseline: Any = None) -> JudgedLists:
        """Returns what lists are worth by what users turned to, with bootstrap intervals.

        `lists` (user_id, rank, item_id) and `truth` (user_id, item_id) are DataFrames of pandas or
        Spark, or tables of Arrow; with `baseline`, other lists, there are paired gains over it.
        The metrics at `k` are those of sparkperso.evaluate. Raises UsageError for other frames.
        """
        from sparkperso.recommend.scoring.judged_lists import judge_lists_of

        return judge_lists_of(lists, truth, k, baseline)

    def title(self, item_id: str) -> str | None:
        """Returns an item's title, None where silver/items has none."""
        rows = self._items.of(item_id)
        return rows[0]["title"] if rows else None

    def _open(self, name: str) -> DeltaTable:
        return self._opened.setdefault(name, self._reader.require(name))

    @LockedProperty
    def _champion(self) -> Recommender:
        return self.champion()

    @LockedProperty
    def _lists(self) -> dict[str, GroupedTable]:
        """Kind → its lists."""
        import pyarrow.compute as pc

        columns = [USER_ID, "kind", RANK, ITEM_ID, SCORE, "strategy", "reason"]
        rows = self.table("gold/recommendations", columns)
        kinds = rows.column("kind").unique().to_pylist()
        return {
            kind: GroupedTable(rows.filter(pc.field("kind") == kind), USER_ID) for kind in kinds
        }

    @LockedProperty
    def _popular(self) -> GroupedTable:
        return GroupedTable(self.table("gold/popular_items"), "scope")

    @LockedProperty
    def _similar(self) -> GroupedTable:
        return GroupedTable(self.table("gold/similar_items"), ITEM_ID)

    @LockedProperty
    def _sessions(self) -> SessionModel:
        """The model of `recommend.sessions.served`; of 1 M sessions made in some seconds."""
        from sparkperso.recommend.registered.session_model import COLUMNS, session_model

        rows = self._open("gold/session_index").to_pyarrow_table(columns=list(COLUMNS))
        return session_model(rows, load_settings(self._env).recommend.sessions.served)

    @LockedProperty
    def _members(self) -> GroupedTable:
        columns = [USER_ID, "segment_id", "segmentation", "label"]
        return GroupedTable(self.table("gold/segments", columns), USER_ID)

    @LockedProperty
    def _items(self) -> GroupedTable:
        return GroupedTable(self.table("silver/items", [ITEM_ID, "title"]), ITEM_ID)


def require_place(n: int) -> None:
    """Raises UsageError for a list of no place."""
    if not isinstance(n, int) or n < 1:
        raise UsageError("A list has at least one place", f"Found n = {n}", "Ask for 1 or more")


class GroupedTable:
    """The rows of a table by one of its columns, by which it is ordered."""

    def __init__(self, table: pa.Table, key: str) -> None:
        import numpy as np
        import pyarrow.compute as pc

        # One chunk each: a slice of many would look for its chunk.
        self._rows = table.combine_chunks()
        column = self._rows.column(key)
        is_first = np.ones(len(column), dtype=bool)
        if len(column) > 1:
            is_first[1:] = pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(is_first)
        self._ids: list[str] = column.take(starts).to_pylist()
        self._starts = [*starts.tolist(), len(column)]

    def of(self, key: str, n: int | None = None) -> list[dict[str, Any]]:
        """Returns the first `n` rows of a key, all without `n`; none where the key is not there."""
        if not isinstance(key, str):
            raise UsageError("An id is text", f"Found {key!r}", f"Ask for '{key}'")
        place = bisect_left(self._ids, key)
        if place == len(self._ids) or self._ids[place] != key:
            return []
        start, end = self._starts[place], self._starts[place + 1]
        length = end - start if n is None else min(n, end - start)
        rows: list[dict[str, Any]] = self._rows.slice(start, length).to_pylist()
        return rows
