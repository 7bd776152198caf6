"""What a receiver is told: one change of one person's segments, for one trigger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sparkperso.core.times import iso

TYPES = {"entered": "segment.entered", "left": "segment.left"}


@dataclass(frozen=True)
class Message:
    """A message as it waits in the queue; its body never changes, so that its id means it."""

    delivery_id: str
    trigger: str
    host: str
    user_id: str
    segment: str
    change: str
    body: str


def message_of(trigger: str, host: str, row: Mapping[str, Any]) -> Message:
    """Returns what a trigger says of a row of gold/segment_history."""
    moment: datetime = row["assigned_at"]
    parts = (trigger, row["user_id"], row["segment_id"], row["change"], iso(moment))
    # Of the change alone: whoever reads the history again, makes the same id.
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    data = {
        "user_id": row["user_id"],
        "segmentation": row["segmentation"],
        "segment": row["segment_id"],
        "label": row["label"],
        "at": iso(row["as_of"]),
        "trigger": trigger,
    }
    return Message(
        f"msg_{digest[:32]}",
        trigger,
        host,
        row["user_id"],
        row["segment_id"],
        row["change"],
        body_of(TYPES[row["change"]], moment, data),
    )


def body_of(kind: str, moment: datetime, data: Mapping[str, Any]) -> str:
    """Returns a body as Standard Webhooks lays it out: `type`, `timestamp`, `data`."""
    return json.dumps({"type": kind, "timestamp": iso(moment), "data": data}, separators=(",", ":"))
