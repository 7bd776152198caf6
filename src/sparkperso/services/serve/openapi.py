"""The OpenAPI document of the API: what its routes share; each has its own beside its handler."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from starlette.routing import BaseRoute, Route

from sparkperso import __version__
from sparkperso.config.api import MOST_ITEMS
from sparkperso.core.event import CHANNELS
from sparkperso.decisions.decision import Reason
from sparkperso.decisions.explain import Outcome
from sparkperso.decisions.facts import LONGEST, MOST_TEXTS
from sparkperso.rules.attributes import TEXT
from sparkperso.rules.context import SENT, TEXTS
from sparkperso.services.http import openapi
from sparkperso.services.http.openapi import Schema
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.store_access import Fallback

ALWAYS = (400, 429, 431, 503)
"""Problems of every route: no HTTP, too many connections of one address or headers, and of all."""
OF_CALLERS = (401, 403)
"""Problems of every route that asks who sends."""
OF_BODIES = (408, 413, 415, 422)
"""Problems of bodies."""
SECURITY = ({"bearer": ()},)


def ref(name: str) -> Schema:
    """Returns the reference to a schema that routes share."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Returns the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema, most: int) -> Schema:
    """Returns the schema of up to `most` values; one may stand for a list of one, or null."""
    many = {"type": "array", "maxItems": most, "items": schema}
    return {"anyOf": [many, schema, {"type": "null"}]}


def closed(properties: dict[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """Returns the schema of an object with these members and no others."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }


def in_query(name: str, schema: Schema, description: str) -> Schema:
    """Returns a parameter of the query; one of several values is repeated."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


STRING: Schema = {"type": "string"}
ID = ref("Id")
IDS = list_of(ID, MOST_TEXTS)
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}
SHORT: Schema = {"type": "string", "maxLength": LONGEST}
FLAG: Schema = {"type": "string", "enum": list(read.FLAGS)}
NULLABLE_STRING: Schema = {"type": ["string", "null"]}
FALLBACK = ref("Fallback")
EXPERIMENTS: Schema = {
    "type": "object",
    "additionalProperties": STRING,
    "description": "Experiment → variant, of those that count what is seen of it.",
}
DECISION_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def _context_field(name: str) -> Schema:
    """The schema of a field of a context in a body."""
    if name == "channel":
        return {"enum": [*CHANNELS, "", None]}
    if SENT[name] == TEXT:
        return {"type": ["string", "null"], "maxLength": LONGEST}
    if SENT[name] == TEXTS:
        return list_of(SHORT, MOST_TEXTS)
    return {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_TEXTS}


def _context_parameter(name: str) -> Schema:
    """A field of a context as a parameter of the query."""
    many: Schema = {"type": "array", "maxItems": MOST_TEXTS, "items": SHORT}
    one = {"type": "string", "enum": [*CHANNELS, ""]} if name == "channel" else SHORT
    return in_query(name, many if SENT[name] == TEXTS else one, "Of the request's context.")


PARAMETERS: dict[str, Schema] = {
    "n": in_query("n", COUNT, "Places of the list."),
    "kind": in_query("kind", {"type": "string", "enum": list(read.KINDS)}, "Which list."),
    "exclude": in_query(
        "exclude",
        {"type": "array", "maxItems": MOST_TEXTS, "items": ID},
        "Items that may not be listed.",
    ),
    "category": in_query("category", ID, "The only category that may be listed."),
    "anonymous_id": in_query("anonymous_id", ID, "The browser's own id."),
    "explain": in_query("explain", FLAG, "Whether to say which rules counted, and why."),
    **{name: _context_parameter(name) for name in sorted(read.OF_CONTEXT)},
}
"""Name → parameter of the query, as `reading` takes it."""

TRACES: Schema = {"type": "array", "items": ref("Trace")}
EXPLAINED = closed({"rules": TRACES, "left_out": {"type": "array", "items": ref("LeftOut")}})
HEAD: dict[str, Schema] = {
    "strategy": {**STRING, "description": "What made it; `no_consent`: it is everybody's."},
    "model_version": NULLABLE_STRING,
    "window": {**STRING, "description": "Of popular items: what was counted."},
}
SCHEMAS: dict[str, Schema] = {
    "Id": {"type": "string", "minLength": 1, "maxLength": read.LONGEST_ID},
    "Fallback": nullable(
        {
            "enum": list(get_args(Fallback)),
            "description": "Why the answer is not what it should be; null where it is.",
        }
    ),
    "Context": {
        "description": "The request; null and empty values are as good as absent.",
        "type": ["object", "null"],
        "properties": {name: _context_field(name) for name in SENT},
        "additionalProperties": False,
    },
    "Item": closed(
        {
            "rank": {"type": "integer", "minimum": 1},
            "item_id": STRING,
            "score": {"type": "number"},
            "reason": STRING,
            "title": STRING,
        },
        optional=("score", "reason", "title"),
    ),
    "Trace": closed(
        {
            "name": STRING,
            "kind": {"enum": ["rule", "tags"]},
            "outcome": {"enum": list(get_args(Outcome))},
            "why": STRING,
            "priority": {"type": "integer"},
            "specificity": {"type": "integer"},
        }
    ),
    "LeftOut": closed({"item_id": STRING, "rule": STRING, "why": STRING}),
    "Slot": closed(
        {
            "content_id": NULLABLE_STRING,
            "format": {"enum": ["html", "json", None]},
            "body": {"description": "HTML as text, or JSON; null where nothing is shown."},
            "language": NULLABLE_STRING,
            "rule": NULLABLE_STRING,
            "variant": {**NULLABLE_STRING, "description": "Of content with variants of its own."},
            "experiments": EXPERIMENTS,
            "reason": {"enum": list(get_args(Reason))},
            "items": {"type": "array", "items": ref("Item")},
            "list": closed(HEAD, optional=("window",)),
            "fallback": FALLBACK,
            "explain": TRACES,
            "explain_items": EXPLAINED,
        },
        optional=("items", "list", "fallback", "explain", "explain_items"),
    ),
    "Segment": {
        "type": "object",
        "required": ["segment_id"],
        "properties": dict.fromkeys(
            ("segment_id", "segmentation", "label", "kind", "model_version", "assigned_at"), STRING
        ),
    },
    "Profile": {
        "type": "object",
        "properties": {
            "country": STRING,
            "birth_year": {"type": "integer"},
            "attributes": {"type": "object", "additionalProperties": STRING},
            "segments": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": STRING},
            },
            "features": {"type": "object"},
        },
    },
    "Problem": openapi.PROBLEM,
}


def list_answer(name: str) -> Schema:
    """Returns the schema of the answer of a route for lists; its first member is `name`."""
    members = {
        **{name: STRING, "items": {"type": "array", "items": ref("Item")}},
        **HEAD,
        "store_version": NULLABLE_STRING,
        "variant": {**NULLABLE_STRING, "description": "Of the first of the experiments."},
        "experiments": EXPERIMENTS,
        "fallback": FALLBACK,
        "decision_id": DECISION_ID,
        "explain": EXPLAINED,
    }
    return closed(members, optional=("window", "explain"))


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of the routes.

    Raises LookupError for one that is not described.
    """
    return {
        "openapi": openapi.VERSION,
        "info": {"title": "sparkperso personalisation API", "version": __version__},
        "paths": openapi.paths(routes, _operation),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, an issuer's token or a browser token.",
                },
                "page": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "A browser token, for a stream: its client sends no header.",
                },
            },
        },
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    return openapi.described_operation(route, method, ALWAYS)
