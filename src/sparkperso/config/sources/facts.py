"""Sources of items and users, in the form that records are classified in: that of events.

So a record of a catalogue or of a user goes through the same reading, rules, pseudonyms and consent
as an event does; what it says becomes a row of silver/items or silver/users.
"""

from __future__ import annotations

from sparkperso.config.ingest import IngestConfig, RuleConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import EventTypeConfig, TrackingPlan

ITEM, USER = "item", "identify"
"""Types of the records. What is said of a user is as an identify event says it: its keys are
traits, which the tracking plan and their names make personal."""
KEYS = {"items": "item_id", "users": "user_id"}
"""Kind → the field that names what a record is about."""
ATTRIBUTE = "attributes."
BIRTH_YEAR = "birth_year"


def facts_as_events(source: SourceConfig) -> SourceConfig:
    """Returns a source of items or users as one of events.

    `updated_at` is the timestamp, `price` the value and a user's country that of the context. All
    else stands in the metadata: attributes of users under their own names, so that personal ones
    are known by them, attributes of items under `attributes.<key>`.
    """
    is_user = source.kind == "users"
    columns = {"event_type": f"'{USER if is_user else ITEM}'"}
    places = {"updated_at": "timestamp", "price": "value", "country": "context.country"}
    kept = (KEYS[source.kind], "consent")
    for name, expression in source.columns.items():
        key = name.removeprefix(ATTRIBUTE) if is_user else name
        own = name if name in kept else f"metadata.{key}"
        columns[places.get(name, own)] = expression
    return source.model_copy(update={"kind": "events", "columns": columns, "historical": True})


def plan_of_facts(source: SourceConfig, plan: TrackingPlan) -> TrackingPlan:
    """Returns a tracking plan of the records of a source of items or users, and of no others."""
    kind = USER if source.kind == "users" else ITEM
    given = plan.event_types.get(kind, EventTypeConfig())
    own = EventTypeConfig(personal=given.personal, free_text=given.free_text)
    return plan.model_copy(update={"event_types": {kind: own}})


def rules_of_facts(source: SourceConfig, config: IngestConfig) -> IngestConfig:
    """Returns the settings of ingest with the rules that hold for items or users."""
    key = KEYS[source.kind]
    given = [
        ("malformed", "is_malformed", "the record cannot be parsed", "malformed_why"),
        (
            "too_large",
            "payload_bytes > max_payload_bytes",
            "the record is longer than ingest.max_payload_bytes",
            "payload_bytes",
        ),
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
            f"metadata['{BIRTH_YEAR}'] IS NOT NULL AND try_cast(try_cast(metadata['{BIRTH_YEAR}'] "
            "AS DOUBLE) AS INT) IS NULL",
            "birth_year is not a number",
            f"metadata['{BIRTH_YEAR}']",
        ),
    ]  # fmt: skip
    own = [
        RuleConfig.model_validate({"code": code, "when": when, "message": says, "shows": shows})
        for code, when, says, shows in given
    ]
    return config.model_copy(update={"rules": tuple(own)})
