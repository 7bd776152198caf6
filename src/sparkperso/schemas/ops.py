"""Tables about the runs themselves."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

RUNS = TableSpec(
    name="ops/runs",
    grain="one finished run of a job",
    key=("run_id",),
    writer="every job",
    columns=(
        required("run_id", "string", "identifier of the run"),
        required("job", "string", "name of the command"),
        required("status", "string", "done, gate (a quality gate failed) or failed"),
        required("started_at", "timestamp", "start", "UTC"),
        required("finished_at", "timestamp", "end", "UTC"),
        required("duration_seconds", "double", "wall time", "seconds"),
        Column("as_of", "timestamp", "the time that the job looked back from", "UTC"),
        required(
            "fingerprint",
            "string",
            "hash of job, code, configuration, options, as-of and input versions",
        ),
        required("config_hash", "string", "hash of the effective configuration"),
        required("summary", "map<string,string>", "the figures that the job printed"),
        Column("error", "string", "what went wrong, and its innermost cause"),
        Column("log_file", "string", "file with the log of its command, on the machine it ran on"),
    ),
)

AUDIT = TableSpec(
    name="ops/audit",
    grain="one read of what is known of a person",
    key=("read_id",),
    writer="load-source",
    stats_columns=("timestamp", "event_date"),
    columns=(
        required("read_id", "string", "identifier of the read"),
        required("reader", "string", "who read: an API key's name, else a pseudonym"),
        Column("reader_kind", "string", "key, service, user or browser"),
        Column("field", "string", "what the person was named by: user_id or anonymous_id"),
        required("person", "string", "whose profile or segments: a pseudonym"),
        Column("route", "string", "what was read, as the route's pattern"),
        required("timestamp", "timestamp", "when it was read", "UTC"),
        required("received_at", "timestamp", "when the run took it in", "UTC"),
        required("event_date", "date", "day of timestamp", "UTC"),
        required("ingest_batch", "string", "identifier of the batch of input"),
    ),
)

LINEAGE = TableSpec(
    name="ops/lineage",
    grain="one table read or written by a run",
    key=("run_id", "direction", "table_name"),
    writer="every job",
    columns=(
        required("run_id", "string", "identifier of the run"),
        required("job", "string", "name of the command"),
        required("direction", "string", "input or output"),
        required("table_name", "string", "logical name, <layer>/<table>"),
        Column("delta_version", "bigint", "version read, or version after the run"),
    ),
)

DATA_QUALITY = TableSpec(
    name="ops/data_quality",
    grain="one count of one run by rule",
    key=("run_id", "rule"),
    writer="ingest-events, replay-quarantine",
    columns=(
        required("run_id", "string", "identifier of the run"),
        required("source", "string", "name of the source"),
        required("ingest_batch", "string", "identifier of the batch of input"),
        required(
            "rule",
            "string",
            "received, valid, quarantined, duplicates, refused, rule:<code> or refused:<purpose>",
        ),
        required("n_records", "bigint", "records counted", "records"),
        required("received_at", "timestamp", "when the run took the records in", "UTC"),
    ),
)

STREAM_PROGRESS = TableSpec(
    name="ops/stream_progress",
    grain="one micro-batch of a stream that held records",
    key=("generation", "batch_number"),
    writer="ingest-events --stream",
    columns=(
        required("run_id", "string", "identifier of the run"),
        required("source", "string", "name of the source"),
        required("generation", "string", "identifier of the checkpoint"),
        required("batch_number", "bigint", "number of the micro-batch in the checkpoint"),
        required("ingest_batch", "string", "identifier of the batch of input"),
        required("started_at", "timestamp", "when Spark planned the micro-batch", "UTC"),
        required("finished_at", "timestamp", "when its events were in silver", "UTC"),
        required("n_records", "bigint", "records taken in", "records"),
        required(
            "n_late", "bigint", "of them, those that came stream.late_minutes after their time"
        ),
        Column("input_per_second", "double", "records that arrived", "1/s"),
        required("processed_per_second", "double", "records worked through", "1/s"),
        Column(
            "max_offset_lag", "bigint", "Kafka: offsets left to read, worst partition", "records"
        ),
        Column("mean_offset_lag", "double", "Kafka: offsets left to read, mean", "records"),
        required("max_age_seconds", "double", "from arrival to silver, oldest record", "seconds"),
        required("median_age_seconds", "double", "the same, median record", "seconds"),
    ),
)

DEAD_LETTERS = TableSpec(
    name="ops/dead_letters",
    grain="one message of a trigger that was given up",
    key=("delivery_id", "last_at"),
    writer="triggers run, serve",
    columns=(
        required("delivery_id", "string", "identifier of the message, the same at every attempt"),
        required("trigger", "string", "name of the trigger"),
        required("host", "string", "host that it was for"),
        required("user_id", "string", "identifier of the user"),
        required("segment", "string", "segment entered or left"),
        required("change", "string", "entered or left"),
        required("body", "string", "the message, as it is signed and sent (JSON)"),
        required("first_at", "timestamp", "when it came into the queue", "UTC"),
        required("last_at", "timestamp", "when it was given up", "UTC"),
        required("attempts", "int", "how often it was tried"),
        Column("last_status", "int", "HTTP status of the last answer; null: there was none"),
        required("last_error", "string", "why it was given up"),
    ),
)
