"""A small lake whose every number is known, written by delta-rs in the schemas of the catalogue."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
from deltalake import write_deltalake

from sparkperso.schemas import TABLES

UTC = timezone.utc
AS_OF = datetime(2026, 3, 31, 12, tzinfo=UTC)
FIRST = date(2026, 3, 1)
HOSTILE = "<script>alert('x')</script>\"'--"
"""What a field may hold that somebody sent."""
SIMPLE = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "binary": pa.binary(),
}
EMPTY = {"map": {}, "array": [], "struct": {}, "string": "", "timestamp": AS_OF, "date": FIRST}


def arrow_type(text):
    """Returns the Arrow type of a Spark SQL type."""
    text = text.strip()
    if text in SIMPLE:
        return SIMPLE[text]
    outer, inner = text[:-1].split("<", 1)
    if outer == "array":
        return pa.list_(arrow_type(inner))
    parts = split(inner)
    if outer == "map":
        return pa.map_(*(arrow_type(part) for part in parts))
    fields = (part.strip().split(":", 1) for part in parts)
    return pa.struct([(name, arrow_type(kind)) for name, kind in fields])


def split(text):
    """Returns the parts of a text between the commas that are in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def write_table(root, name, rows, mode="append"):
    """Writes rows, dictionaries that may leave columns out: what is required is then empty."""
    spec = TABLES[name]
    unknown = {key for row in rows for key in row} - set(spec.column_names)
    assert not unknown, unknown
    columns = {}
    for column in spec.columns:
        kind = arrow_type(column.type)
        least = EMPTY.get(column.type.partition("<")[0], 0)
        empty = None if column.nullable else least
        values = [row.get(column.name, empty) for row in rows]
        if pa.types.is_map(kind):
            values = [None if value is None else list(value.items()) for value in values]
        columns[column.name] = pa.array(values, kind)
    partitions = list(spec.partition_by) or None
    write_deltalake(f"{root}/{name}", pa.table(columns), mode=mode, partition_by=partitions)


def event(number, user, kind, day, **more):
    """Returns an event of a day of March 2026."""
    minute = more.pop("minute", 0)
    moment = datetime(2026, 3, day, 10, tzinfo=UTC) + timedelta(minutes=minute)
    return {
        "event_id": f"e{number}",
        "source": "site:shop",
        "user_id": user,
        "timestamp": moment,
        "received_at": moment,
        "event_type": kind,
        "channel": "web",
        "event_date": moment.date(),
        "schema_version": 1,
        **more,
    }


def run(number, job, status="done", at=AS_OF, seconds=10.0, **more):
    """Returns a run of a job."""
    return {
        "run_id": f"run-{number}",
        "job": job,
        "status": status,
        "started_at": at,
        "finished_at": at + timedelta(seconds=seconds),
        "duration_seconds": seconds,
        "fingerprint": "f",
        "config_hash": "c",
        **more,
    }


def write_runs(root):
    """Writes ops/runs, ops/lineage and ops/data_quality of two days."""
    day = timedelta(days=1)
    write_table(
        root,
        "ops/runs",
        [
            run(1, "ingest-events", at=AS_OF - day, summary={"valid": "90", "received": "100"}),
            run(2, "ingest-events", "failed", seconds=3.0, error=f"broken by {HOSTILE}"),
            run(3, "build-features", seconds=20.0, as_of=AS_OF),
            run(4, "promote-model", "gate", seconds=1.0, error="no gain"),
        ],
    )
    edges = [
        ("run-1", "ingest-events", "output", "silver/events", 1),
        ("run-3", "build-features", "input", "silver/events", 2),
        ("run-3", "build-features", "output", "gold/user_features", 1),
    ]
    names = ("run_id", "job", "direction", "table_name", "delta_version")
    write_table(root, "ops/lineage", [dict(zip(names, edge, strict=True)) for edge in edges])
    counts = {"received": 100, "valid": 90, "quarantined": 6, "duplicates": 3, "refused": 1}
    counts |= {"rule:out_of_range": 7, "refused:marketing": 1}
    taken = {"run_id": "run-1", "source": "shop", "received_at": AS_OF}
    write_table(
        root,
        "ops/data_quality",
        [{**taken, "rule": rule, "n_records": n} for rule, n in counts.items()],
    )
    reasons = [{"code": "out_of_range", "message": f"price of {HOSTILE}"}]
    write_table(
        root,
        "silver/quarantine",
        [
            {
                "record_id": f"r{number}",
                "payload": "somebody@shop.example",
                "reasons": reasons * (2 if number == 0 else 1),
                "recoverable": number < 4,
                "source": "shop",
                "received_at": AS_OF,
                "replayed_at": AS_OF if number == 0 else None,
            }
            for number in range(6)
        ],
    )


def write_events(root):
    """Writes 20 people who look, 12 who put into the cart after it, 10 who then buy.

    Two more put into the cart before they look, and never again: no step of a funnel. One visitor
    without a name looks. Everything is of 28 to 30 March, but for one look on the first.
    """
    rows = []

    def add(*arguments, **more):
        rows.append(event(len(rows), *arguments, **more))

    for number in range(20):
        user = f"u{number:02}"
        add(user, "item_view", 28, session_id=f"s{number}", item_id="i1")
        if number < 12:
            add(user, "add_to_cart", 29, session_id=f"s{number}", item_id="i1")
        if number < 10:
            add(user, "purchase", 30, session_id=f"t{number}", item_id="i1", value=20.0)
    for number in (20, 21):
        user = f"u{number:02}"
        add(user, "add_to_cart", 28, session_id=f"s{number}", channel="mobile")
        add(user, "item_view", 28, minute=5, session_id=f"s{number}", channel="mobile")
    add(None, "item_view", 30, session_id="s-anonymous", anonymous_id="a1")
    add("u00", "item_view", 1, session_id="s-early")
    write_table(root, "silver/events", rows)


def write_lake(root):
    """Writes all of it."""
    write_runs(root)
    write_events(root)
