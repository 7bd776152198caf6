"""One person: what is known of them, their segments, their lists, and why."""

from __future__ import annotations

from typing import Any

from sparkperso.services.dashboard.page import Column, Figure, Filter, Page, Query, Section, Table
from sparkperso.services.dashboard.queries.people import Person, person
from sparkperso.services.dashboard.queries.recommendations import titles
from sparkperso.services.dashboard.service import View

USER = "user"
LEAD = (
    "What the lake knows of one person, and why they are shown what they are. Each look is noted "
    "in the audit."
)
REASONS = {
    "again": "was bought before, and is likely to be again",
    "profile": "people with the same attributes like it",
    "model": "the model's own score",
}


def page(view: View, query: Query) -> Page:
    """Returns the page; `user` is the person's id, as applications send it."""
    user_id = query.identifier(USER)
    fields = [Filter(USER, "User id", user_id)]
    if not user_id:
        section = Section("Look somebody up", "Give the id that applications send as user_id.")
        return Page("people", "People", LEAD, [section], fields, "Look up")
    found = person(view.lake, view.known_as(user_id))
    if not found.is_known:
        section = Section("Nobody", f"The lake knows nobody by the id {user_id}.")
        return Page("people", "People", LEAD, [section], fields, "Look up")
    sections = [
        _profile(user_id, found),
        _segments(found),
        _features(found),
        *_lists(view, found),
    ]
    return Page("people", "People", LEAD, sections, fields, "Look up")


def _profile(user_id: str, found: Person) -> Section:
    profile = found.profile or {}
    figures = [
        Figure("User", user_id, "text"),
        Figure("Country", profile.get("country"), "text"),
        Figure("Born", profile.get("birth_year"), "text"),
    ]
    columns = [Column("what", "What"), Column("value", "Value")]
    rows: list[tuple[Any, Any]] = [
        *sorted((profile.get("attributes") or {}).items()),
        *(
            (f"consent: {purpose}", "given" if is_given else "not given")
            for purpose, is_given in sorted((profile.get("consents") or {}).items())
        ),
    ]
    table = Table("profile", "Declared facts and consents", columns, rows) if rows else None
    return Section("Profile", figures=figures, table=table)


def _segments(found: Person) -> Section:
    columns = [
        Column("label", "Segment"),
        Column("segmentation", "Segmentation"),
        Column("kind", "Kind"),
        Column("since", "Since", "time"),
        Column("distance", "Distance to centre", "number"),
        Column("sentence", "What its people have in common"),
    ]
    rows = [[row.get(column.name) for column in columns] for row in found.segments]
    return Section("Segments", table=Table("segments", "Segments now", columns, rows))


def _features(found: Person) -> Section:
    """Why they are in their segments: their own numbers beside the means of each segment."""
    centred = [row for row in found.segments if row.get("centre")][:4]
    if not found.features:
        return Section("Features", "There is no number of theirs.")
    columns = [
        Column("feature", "Feature"),
        Column("value", "Theirs", "number"),
        *(Column(row["segment_id"], f"Mean of {row['label']}", "number") for row in centred),
    ]
    rows = [
        [name, value, *(row["centre"].get(name) for row in centred)]
        for name, value in sorted(found.features.items())
    ]
    text = "Their numbers beside the means of the segments that they are in: why they are in them."
    return Section("Features", text, table=Table("features", "Features", columns, rows))


def _lists(view: View, found: Person) -> list[Section]:
    because = {row["item_id"] for row in found.lists} | {
        item for row in found.lists if (item := _because(row["reason"])[0])
    }
    names = titles(view.lake, because)
    columns = [
        Column("rank", "Place", "integer"),
        Column("item_id", "Item", "id"),
        Column("title", "Title"),
        Column("why", "Why"),
        Column("score", "Score", "number"),
        Column("strategy", "Strategy"),
        Column("model_version", "Version"),
    ]
    sections = []
    for kind in dict.fromkeys(row["kind"] for row in found.lists):
        rows = [
            [
                row["rank"],
                row["item_id"],
                names.get(row["item_id"]),
                why(row["reason"], names),
                row["score"],
                row["strategy"],
                row["model_version"],
            ]
            for row in found.lists
            if row["kind"] == kind
        ]
        table = Table(f"list_{kind}", f"The list '{kind}'", columns, rows)
        sections.append(Section(f"List: {kind}", table=table))
    return sections or [Section("Lists", "There is no list: everybody's is shown.")]


def _because(reason: str | None) -> tuple[str, str]:
    """Returns item and percent of a reason `because:<item>:<percent>`; ids may have colons."""
    if not reason or not reason.startswith("because:"):
        return "", ""
    item, _, percent = reason.removeprefix("because:").rpartition(":")
    return item, percent


def why(reason: str | None, names: dict[str, str]) -> str:
    """Returns a reason in words.

    >>> why("because:85123A:31", {"85123A": "cake stand"})
    'because of cake stand (85123A): 31 % of the score'
    >>> why("popular:country:DE", {})
    'popular: country DE'
    """
    item, percent = _because(reason)
    if item:
        name = f"{names[item]} ({item})" if item in names else item
        return f"because of {name}: {percent} % of the score"
    kind, _, scope = (reason or "").partition(":")
    if kind == "popular":
        return f"popular: {scope.replace(':', ' ')}" if scope else "popular"
    return REASONS.get(kind, reason or "")
