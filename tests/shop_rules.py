"""Slots, content and rules of a small shop, in memory."""

from __future__ import annotations

from datetime import datetime, timezone

from sparkperso.config.content.assets import Content
from sparkperso.config.content.rules import Rule
from sparkperso.config.content.slots import Slot

NOON = datetime(2026, 7, 3, 12, tzinfo=timezone.utc)


def content(name, **fields):
    given = {"name": name, "slots": ["hero"], "bodies": {"any": {"en": f"<p>{name}</p>"}}}
    return Content.model_validate({**given, **fields})


def rule(name, when=None, **fields):
    asked = {} if when is None else {"if": when}
    does = {} if set(fields) & set(Rule.model_fields) - OTHER else {"show": show("offers")}
    return Rule.model_validate({"name": name, **asked, **does, **fields})


OTHER = {"priority", "valid", "enabled", "slots", "lists", "description"}


def show(content_id, slot="hero"):
    return {"slot": slot, "content": content_id}


SLOTS = [
    Slot(name="hero", channels=("web", "email"), default="welcome", max_items=5),
    Slot(name="row", max_items=5),
]
CONTENTS = [content("welcome"), content("offers"), content("other")]
