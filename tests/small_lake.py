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
EMPTY = {
    "map": {},
    "array": [],
    "struct": {},
    "string": "",
    "timestamp": AS_OF,
    "date": FIRST,
    "boolean": False,
}


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


MONTH, DAY = timedelta(days=30), timedelta(days=1)
USERS = [f"u{number:02}" for number in range(40)]
REGULARS, NEWCOMERS, FEW_PEOPLE = USERS[:24], USERS[24:36], USERS[36:]
SEGMENTS = {
    "behaviour-1": ("behaviour", "kmeans", "regulars", None, REGULARS),
    "behaviour-2": ("behaviour", "kmeans", "newcomers", None, NEWCOMERS),
    "behaviour-3": ("behaviour", "kmeans", HOSTILE, None, FEW_PEOPLE),
    "levels-1-1": ("levels", "hierarchical", "everybody", None, USERS),
    "levels-2-1": ("levels", "hierarchical", "near", "levels-1-1", USERS[:30]),
    "levels-2-2": ("levels", "hierarchical", "far", "levels-1-1", USERS[30:]),
}
"""Segment → segmentation, kind, label, parent, members."""


def write_segments(root):
    """Writes segments; twelve people went from newcomers to regulars, four came into the last."""
    members, told, moves = [], [], []
    for place, (segment, (name, kind, label, parent, users)) in enumerate(SEGMENTS.items()):
        own = {"segment_id": segment, "segmentation": name, "label": label}
        centre = {"frequency": 1.0 + place, "recency_days": 10.0}
        members += [{**own, "user_id": user, "kind": kind, "distance": 0.5} for user in users]
        difference = {"feature": "frequency", "difference": 1.5, "value": 3.0, "average": 2.0}
        told.append(
            {
                **own,
                "kind": kind,
                "sentence": f"{len(users)} customers",
                "size": len(users),
                "share": len(users) / len(USERS),
                "centre": centre,
                "centre_scaled": centre,
                "distinguishing": [difference],
                "parent_id": parent,
                "value": 100.0 * len(users),
                "sample_members": users[:2],
                "as_of": AS_OF,
            }
        )
    labels = {segment: (row[0], row[2]) for segment, row in SEGMENTS.items()}

    def move(user, segment, change, at):
        name, label = labels[segment]
        own = {"user_id": user, "segment_id": segment, "segmentation": name, "label": label}
        moves.append({**own, "change": change, "as_of": at, "assigned_at": at})

    for user in USERS[:36]:
        move(user, "behaviour-1" if user in USERS[:12] else "behaviour-2", "entered", AS_OF - MONTH)
    for user in USERS[12:24]:
        move(user, "behaviour-2", "left", AS_OF)
        move(user, "behaviour-1", "entered", AS_OF)
    for user in FEW_PEOPLE:
        move(user, "behaviour-3", "entered", AS_OF)
    write_table(root, "gold/segments", members)
    write_table(root, "gold/segment_profiles", told)
    write_table(root, "gold/segment_history", moves)


def write_recommendations(root):
    """Writes lists of thirty people: ten with four items, ten with one, ten with none.

    Those without get what is popular. One person has a list of what is bought again.
    """
    lists = [
        {
            "user_id": user,
            "kind": "new",
            "rank": rank,
            "item_id": f"i{rank}",
            "score": 1.0 / rank,
            "strategy": "hybrid" if number < 20 else "popularity",
            "reason": "because:i9:31" if number < 20 else "popular:global",
            "model_version": "1" if number < 20 else "popularity",
            "generated_at": AS_OF,
        }
        for number, user in enumerate(USERS[:30])
        for rank in (1, 2, 3)
    ]
    again = {"kind": "again", "strategy": "again", "reason": "again", "model_version": "again"}
    lists.append({**lists[0], **again, "item_id": "i4"})
    write_table(root, "gold/recommendations", lists)
    write_table(
        root,
        "gold/interactions",
        [
            {"user_id": user, "item_id": f"i{item}", "strength": 1.0, "n_events": 1}
            for number, user in enumerate(USERS[:20])
            for item in range(4 if number < 10 else 1)
        ],
    )
    titles = {"i1": HOSTILE, "i9": "a cake stand"}
    items = [f"i{number}" for number in range(1, 11)]
    write_table(
        root,
        "silver/items",
        [{"item_id": item, "title": titles.get(item, f"item {item}")} for item in items],
    )
    write_table(
        root,
        "gold/user_features",
        [{"user_id": "u00", "as_of": AS_OF, "frequency": 3.0, "recency_days": 2.0}],
    )
    write_table(
        root,
        "gold/profiles",
        [
            {
                "user_id": "u00",
                "country": "DE",
                "birth_year": 1990,
                "attributes": {"plan": HOSTILE},
                "consents": {"personalisation": True, "marketing": False},
                "as_of": AS_OF,
            }
        ],
    )
    scores = {"hybrid": "0.1586 [0.1489, 0.1686]", "popularity": "0.0415 [0.0372, 0.0456]"}
    summary = {f"test nDCG@10 {name}": value for name, value in scores.items()}
    summary |= {"winner": "hybrid", "version": "1", "test nDCG@10 of repeats": "0.5151 [0.5, 0.6]"}
    summary |= {"off-policy hybrid": "1.2300 [1.1000, 1.3600] ok"}
    write_table(root, "ops/runs", [run(5, "train-recommender", seconds=90.0, summary=summary)])


