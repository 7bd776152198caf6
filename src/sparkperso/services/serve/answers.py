"""Answers as bytes of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sparkperso.decisions.explain import Trace
from sparkperso.mail.message import Mail
from sparkperso.services.serve.engine.lists import NO_MODEL, ListAnswer
from sparkperso.services.serve.engine.slots import SlotAnswer, SlotsAnswer

Headers = tuple[tuple[bytes, bytes], ...]


def list_body(
    name: str, value: str, answer: ListAnswer, decision_id: str, store_version: str | None
) -> bytes:
    """Returns the answer to a request for a list; its first member `name` has the `value` sent.

    Members: items, strategy, model_version, store_version, variant, fallback, decision_id; explain
    where it was asked for.
    """
    head = answer.head if b'"model_version"' in answer.head else answer.head + NO_MODEL
    explained = b""
    if answer.traces or answer.left_out:
        explained = b',"explain":%b' % orjson.dumps(explanation(answer))
    return (
        b'{"%b":%b,"items":[%b],%b,"store_version":%b,"variant":null,"fallback":%b,'
        b'"decision_id":"%b"%b}'
        % (
            name.encode(),
            orjson.dumps(value),
            answer.items,
            head,
            _text(store_version),
            _text(answer.fallback),
            decision_id.encode(),
            explained,
        )
    )


def slots_document(
    answer: SlotsAnswer, decision_id: str, store_version: str | None
) -> dict[str, Any]:
    """Returns the answer to a request for slots, as JSON's values."""
    return {
        "decision_id": decision_id,
        "slots": {name: slot_document(one) for name, one in answer.slots.items()},
        "segments": [one["segment_id"] for one in answer.segments],
        "strategy": answer.strategy,
        "store_version": store_version,
        "fallback": answer.fallback,
    }


def slot_document(slot: SlotAnswer) -> dict[str, Any]:
    """Returns what one slot shows, as JSON's values."""
    choice, items = slot.choice, slot.items
    document: dict[str, Any] = {
        "content_id": choice.content_id,
        "format": choice.format,
        "body": choice.body,
        "language": choice.language,
        "rule": choice.rule,
        "variant": choice.variant,
        "reason": choice.reason,
    }
    if items is not None:
        document["items"] = orjson.loads(b"[%b]" % items.items)
        document |= {"list": head_document(items), "fallback": items.fallback}
    if choice.looked_at:
        document["explain"] = [trace_document(one) for one in choice.looked_at]
    if items is not None and (items.traces or items.left_out):
        document["explain_items"] = explanation(items)
    return document


def mail_document(mail: Mail) -> dict[str, Any]:
    """Returns a mail, as JSON's values."""
    return {
        **{"subject": mail.subject, "html": mail.html, "text": mail.text},
        **{"headers": dict(mail.headers), "warnings": list(mail.warnings)},
    }


def head_document(answer: ListAnswer) -> dict[str, Any]:
    """Returns what is said of a list as a whole: strategy, model_version, window."""
    head: dict[str, Any] = orjson.loads(b"{%b}" % answer.head)
    return {"model_version": None, **head}


def trace_document(trace: Trace) -> dict[str, Any]:
    """Returns why a rule did or did not count."""
    names = ("name", "kind", "outcome", "why", "priority", "specificity")
    return {name: getattr(trace, name) for name in names}


def explanation(answer: ListAnswer) -> Mapping[str, Any]:
    """Returns which rules counted for a list, and what they left out."""
    return {
        "rules": [trace_document(one) for one in answer.traces],
        "left_out": [
            {"item_id": item_id, "rule": rule, "why": why} for item_id, rule, why in answer.left_out
        ],
    }


def _text(value: str | None) -> bytes:
    return b"null" if value is None else orjson.dumps(value)
