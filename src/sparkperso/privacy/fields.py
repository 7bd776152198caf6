"""Puts pseudonyms into the fields of an event that a tracking plan marks as personal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sparkperso.privacy.kinds import kind_of
from sparkperso.privacy.pseudonyms import Pseudonyms


def pseudonymise_fields(
    event: dict[str, Any], fields: Iterable[str], pseudonyms: Pseudonyms
) -> None:
    """Replaces the fields (`user_id`, `metadata.email`, deeper paths too) in place, where set.

    Lists, objects and numbers are taken by their JSON text.
    """
    for field in fields:
        *parents, name = field.split(".")
        node: Any = event
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict) and node.get(name) is not None:
            text = _text(node[name])
            node[name] = pseudonyms.of(kind_of(field, text), text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
