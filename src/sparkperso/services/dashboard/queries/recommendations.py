"""Lists of recommendations: whose, of which items, by which model, after how much history."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal
from sparkperso.services.dashboard.queries.runs import RUNS

LISTS, INTERACTIONS, ITEMS = "gold/recommendations", "gold/interactions", "silver/items"
TEST = re.compile(r"test (?P<metric>\S+) (?P<model>\w+)")
VALUE = re.compile(r"(?P<value>-?[\d.]+)(?: \[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\])?")
BUCKETS: Final = ((0, "none"), (1, "1 to 2"), (3, "3 to 5"), (6, "6 to 10"), (11, "11 to 20"))
LAST: Final = ((21, "21 to 50"), (51, "more than 50"))


@dataclass(frozen=True)
class Score:
    """What a model reached on the test of a training, with its interval."""

    model: str
    metric: str
    value: float
    low: float | None
    high: float | None
    is_winner: bool
    off_policy: str | None = None
    """What its lists would have earned by those that were shown, with its status."""


@dataclass(frozen=True)
class Training:
    """A run of train-recommender: the version that it registered, and what was tried."""

    run_id: str
    at: datetime
    version: str
    winner: str
    scores: tuple[Score, ...]
    """The best first."""


def trainings(lake: LakeTables, limit: int = 50) -> list[Training]:
    """Returns the trainings that registered a version, the latest first; raises AbsentTable.

    Read from what the runs said: services import no MLflow.
    """
    where = "job = 'train-recommender' AND status = 'done'"
    columns = ("run_id", "started_at", "summary")
    rows = lake.select(RUNS, columns, where, "started_at DESC, run_id", limit)
    return [_training(row) for row in rows]


def _training(row: Row) -> Training:
    summary = row["summary"] or {}
    winner = summary.get("winner", "")
    scores = []
    for name, text in summary.items():
        named, found = TEST.fullmatch(name), VALUE.fullmatch(text or "")
        if named and found:
            ends = [found[end] for end in ("low", "high")]
            low, high = (float(end) if end else None for end in ends)
            model = named["model"]
            scores.append(
                Score(
                    *(model, named["metric"], float(found["value"]), low, high, model == winner),
                    summary.get(f"off-policy {model}"),
                )
            )
    scores.sort(key=lambda score: (-score.value, score.model))
    return Training(
        row["run_id"], row["started_at"], summary.get("version", ""), winner, tuple(scores)
    )


def kinds(lake: LakeTables) -> list[str]:
    """Returns the kinds of lists that there are; raises AbsentTable."""
    return [row["kind"] for row in lake.rows("SELECT DISTINCT kind FROM r ORDER BY kind", r=LISTS)]


def reach(lake: LakeTables, kind: str) -> Row:
    """Returns users, items, places and generated_at of the lists of a kind; raises AbsentTable."""
    text = (
        "SELECT count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items, "
        "count(*) AS places, max(generated_at) AS generated_at FROM r "
        f"WHERE kind = {literal(kind)}"
    )
    return lake.rows(text, r=LISTS)[0]


def by_strategy(lake: LakeTables, kind: str) -> list[Row]:
    """Returns per strategy and model version its users and places; raises AbsentTable."""
    text = (
        "SELECT strategy, model_version, count(DISTINCT user_id) AS users, count(*) AS places, "
        f"count(DISTINCT item_id) AS items FROM r WHERE kind = {literal(kind)} "
        "GROUP BY strategy, model_version ORDER BY places DESC, strategy, model_version"
    )
    return lake.rows(text, r=LISTS)


def by_history(lake: LakeTables, kind: str) -> list[Row]:
    """Returns per length of history: users with a list, its mean length, the part of a fallback.

    The length is how many different items of gold/interactions a user has. A place is of a
    fallback where its strategy is `popularity`. Raises AbsentTable.
    """
    steps = [*BUCKETS, *LAST]
    cases = " ".join(f"WHEN coalesce(h.n, 0) >= {least} THEN {least}" for least, _ in steps[::-1])
    text = (
        "WITH l AS (SELECT user_id, count(*) AS places, "
        "count(*) FILTER (WHERE strategy = 'popularity') AS fallback FROM r "
        f"WHERE kind = {literal(kind)} GROUP BY user_id), "
        "h AS (SELECT user_id, count(*) AS n FROM i GROUP BY user_id) "
        f"SELECT CASE {cases} ELSE 0 END AS least, count(*) AS users, avg(places) AS length, "
        "sum(fallback) AS fallback, sum(places) AS places "
        "FROM l LEFT JOIN h ON l.user_id = h.user_id GROUP BY 1 ORDER BY 1"
    )
    names = dict(steps)
    rows = lake.rows(text, r=LISTS, i=INTERACTIONS)
    return [{**row, "history": names[row["least"]]} for row in rows]


def most_listed(lake: LakeTables, kind: str, limit: int) -> list[Row]:
    """Returns the items that stand in the most lists, with their users; raises AbsentTable."""
    text = (
        f"SELECT item_id, count(*) AS users FROM r WHERE kind = {literal(kind)} "
        f"GROUP BY item_id ORDER BY users DESC, item_id LIMIT {int(limit)}"
    )
    return lake.rows(text, r=LISTS)


def titles(lake: LakeTables, item_ids: set[str]) -> dict[str, str]:
    """Returns item_id → title, of those items that have one; none without silver/items."""
    if not item_ids or not lake.has(ITEMS):
        return {}
    told = ", ".join(literal(item_id) for item_id in sorted(item_ids))
    rows = lake.select(ITEMS, ("item_id", "title"), f"item_id IN ({told})")
    return {row["item_id"]: row["title"] for row in rows if row["title"]}
