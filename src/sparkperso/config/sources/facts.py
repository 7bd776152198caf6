"""Sources of items, users, decisions, reads, in the form that records are classified in: events.

So a record of a catalogue, of a user or of a decision goes through the same reading, rules,
pseudonyms and consent as an event does; what it says becomes a row of a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sparkperso.config.ingest import IngestConfig, RuleConfig
from sparkperso.config.sources.fields import Kind
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import EventTypeConfig, TrackingPlan

ITEM, USER, DECISION, READ = "item", "identify", "decision", "read"
"""Types of the records. What is said of a user is as an identify event says it: its keys are
traits, which the tracking plan and their names make personal."""
TYPES: Final[Mapping[Kind, str]] = {
    "items": ITEM,
    "users": USER,
    "decisions": DECISION,
    "reads": READ,
}
"""Kind → the type of its records."""
KEYS: Final[Mapping[Kind, str]] = {
    "items": "item_id",
    "users": "user_id",
    "decisions": "decision_id",
    "reads": "read_id",
}
"""Kind → the field that names what a record is about."""
ATTRIBUTE = "attributes."
BIRTH_YEAR = "birth_year"
OF_DECISIONS = ("timestamp", "user_id", "anonymous_id")
"""Fields of a decision that are an event's too."""


def facts_as_events(source: SourceConfig) -> SourceConfig:
    """Returns a source of items, users, decisions or reads as one of events.

    `updated_at` is the timestamp, `price` the value and a user's country that of the context. All
    else stands in the metadata: attributes of users under their own names, so that personal ones
    are known by them, attributes of items under `attributes.<key>`. A decision's event_id is made
    of its own and of the slot: one answer decides on several.
    """
    if source.kind == "decisions":
        slot = source.columns.get("slot", "CAST(NULL AS STRING)")
        event_id = f"concat_ws('/', {source.columns['decision_id']}, {slot})"
        return _acts_as_events(source, event_id)
    if source.kind == "reads":
        return _acts_as_events(source, source.columns["read_id"])
    is_user = source.kind == "users"
    columns = {"event_type": f"'{TYPES[source.kind]}'"}
    places = {"updated_at": "timestamp", "price": "value", "country": "context.country"}
    kept = (KEYS[source.kind], "consent")
    for name, expression in source.columns.items():
        key = name.removeprefix(ATTRIBUTE) if is_user else name
        own = name if name in kept else f"metadata.{key}"
        columns[places.get(name, own)] = expression
    return source.model_copy(update={"kind": "events", "columns": columns, "historical": True})


def _acts_as_events(source: SourceConfig, event_id: str) -> SourceConfig:
    """What a service did, which `event_id` tells apart."""
    columns = {"event_type": f"'{TYPES[source.kind]}'", "event_id": event_id}
    for name, expression in source.columns.items():
        columns[name if name in OF_DECISIONS else f"metadata.{name}"] = expression
    return source.model_copy(update={"kind": "events", "columns": columns, "historical": True})


def plan_of_facts(source: SourceConfig, plan: TrackingPlan) -> TrackingPlan:
    """Returns a tracking plan of the records of such a source, and of no others."""
    kind = TYPES[source.kind]
    given = plan.event_types.get(kind, EventTypeConfig())
    own = EventTypeConfig(personal=given.personal, free_text=given.free_text)
    return plan.model_copy(update={"event_types": {kind: own}})


def rules_of_facts(source: SourceConfig, config: IngestConfig) -> IngestConfig:
    """Returns the settings of ingest with the rules that hold for the kind."""
    given = _OF_ACTS.get(source.kind) or _of_things(KEYS[source.kind])
    own = [
        RuleConfig.model_validate({"code": code, "when": when, "message": says, "shows": shows})
        for code, when, says, shows in (*_OF_ALL, *given)
    ]
    return config.model_copy(update={"rules": tuple(own)})


Rule = tuple[str, str, str, str | None]
"""code, when (SQL), message, what is shown."""
_OF_ALL: Final[tuple[Rule, ...]] = (
    ("malformed", "is_malformed", "the record cannot be parsed", "malformed_why"),
    (
        "too_large",
        "payload_bytes > max_payload_bytes",
        "the record is longer than ingest.max_payload_bytes",
        "payload_bytes",
    ),
)
_OF_TIMES: Final[tuple[Rule, ...]] = (
    ("missing", "raw_timestamp IS NULL", "timestamp is not given", None),
    (
        "malformed",
        "timestamp IS NULL AND raw_timestamp IS NOT NULL",
        "timestamp is neither ISO 8601 nor a number since 1970",
        "raw_timestamp",
    ),
)


def _needed(*names: str) -> tuple[Rule, ...]:
    return tuple(
        ("missing", f"metadata['{name}'] IS NULL", f"{name} is not given", None) for name in names
    )


_OF_DECISIONS: Final[tuple[Rule, ...]] = (
    *_needed("decision_id", "kind"),
    *_OF_TIMES,
    (
        "out_of_range",
        "metadata['propensity'] IS NOT NULL AND NOT coalesce(try_cast(metadata['propensity'] AS "
        "DOUBLE) > 0 AND try_cast(metadata['propensity'] AS DOUBLE) <= 1, false)",
        "propensity is not above 0 and at most 1",
        "metadata['propensity']",
    ),
    (
        "wrong_type",
        "metadata['item_ids'] IS NOT NULL AND from_json(metadata['item_ids'], 'array<string>') "
        "IS NULL",
        "item_ids is not an array of texts",
        "metadata['item_ids']",
    ),
    (
        "out_of_range",
        "metadata['item_propensities'] IS NOT NULL AND NOT coalesce(forall(from_json("
        "metadata['item_propensities'], 'array<double>'), one -> one > 0 AND one <= 1), false)",
        "item_propensities is not an array of numbers above 0 and at most 1",
        "metadata['item_propensities']",
    ),
    (
        "wrong_type",
        "metadata['experiments'] IS NOT NULL AND from_json(metadata['experiments'], "
        "'map<string,string>') IS NULL",
        "experiments is not an object of texts",
        "metadata['experiments']",
    ),
)


_OF_ACTS: Final[Mapping[Kind, tuple[Rule, ...]]] = {
    "decisions": _OF_DECISIONS,
    "reads": (*_needed("read_id", "reader", "person"), *_OF_TIMES),
}


def _of_things(key: str) -> tuple[Rule, ...]:
    """What holds for items and users, which `key` names."""
    year = f"metadata['{BIRTH_YEAR}']"
    return (
        ("missing", f"{key} IS NULL", f"{key} is not given", None),
        ("wrong_type", f"left({key}, 1) IN ('{{', '[')", f"{key} is an object or a list", key),
        (
            "malformed",
            "timestamp IS NULL AND raw_timestamp IS NOT NULL",
            "updated_at is neither ISO 8601 nor a number since 1970",
            "raw_timestamp",
        ),
        ("wrong_type", "value IS NULL AND raw_value IS NOT NULL", "price is not a number",
         "raw_value"),
        ("out_of_range", "value < 0", "price is below zero", "value"),
        (
            "wrong_type",
            f"{year} IS NOT NULL AND try_cast(try_cast({year} AS DOUBLE) AS INT) IS NULL",
            "birth_year is not a number",
            year,
        ),
    )  # fmt: skip
