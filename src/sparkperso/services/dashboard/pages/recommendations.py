"""Recommendations: which model won, whom lists reach, which items, after how much history."""

from __future__ import annotations

from sparkperso.services.dashboard.page import (
    FEW,
    Column,
    Few,
    Figure,
    Page,
    Query,
    Section,
    Table,
    share,
    shown_few,
)
from sparkperso.services.dashboard.pages.absent import how_to_make, shown_or_absent
from sparkperso.services.dashboard.pages.filters import chosen
from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.plots.intervals import Interval, intervals
from sparkperso.services.dashboard.queries import recommendations as queries
from sparkperso.services.dashboard.queries.freshness import model_ages
from sparkperso.services.dashboard.service import View

LEAD = "Which model makes the lists, how good it was on its test, and whom and what they reach."
TOP = 20


def page(view: View, query: Query) -> Page:
    """Returns the page; `kind` says which lists."""
    board = shown_or_absent("Leaderboard", lambda: _leaderboard(view))
    kinds = queries.kinds(view.lake) if view.lake.has(queries.LISTS) else []
    if not kinds:
        lists = Section("Lists", absent=how_to_make(queries.LISTS))
        return Page("recommendations", "Recommendations", LEAD, [board, lists])
    default = "new" if "new" in kinds else kinds[0]
    kind, of_kind = chosen(query, "kind", "Lists of", kinds, default)
    sections = [
        _reach(view, kind),
        board,
        shown_or_absent("Trainings", lambda: _trainings(view)),
        _strategies(view, kind),
        shown_or_absent("By history", lambda: _history(view, kind)),
        _items(view, kind),
    ]
    return Page("recommendations", "Recommendations", LEAD, sections, [of_kind])


def _reach(view: View, kind: str) -> Section:
    found = queries.reach(view.lake, kind)
    users = shown_few(found["users"], view.least)
    catalogue = view.lake.count(queries.ITEMS) if view.lake.has(queries.ITEMS) else None
    champion = next((m for m in model_ages(view.lake) if "champion" in m.aliases), None)
    figures = [
        Figure("People with a list", users),
        Figure("Places of a list", share(found["places"], found["users"]), "number", "on average"),
        Figure("Items listed", found["items"]),
        Figure("Coverage", share(found["items"], catalogue), "percent", "of the catalogue"),
        Figure("Made", found["generated_at"], "time"),
    ]
    if champion is not None:
        figures.append(Figure("Champion", f"version {champion.version}", "text", champion.name))
    return Section("Reach", figures=figures)


def _leaderboard(view: View) -> Section:
    found = queries.trainings(view.lake, 1)
    where = view.settings.dashboard.mlflow_url or "the pages that 'sparkperso ui' opens"
    if not found or not found[0].scores:
        return Section("Leaderboard", f"No training yet: sparkperso train-recommender ({where}).")
    training = found[0]
    metric = training.scores[0].metric
    columns = [
        Column("model", "Model"),
        Column("value", metric, "number"),
        Column("low", "from", "number"),
        Column("high", "to", "number"),
        Column("chosen", "Chosen"),
    ]
    rows: list[tuple[object, ...]] = [
        (score.model, score.value, score.low, score.high, "yes" if score.is_winner else "no")
        for score in training.scores
    ]
    if any(score.off_policy for score in training.scores):
        columns.append(Column("off_policy", "Clicks per list, had its lists been shown"))
        told = (score.off_policy for score in training.scores)
        rows = [(*row, one) for row, one in zip(rows, told, strict=True)]
    plot = intervals(
        f"{metric} of each model on the test",
        [
            Interval(s.model, s.value, s.low, s.high, 1 if s.is_winner else 0)
            for s in training.scores
        ],
        "{:.4f}".format,
        None,
    )
    text = (
        f"The latest training, {training.at:%Y-%m-%d %H:%M}, version {training.version}: {metric} "
        f"on what came after the training data, 95 % interval. All runs are in MLflow: {where}."
    )
    table = Table("leaderboard", "Models of the latest training", columns, rows)
    return Section("Leaderboard", text, plot=plot, table=table)


def _trainings(view: View) -> Section:
    columns = [
        Column("at", "Trained", "time"),
        Column("version", "Version"),
        Column("winner", "Chosen"),
        Column("metric", "Metric"),
        Column("value", "Its value", "number"),
        Column("low", "from", "number"),
        Column("high", "to", "number"),
        Column("run_id", "Run", "id"),
    ]
    rows = []
    for one in queries.trainings(view.lake):
        best = next((score for score in one.scores if score.is_winner), None)
        told = (best.metric, best.value, best.low, best.high) if best else (None,) * 4
        rows.append((one.at, one.version, one.winner, *told, one.run_id))
    return Section("Trainings", table=Table("trainings", "The latest first", columns, rows))


def _strategies(view: View, kind: str) -> Section:
    found = queries.by_strategy(view.lake, kind)
    columns = [
        Column("strategy", "Strategy"),
        Column("model_version", "Version"),
        Column("users", "People", "integer"),
        Column("places", "Places", "integer"),
        Column("items", "Items", "integer"),
    ]
    rows = []
    for row in found:
        users = shown_few(row["users"], view.least)
        is_few = isinstance(users, Few)
        counts = [FEW if is_few else row[name] for name in ("places", "items")]
        rows.append((row["strategy"], row["model_version"], users, *counts))
    text = "What made the places of the lists; 'popularity' fills up where a model had no say."
    return Section("By strategy", text, table=Table("strategies", "Places", columns, rows))


def _history(view: View, kind: str) -> Section:
    columns = [
        Column("history", "Items known"),
        Column("users", "People", "integer"),
        Column("length", "Places", "number"),
        Column("fallback_share", "Of a fallback", "percent"),
    ]
    rows = []
    for row in queries.by_history(view.lake, kind):
        users = shown_few(row["users"], view.least)
        is_few = isinstance(users, Few)
        told = (FEW, FEW) if is_few else (row["length"], share(row["fallback"], row["places"]))
        rows.append((row["history"], users, *told))
    plot = bars(
        "People with a list, by how many items they are known by",
        [Bar(row[0], row[1], f"{row[1]:,}") for row in rows if not isinstance(row[1], Few)],
    )
    text = "How many different items each person's history has, and what their lists are like."
    table = Table("history", "Lists by length of history", columns, rows)
    return Section("By history", text, plot=plot, table=table)


def _items(view: View, kind: str) -> Section:
    found = queries.most_listed(view.lake, kind, TOP)
    users = queries.reach(view.lake, kind)["users"]
    titles = queries.titles(view.lake, {row["item_id"] for row in found})
    columns = [
        Column("item_id", "Item", "id"),
        Column("title", "Title"),
        Column("users", "Lists", "integer"),
        Column("share", "Of all lists", "percent"),
    ]
    rows = []
    for row in found:
        listed = shown_few(row["users"], view.least)
        part = share(listed, users)
        rows.append((row["item_id"], titles.get(row["item_id"]), listed, part))
    text = "Items in many lists at once: a model that lists the same to all personalises nothing."
    return Section("Most listed", text, table=Table("items", "Items by lists", columns, rows))
