"""Segments: sizes, what each is like, how they hang together, who moved."""

from __future__ import annotations

from typing import Any

from sparkperso.services.dashboard.page import (
    FEW,
    Column,
    Few,
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
from sparkperso.services.dashboard.plots.flows import Flow, flows
from sparkperso.services.dashboard.plots.tree import linkage_tree, tree, tree_of
from sparkperso.services.dashboard.queries import segments as queries
from sparkperso.services.dashboard.queries.lake import Row
from sparkperso.services.dashboard.service import View

LEAD = "How large each segment is, what its people have in common, and who moved."
TOLD = 5
"""Features that are told of each segment."""
MOST_LEAVES = 200
"""Segments that are drawn as a tree: it takes a line each, and with their square as long."""


def page(view: View, query: Query) -> Page:
    """Returns the page; `segmentation` says which one, `with` which other to compare it with."""
    names = queries.segmentations(view.lake) if view.lake.has(queries.PROFILES) else []
    if not names:
        section = Section("Segments", absent=how_to_make(queries.PROFILES))
        return Page("segments", "Segments", LEAD, [section])
    name, of_name = chosen(query, "segmentation", "Segmentation", names)
    others = [one for one in names if one != name]
    rows = queries.profiles(view.lake, name)
    sections = [
        _sizes(view, rows),
        _profiles(view, rows),
        _features(view, rows),
        _tree(view, rows),
        shown_or_absent("Who moved", lambda: _changes(view, name, rows)),
    ]
    filters = [of_name]
    if others:
        other, of_other = chosen(query, "with", "Compared with", others)
        filters.append(of_other)
        sections.append(shown_or_absent("Overlap", lambda: _overlap(view, name, other)))
    return Page("segments", "Segments", LEAD, sections, filters)


def _is_few(view: View, row: Row) -> bool:
    return isinstance(shown_few(row["size"], view.least), Few)


def _sizes(view: View, rows: list[Row]) -> Section:
    columns = [
        Column("label", "Segment"),
        Column("size", "People", "integer"),
        Column("share", "Share", "percent"),
        Column("previous_size", "Before", "integer"),
        Column("change", "Change", "percent"),
        Column("value", "Spent", "number"),
        Column("segment_id", "Id", "id"),
        Column("parent_id", "Part of", "id"),
    ]
    table_rows: list[list[Any]] = []
    for row in rows:
        size = shown_few(row["size"], view.least)
        is_few = isinstance(size, Few)
        before = shown_few(row["previous_size"], view.least)
        grown = share(size, before)
        table_rows.append(
            [
                row["label"],
                size,
                FEW if is_few else row["share"],
                before,
                grown - 1 if isinstance(grown, float) else grown,
                FEW if is_few else row["value"],
                row["segment_id"],
                row["parent_id"],
            ]
        )
    # Of segments within others the finest: the rest counts the same people again.
    parents = {row["parent_id"] for row in rows}
    leaves = [row for row in rows if row["segment_id"] not in parents and not _is_few(view, row)]
    plot = bars(
        "People by segment",
        [Bar(r["label"], r["size"], f"{r['size']:,} · {r['share']:.1%}") for r in leaves[:20]],
    )
    as_of = f"As of {rows[0]['as_of']:%Y-%m-%d %H:%M}." if rows else ""
    return Section("Sizes", as_of, plot=plot, table=Table("sizes", "Segments", columns, table_rows))


def _profiles(view: View, rows: list[Row]) -> Section:
    columns = [Column("label", "Segment"), Column("sentence", "What they have in common")]
    told = [(row["label"], FEW if _is_few(view, row) else row["sentence"]) for row in rows]
    return Section("Profiles", table=Table("profiles", "Each segment in words", columns, told))


def _features(view: View, rows: list[Row]) -> Section:
    columns = [
        Column("label", "Segment"),
        Column("feature", "Feature"),
        Column("value", "Mean", "number"),
        Column("average", "Of all", "number"),
        Column("difference", "Difference (std)", "number"),
    ]
    told = [
        (row["label"], part["feature"], part["value"], part["average"], part["difference"])
        for row in rows
        if not _is_few(view, row)
        for part in (row["distinguishing"] or [])[:TOLD]
    ]
    text = "The features in which people of a segment differ most from all, in standard deviations."
    table = Table("features", "What tells each segment from all", columns, told)
    return Section("Features", text, table=table)


def _tree(view: View, rows: list[Row]) -> Section:
    """The levels of a hierarchy; of others, the order in which their centres come together."""
    told_of = [row for row in rows if not _is_few(view, row)]
    shown = told_of[:MOST_LEAVES]
    labels = {row["segment_id"]: row["label"] for row in shown}
    root = tree_of({row["segment_id"]: row["parent_id"] for row in shown}, labels)
    if root is not None:
        text = "Which segments are parts of which."
    else:
        text = "In which order the centres come together (Ward): those that join early are alike."
        centred = [row for row in shown if row["centre_scaled"]]
        root = linkage_tree([row["label"] for row in centred], queries.merges(centred))
    if root is None:
        return Section("Dendrogram", "These segments have no centres to be put together by.")
    columns = [
        Column("label", "Segment"),
        Column("parent", "Part of"),
        Column("size", "People", "integer"),
    ]
    told = [(r["label"], labels.get(r["parent_id"] or ""), r["size"]) for r in shown]
    table = Table("tree", "Segments and what they are parts of", columns, told)
    left_out = len(told_of) - len(shown)
    notes = [f"The {MOST_LEAVES} largest; {left_out} more are not drawn."] if left_out else []
    plot = tree("Dendrogram of segments", root)
    return Section("Dendrogram", text, plot=plot, table=table, notes=notes)


def _changes(view: View, name: str, rows: list[Row]) -> Section:
    parents = {row["parent_id"] for row in rows} - {None}
    found = queries.changes(view.lake, name, sorted(parents))
    if not found:
        return Section("Who moved", "Nobody left a segment yet: one more run shows who moved.")
    text = f"Who left or entered a segment as of {found[0]['as_of']:%Y-%m-%d %H:%M}."
    return _flow_section(view, ("Who moved", text), found, ("before", "now"))


def _leaves(view: View, segmentation: str) -> list[str]:
    """The segments of a segmentation that others are no part of."""
    rows = queries.profiles(view.lake, segmentation)
    parents = {row["parent_id"] for row in rows}
    return [row["segment_id"] for row in rows if row["segment_id"] not in parents]


def _overlap(view: View, name: str, other: str) -> Section:
    found = queries.overlaps(view.lake, _leaves(view, name), _leaves(view, other))
    if not found:
        return Section("Overlap", "Nobody is in segments of both.")
    text = f"In which segments of {other} people of {name} are; of hierarchies the finest level."
    return _flow_section(view, (f"{name} and {other}", text), found, (name, other))


def _flow_section(
    view: View, words: tuple[str, str], found: list[Row], heads: tuple[str, str]
) -> Section:
    heading, text = words
    name = "changes" if heads == ("before", "now") else "overlap"
    columns = [
        Column("before", heads[0].capitalize()),
        Column("now", heads[1].capitalize()),
        Column("n", "People", "integer"),
    ]
    told = [(row["before"], row["now"], shown_few(row["n"], view.least)) for row in found]
    plot = flows(
        heading,
        [Flow(a, b, n) for a, b, n in told if not isinstance(n, Few)][:60],
        heads,
    )
    return Section(heading, text, plot=plot, table=Table(name, heading, columns, told))
