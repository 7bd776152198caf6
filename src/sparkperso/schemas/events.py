"""Tables of events: what was received, what is valid, what was rejected, and the items named."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

CONTEXT = (
    "struct<device_type:string, os:string, country:string, region:string, page_url:string, "
    "referrer:string, campaign:string>"
)

RECORD_ID = (
    "SHA-256 of the canonical JSON of the record, in hex; keyed where it held personal values; of "
    "an element of a list with # and its place after it"
)

BRONZE_EVENTS = TableSpec(
    name="bronze/events",
    grain="one received record, unchanged but for pseudonyms",
    key=(),  # a file may hold the same record twice, and both were received
    writer="ingest-events",
    stats_columns=("received_at", "ingest_batch"),
    # Two thirds of a row are its hash in hex: half the size of snappy's, in less CPU time.
    compression="zstd",
    columns=(
        required("record_id", "string", RECORD_ID),
        required("payload", "string", "the record as text: a JSON line, or a row as JSON"),
        required("source", "string", "name of the source, conf/sources/<source>.yaml"),
        Column("source_file", "string", "file that the record came from"),
        Column("topic", "string", "Kafka topic"),
        Column("partition", "int", "Kafka partition"),
        Column("offset", "bigint", "Kafka offset"),
        required("received_at", "timestamp", "when the collector, else the run, took it in", "UTC"),
        required("ingest_batch", "string", "identifier of the batch of input"),
    ),
)

SILVER_EVENTS = TableSpec(
    name="silver/events",
    grain="one valid event; identifiers as observed",
    key=("source", "event_id"),
    writer="ingest-events, replay-quarantine",
    stats_columns=("timestamp", "event_date"),
    # Whoever works by day asks which days an intake brought events of; adding rows costs nothing.
    change_feed=True,
    columns=(
        required(
            "event_id",
            "string",
            "identifier as sent, or SHA-256 of the canonical record; unique in its source",
        ),
        Column(
            "source",
            "string",
            "site:<site> of what a collector took, else the name of the source; null in rows "
            "written before this column was there",
        ),
        Column("user_id", "string", "identified user; null for an anonymous event"),
        Column("anonymous_id", "string", "device, browser or till identifier"),
        Column("session_id", "string", "session as sent; null where it is to be derived"),
        required("timestamp", "timestamp", "when it happened", "UTC"),
        required("received_at", "timestamp", "when the collector, else the run, took it in", "UTC"),
        required("event_type", "string", "a type of the tracking plan"),
        required("channel", "string", "web, mobile, email or server"),
        Column("item_id", "string", "item concerned"),
        Column("value", "double", "amount; positive, refunds too", "currency"),
        Column("currency", "string", "ISO 4217 code"),
        required("context", CONTEXT, "device, place, page and campaign"),
        required("metadata", "map<string,string>", "the other fields of the event"),
        required("schema_version", "int", "version of the event model"),
        required("event_date", "date", "day of timestamp", "UTC"),
        required("event_key", "bigint", "xxhash64 of event_id: finds known events cheaply"),
        required("ingest_batch", "string", "identifier of the batch of input"),
    ),
)

SILVER_QUARANTINE = TableSpec(
    name="silver/quarantine",
    grain="one rejected record of a source",
    key=("source", "record_id"),
    writer="ingest-events, load-source, replay-quarantine",
    columns=(
        required("record_id", "string", RECORD_ID),
        required("payload", "string", "the record as text"),
        required(
            "reasons",
            "array<struct<code:string, message:string>>",
            "why it was rejected, all of it",
        ),
        required("recoverable", "boolean", "whether another rule set or mapping could accept it"),
        required("source", "string", "name of the source"),
        Column("source_file", "string", "file that the record came from"),
        required("received_at", "timestamp", "when the collector, else the run, took it in", "UTC"),
        required("ingest_batch", "string", "identifier of the batch of input"),
        Column("replayed_at", "timestamp", "when it became a valid event", "UTC"),
    ),
)

SILVER_ITEMS = TableSpec(
    name="silver/items",
    grain="one item",
    key=("item_id",),
    writer="load-source, ingest-events, replay-quarantine",
    columns=(
        required("item_id", "string", "identifier of the item"),
        Column("title", "string", "title of the catalogue, else the latest that an event gave"),
        Column("category", "string", "standardised category, likewise"),
        required("tags", "array<string>", "free labels"),
        Column("price", "double", "unit price, likewise", "currency"),
        required("attributes", "map<string,string>", "other facts of the catalogue, such as stock"),
        required(
            "first_seen_at",
            "timestamp",
            "first event or record of a catalogue that names it",
            "UTC",
        ),
        required(
            "seen_at",
            "struct<title:timestamp,category:timestamp,price:timestamp>",
            "when an event gave the title, category and price above; null for the catalogue's",
            "UTC",
        ),
        Column(
            "updated_at",
            "timestamp",
            "when its latest record of a catalogue became so; null without one",
            "UTC",
        ),
    ),
)

SILVER_USERS = TableSpec(
    name="silver/users",
    grain="one declared profile",
    key=("user_id",),
    writer="load-source",
    columns=(
        required("user_id", "string", "identifier of the user, as events have it"),
        Column("birth_year", "int", "year of birth", "year"),
        Column("country", "string", "ISO 3166-1 alpha-2 code"),
        required(
            "attributes",
            "map<string,string>",
            "other facts; pseudonyms, unless they are known as harmless or listed as public",
        ),
        required("updated_at", "timestamp", "when its latest record became so", "UTC"),
    ),
)

OPS_INGESTED_FILES = TableSpec(
    name="ops/ingested_files",
    grain="one file taken in by a source under one configuration",
    key=("source", "path", "size", "modified_at", "config_hash"),
    writer="ingest-events, load-source",
    columns=(
        required("source", "string", "name of the source"),
        required("path", "string", "address of the file"),
        required("size", "bigint", "length of the file", "bytes"),
        required("modified_at", "bigint", "last change of the file", "epoch milliseconds"),
        required("config_hash", "string", "hash of source, tracking plan and rules"),
        required("status", "string", "done, or gate: its events were held back"),
        required("ingest_batch", "string", "identifier of the batch of input"),
        required("run_id", "string", "identifier of the run"),
        required("received_at", "timestamp", "when the run took the file in", "UTC"),
    ),
)
