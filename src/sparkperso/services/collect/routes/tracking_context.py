"""The `context` of the tracking API's messages → context and channel of an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkperso.services.collect.intake import typed_fields

PATHS = {
    "device_type": ("device.type",),
    "os": ("os.name",),
    "country": ("location.country", "location.country_code"),
    "region": ("location.region",),
    "page_url": ("page.url",),
    "referrer": ("page.referrer",),
    "campaign": ("campaign.name",),
}
"""Part of an event's context → where it may stand in the message's."""
IN_PROPERTIES = {"page_url": "url", "referrer": "referrer"}
PHONES = frozenset({"ios", "android", "iphone", "ipad"})


def context_of(message: Mapping[str, Any]) -> dict[str, str]:
    """Returns the parts of an event's context that a message has; nothing else of it is kept.

    The address, the agent and the traits in it are personal: traits go with `identify` alone.
    """
    context = part_of(message, "context")
    properties = part_of(message, "properties")
    values = {name: _first(context, paths) for name, paths in PATHS.items()}
    for name, key in IN_PROPERTIES.items():
        values[name] = values[name] or properties.get(key)
    # SDKs of phones name their system where others name the kind of device.
    if str(values["device_type"]).lower() in PHONES:
        values["device_type"] = "mobile"
    return {name: value for name, value in values.items() if isinstance(value, str) and value}


def channel_of(message: Mapping[str, Any]) -> str | None:
    """Returns the channel that a message names; None leaves it to the site."""
    own, context = message.get("channel"), part_of(message, "context")
    return typed_fields.channel_of(own) or typed_fields.channel_of(context.get("channel"))


def part_of(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns an object within another, empty when it is none: context decorates a message."""
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _first(context: Mapping[str, Any], paths: tuple[str, ...]) -> Any:
    for path in paths:
        group, _, name = path.partition(".")
        value = part_of(context, group).get(name)
        if value:
            return value
    return None
