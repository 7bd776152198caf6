"""What requests of gRPC say as the members that operations read, and answers as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from sparkperso.experiments.assignment.book import variants_of
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import explanation, head_document
from sparkperso.services.serve.engine.lists import items_in
from sparkperso.services.serve.operations import Listed
from sparkperso.services.serve.rpc import personalization_pb2 as pb

Kind = TypeVar("Kind", bound=Message)


def members_of(request: Message) -> dict[str, Any]:
    """Returns name → JSON's value of the fields that a request has; a `context` is an object.

    Fields without a value of their own (empty texts, no elements) are as good as absent where the
    protocol cannot tell the two apart. Raises a 422 Problem for what JSON cannot say (NaN).
    """
    return {field.name: _value(field, value) for field, value in request.ListFields()}


def _value(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    try:
        return json_format.MessageToDict(value)
    except ValueError:
        raise read.invalid(f"{field.name} should hold numbers as JSON has them.") from None


def list_answer(listed: Listed, store_version: str | None) -> pb.ListAnswer:
    """Returns a list as a message: what `answers.list_body` says in JSON."""
    answer = listed.answer
    head = head_document(answer)
    message = pb.ListAnswer(
        items=[pb.Item(**one) for one in items_in(answer.items)],
        strategy=head["strategy"],
        model_version=head["model_version"],
        window=head.get("window"),
        store_version=store_version,
        fallback=answer.fallback,
        decision_id=listed.decision_id,
        experiments=variants_of(answer.experiments),
        variant=answer.experiments[0].variant if answer.experiments else None,
    )
    setattr(message, listed.name, listed.value)
    if answer.traces or answer.left_out:
        json_format.ParseDict(explanation(answer), message.explain)
    return message


def message_of(kind: type[Kind], document: Mapping[str, Any]) -> Kind:
    """Returns a document of JSON as a message of a kind whose fields are its members."""
    message: Kind = kind()
    json_format.ParseDict(dict(document), message)
    return message
