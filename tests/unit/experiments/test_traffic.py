"""What the past says of units to come: the same as a loop over the events says."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from sparkperso.config.metrics import Metric
from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import UsageError
from sparkperso.experiments.traffic import expectation, read_past
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.rules.evaluate import fits

END = datetime(2026, 6, 29, tzinfo=timezone.utc)
DAYS = 28
CONTEXT = pa.struct([(name, pa.string()) for name in ("device_type", "os", "country", "campaign")])


def events_of(n=4_000):
    chance = random.Random(3)
    rows = []
    for number in range(n):
        at = END - timedelta(seconds=chance.randrange(1, 40 * 86_400))
        kind = chance.choice(["page_view", "page_view", "purchase", "refund", "scroll"])
        rows.append(
            {
                "user_id": None if number % 11 == 0 else f"u{chance.randrange(1_500)}",
                "anonymous_id": f"b{chance.randrange(500)}",
                "session_id": f"s{chance.randrange(2_000)}",
                "timestamp": at,
                "event_type": kind,
                "channel": chance.choice(["web", "email"]),
                "item_id": None,
                "value": chance.expovariate(0.05) if kind in ("purchase", "refund") else None,
                "context": {"device_type": chance.choice(["Mobile", "desktop", None]), "os": None}
                | {"country": "O'Land", "campaign": None},
                "metadata": {"depth": str(chance.randrange(100))} if kind == "scroll" else {},
            }
        )
    return rows


EVENTS = events_of()


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    root = tmp_path_factory.mktemp("lake")
    texts = ("user_id", "anonymous_id", "session_id", "event_type", "channel", "item_id")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("timestamp", pa.timestamp("us", "UTC")),
            ("value", pa.float64()),
            ("context", CONTEXT),
            ("metadata", pa.map_(pa.string(), pa.string())),
        ]
    )
    rows = [{**row, "metadata": list(row["metadata"].items())} for row in EVENTS]
    table = pa.Table.from_pylist(rows, schema=schema)
    write_deltalake(str(root / "silver/events"), table)
    return LakeReader(LakeConfig(root=str(root)))


def units_of(metric):
    """The values of each unit, by a loop: (y, d) of those whose window is over."""
    start = END - timedelta(days=DAYS)
    own = [e for e in EVENTS if e["user_id"] and start <= e["timestamp"] < END]
    firsts, by_unit = {}, {}
    for event in own:
        unit = event["user_id"]
        by_unit.setdefault(unit, []).append(event)
        firsts[unit] = min(firsts.get(unit, event["timestamp"]), event["timestamp"])
    found = []
    for unit, first in firsts.items():
        begin = first + timedelta(days=metric.start_days)
        end = END if metric.end_days is None else first + timedelta(days=metric.end_days)
        if first + timedelta(days=metric.end_days or 0) > END:
            continue
        seen = [e for e in by_unit[unit] if begin <= e["timestamp"] < end]
        below = metric.denominator
        found.append((total(metric, seen), total(below, seen) if below else 1.0))
    return np.array(found)


def total(quantity, events):
    matching = [event for event in events if fits(event, quantity.of)]
    if quantity.is_of_sessions:
        sessions = {}
        for event in matching:
            sessions.setdefault(event["session_id"], []).append(event["timestamp"])
        if quantity.value == "sessions":
            return len(sessions)
        if quantity.value == "bounces":
            return sum(len(times) == 1 for times in sessions.values())
        return sum((max(times) - min(times)).total_seconds() for times in sessions.values())
    taken = [event for event in events if quantity.less and fits(event, quantity.less)]
    return sum(map(size(quantity), matching)) - sum(map(size(quantity), taken))


def size(quantity):
    if quantity.value == "sum_value":
        return lambda event: event["value"] or 0.0
    if quantity.value.startswith("metadata."):
        return lambda event: float(event["metadata"].get(quantity.value[9:], 0))
    return lambda event: 1.0


def metric(**fields):
    return Metric.model_validate({"name": "m", **fields})


PURCHASE = {"event_type": "purchase"}


@pytest.mark.parametrize(
    "one",
    [
        metric(kind="proportion", of=PURCHASE, window_days=7),
        metric(kind="proportion", of={**PURCHASE, "country": "O'Land"}, at_least=2),
        metric(kind="retention", day=7),
        metric(kind="mean", of=PURCHASE, value="sum_value", less={"event_type": "refund"}),
        metric(kind="mean", of={"device_type": "mobile"}, cap=2),
        metric(kind="mean", value="session_seconds"),
        metric(
            kind="mean", of={"event_type": "scroll", "not_empty": ["depth"]}, value="metadata.depth"
        ),
        metric(kind="ratio", value="bounces", denominator={"value": "sessions"}),
        metric(kind="ratio", of=PURCHASE, denominator={"of": {"channel": "web"}}, window_days=14),
    ],
)
def test_values_and_variances_are_those_of_a_loop(reader, one):
    found = expectation(reader, one, read_past(reader, "user", DAYS, END))
    values = units_of(one)
    y, d = values.T
    if one.is_share:
        y = (y >= one.at_least).astype(float)
        assert found.value == pytest.approx(y.mean(), rel=1e-12)
        assert found.variance == pytest.approx(y.mean() * (1 - y.mean()), rel=1e-9)
        return
    y = y if one.cap is None else np.minimum(y, one.cap)
    ratio = y.sum() / d.sum()
    assert found.value == pytest.approx(ratio, rel=1e-9)
    linear = (y - ratio * d) / d.mean()
    variance = linear.var(ddof=1) if one.kind == "ratio" else y.var(ddof=1)
    assert found.variance == pytest.approx(variance, rel=1e-6)


def test_a_quantile_is_about_that_of_the_units(reader):
    one = metric(kind="quantile", of=PURCHASE, value="sum_value", quantile=0.9)
    found = expectation(reader, one, read_past(reader, "user", DAYS, END))
    assert found.value == pytest.approx(np.quantile(units_of(one)[:, 0], 0.9), rel=0.05)
    assert found.variance > 0


@pytest.mark.parametrize(("unit", "name"), [("user", "user_id"), ("anonymous_id", "anonymous_id")])
def test_units_are_counted_as_they_come(reader, unit, name):
    past = read_past(reader, unit, DAYS, END)
    start = END - timedelta(days=DAYS)
    for day in (1, 10, DAYS):
        until = start + timedelta(days=day)
        own = {e[name] for e in EVENTS if e[name] and start <= e["timestamp"] < until}
        assert past.cumulative_units[day - 1] == len(own)
    assert past.n_units == past.cumulative_units[-1]


def test_the_past_ends_with_the_latest_event(reader):
    past = read_past(reader, "user", 7)
    assert past.end > max(e["timestamp"] for e in EVENTS if e["user_id"])
    assert len(past.cumulative_units) == 7


def test_a_lake_without_events_is_told(tmp_path):
    with pytest.raises(UsageError, match="silver/events should be in"):
        read_past(LakeReader(LakeConfig(root=str(tmp_path))), "user", 7)
