"""Answers as bytes of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from sparkperso.decisions.explain import Trace
from sparkperso.experiments.assignment.assign import Assignment
from sparkperso.experiments.assignment.book import variants_of
from sparkperso.mail.message import Mail
from sparkperso.services.serve.engine.assigning import Assigned
from sparkperso.services.serve.engine.lists import NO_MODEL, ListAnswer
from sparkperso.services.serve.engine.slots import SlotAnswer, SlotsAnswer

Headers = tuple[tuple[bytes, bytes], ...]


def list_body(
    name: str, value: str, answer: ListAnswer, decision_id: str, store_version: str | None
) -> bytes:
    """Returns the answer to a request for a list; its first member `name` has the `value` sent.

    Members: items, strategy, model_version, store_version, variant, experiments, fallback,
    decision_id; explain where it was asked for. `variant` is that of the first experiment.
    """
    variant, experiments = b"null", b"{}"
    if answer.experiments:
        variant = orjson.dumps(answer.experiments[0].variant)
        experiments = orjson.dumps(variants_of(answer.experiments))
    head = answer.head if b'"model_version"' in answer.head else answer.head + NO_MODEL
    explained = b""
    if answer.traces or answer.left_out:
        explained = b',"explain":%b' % orjson.dumps(explanation(answer))
    return (
        b'{"%b":%b,"items":[%b],%b,"store_version":%b,"variant":%b,"experiments":%b,'
        b'"fallback":%b,"decision_id":"%b"%b}'
        % (
            name.encode(),
            orjson.dumps(value),
            answer.items,
            head,
            _text(store_version),
            variant,
            experiments,
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
        "experiments": variants_of(slot.experiments),
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


def assigned_body(answer: Assigned, decision_id: str, store_version: str | None) -> bytes:
    """Returns the answer to a request for variants.

    Members: decision_id, experiments (name → what `assignment_json` says), store_version, fallback.
    """
    given = b",".join(
        b'"%b":%b' % (name.encode(), assignment_json(one))
        for name, one in answer.experiments.items()
    )
    return b'{"decision_id":"%b","experiments":{%b},"store_version":%b,"fallback":%b}' % (
        decision_id.encode(),
        given,
        _text(store_version),
        _text(answer.fallback),
    )


def assigned_document(
    answer: Assigned, decision_id: str, store_version: str | None
) -> dict[str, Any]:
    """Returns the same, as JSON's values."""
    document: dict[str, Any] = orjson.loads(assigned_body(answer, decision_id, store_version))
    return document


@lru_cache(4096)
def assignment_json(one: Assignment) -> bytes:
    """Returns what one experiment gives; there are few different answers of each."""
    return orjson.dumps(assignment_document(one))


def assignment_document(one: Assignment) -> dict[str, Any]:
    """Returns what one experiment gives, as JSON's values."""
    return {
        "experiment": one.experiment,
        "variant": one.variant,
        "value": one.value,
        "reason": one.reason,
        "is_counted": one.is_counted,
        "propensity": one.propensity,
    }


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