def write_experiments(root):
    """Writes one experiment of three variants as of two days, the last of four people, and one that
    nobody was exposed to.
    """
    results = []
    for number, at in enumerate((AS_OF - DAY, AS_OF)):
        for metric, role in (("conversion", "goal"), ("bounce", "guardrail")):
            for method in ("plain", "sequential"):
                for variant, n in (("b", 500 * (number + 1)), ("c", 4)):
                    width = 0.1 / (number + 1)
                    own = {"metric": metric, "role": role, "method": method, "variant": variant}
                    row = {
                        **own,
                        "experiment": "hero",
                        "baseline": "a",
                        "n": n,
                        "n_baseline": 500 * (number + 1),
                        "value": 0.12,
                        "value_baseline": 0.10,
                        "effect": 0.02,
                        "effect_low": 0.02 - width / 10,
                        "effect_high": 0.02 + width / 10,
                        "lift": 0.2,
                        "lift_low": 0.2 - width,
                        "lift_high": 0.2 + width,
                        "statistic": 3.0,
                        "p_value": 0.01,
                        "p_adjusted": 0.02,
                        "srm_p_value": 0.8,
                        "status": "ok",
                        "as_of": at,
                    }
                    results.append(row)
                    if number and metric == "conversion" and method == "plain":
                        more = {"segmentation": "behaviour", "segment": "behaviour-1"}
                        results.append({**row, **more, "lift": 0.3})
    write_table(root, "gold/experiment_results", results)
    verdict = {
        "experiment": "hero",
        "verdict": "ship",
        "variant": "b",
        "why": "The goal moved, no guardrail did.",
        "sentences": [f"conversion rose by 20 % {HOSTILE}"],
        "warnings": ["the shares of units are as planned"],
        "phase": "running",
        "n_units": {"a": 1000, "b": 1000, "c": 4},
        "n_planned": 3000,
        "n_several": 2,
        "srm_p_value": 0.8,
    }
    nobody = {"experiment": "nobody", "verdict": "broken", "why": "Nobody was exposed to it."}
    write_table(
        root,
        "gold/experiment_verdicts",
        [
            {**verdict, "as_of": AS_OF - DAY, "verdict": "keep_running", "variant": None},
            {**verdict, "as_of": AS_OF},
            {**nobody, "phase": "running", "n_several": 0, "as_of": AS_OF - DAY},
        ],
    )
    shown = {"a": 30, "b": 28, "c": 4}
    write_table(
        root,
        "gold/exposures",
        [
            {
                "experiment": "hero",
                "unit": f"{variant}{number}",
                "unit_kind": "user",
                "variant": variant,
                "exposed_at": AS_OF - DAY,
                "n_variants": 2 if variant == "b" and number < 12 else 1,
            }
            for variant, n in shown.items()
            for number in range(n)
        ],
    )


ALERT_COLUMNS = {
    **dict.fromkeys(("alert_id", "check", "subject", "severity", "status"), pa.string()),
    **dict.fromkeys(("message", "to_do"), pa.string()),
    **dict.fromkeys(("first_seen", "last_seen"), pa.timestamp("us", tz="UTC")),
}


def write_alerts(root):
    """Writes an alert that is over, one that is open, and a critical one that is open."""
    rows = [
        ("1", "staleness", "gold/segments", "critical", "resolved", "It was old.", "Nothing."),
        ("2", "volume", HOSTILE, "warning", "open", "Fewer than usual.", "Look at the source."),
        ("3", "kpi", "conversion", "critical", "open", "It fell by half.", "Look at the shop."),
    ]
    columns = list(zip(*[(*row, AS_OF - DAY, AS_OF) for row in rows], strict=True))
    named = zip(ALERT_COLUMNS.items(), columns, strict=True)
    table = pa.table({name: pa.array(values, kind) for (name, kind), values in named})
    write_deltalake(f"{root}/ops/alerts", table)


def write_kpis(root):
    """Writes conversion of ten days: 10 of 100 people, on the last day 20; by channel and segment.

    Five people came by mobile.
    """
    groups = [
        ({}, 100.0),
        ({"channel": "web"}, 95.0),
        ({"channel": "mobile"}, 5.0),
        ({"segmentation": "behaviour", "segment": "behaviour-1"}, 60.0),
        ({"experiment": "hero", "variant": "a"}, 50.0),
        ({"experiment": "hero", "variant": HOSTILE}, 50.0),
        ({"strategy": "hybrid", "model_version": "1"}, 40.0),
    ]
    rows = []
    for back in range(10):
        rate = 0.2 if back == 0 else 0.1
        for named, people in groups:
            row = {"day": (AS_OF - back * DAY).date(), "kpi": "conversion", **named}
            row |= {"numerator": rate * people, "denominator": people, "value": rate}
            rows.append(row)
    write_table(root, "gold/kpis_daily", rows)


def write_lake(root):
    """Writes all of it."""
    write_runs(root)
    write_events(root)
    write_segments(root)
    write_recommendations(root)
    write_experiments(root)
    write_kpis(root)
    write_alerts(root)
