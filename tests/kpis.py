"""A small shop of events, decisions and segments, and its KPIs as plain Python has them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import numpy as np

from sparkperso.config.metrics import Metric

START = datetime(2026, 3, 2)
DAYS = 12
AS_OF = START + timedelta(days=DAYS - 1, hours=20)
BUYS = {"event_type": "purchase"}
METRICS = [
    Metric(name="ctr", kind="ratio", of={"event_type": "click"},
           denominator={"of": {"event_type": "exposure"}}),
    Metric(name="buys", kind="proportion", of=BUYS),
    Metric(name="twice", kind="proportion", of=BUYS, at_least=2),
    Metric(name="net", kind="mean", of=BUYS, value="sum_value", less={"event_type": "refund"},
           cap=60),
    Metric(name="p80", kind="quantile", quantile=0.8, of=BUYS, value="sum_value"),
    Metric(name="bounces", kind="ratio", of={"event_type": "page_view"}, value="bounces",
           denominator={"of": {"event_type": "page_view"}, "value": "sessions"}),
    Metric(name="stay", kind="ratio", value="session_seconds", denominator={"value": "sessions"}),
    Metric(name="back", kind="retention", day=2),
    Metric(name="week", kind="retention", day=3, window_days=2, of={"event_type": "page_view"}),
]  # fmt: skip
NO_VIEW = (None,) * 7


def shop_events(seed=5, users=25):
    """Returns rows of silver/events: some browse, some are shown variants, some buy."""
    rng = np.random.default_rng(seed)
    return [
        _event(rng, number, day, place)
        for number in range(users)
        for day in range(DAYS)
        for place in range(rng.poisson(2))
    ]


def _event(rng, number, day, place):
    kinds = ["page_view", "click", "purchase", "refund", "exposure", "scroll"]
    kind = str(rng.choice(kinds, p=[0.4, 0.2, 0.1, 0.05, 0.2, 0.05]))
    at = START + timedelta(days=day, seconds=int(rng.integers(86400)))
    row = {"event_id": f"{number}-{day}-{place}", "timestamp": at, "event_type": kind}
    row["channel"] = str(rng.choice(["web", "mobile"]))
    row["anonymous_id"] = f"browser{number}"
    if number % 5:
        row["user_id"] = f"u{number}"
    if rng.random() < 0.5:
        row["session_id"] = f"s{number}-{day}"
    if kind in ("purchase", "refund"):
        row["value"] = float(np.round(rng.exponential(40), 2))
    if kind in ("exposure", "click"):
        slot = {"slot": str(rng.choice(["top", "side"]))} if rng.random() < 0.5 else {}
        row["metadata"] = {"decision_id": f"d{rng.integers(30)}", **slot}
    if kind == "exposure" and rng.random() < 0.8:
        variant = "ab"[number % 2 if rng.random() < 0.95 else 1 - number % 2]
        row["metadata"] |= {"experiment": "hero", "variant": variant}
    return row


def shop_decisions():
    """Returns rows of silver/decisions: of two slots, by one model or two."""
    rows = []
    for number in range(25):
        for slot in ("top", "side"):
            other = number % 3 == 0 and slot == "side"
            rows.append(
                {
                    "decision_id": f"d{number}", "kind": "slot", "slot": slot,
                    "strategy": "popularity" if other else "als",
                    "model_version": None if other else str(number % 2 + 1),
                    "timestamp": START, "received_at": START, "event_date": START.date(),
                    "propensity": 1.0, "item_ids": ["i"], "ingest_batch": "b",
                }
            )  # fmt: skip
    return rows


def shop_history():
    """Returns rows of gold/segment_history: who is loyal, and from when to when."""
    rows = []
    for number in range(1, 25, 3):
        for change, day in (("entered", number % 6), ("left", number % 6 + 4)):
            rows.append(
                {
                    "user_id": f"u{number}", "segment_id": "people-1", "segmentation": "people",
                    "label": "loyal", "change": change, "model_version": "m",
                    "as_of": START + timedelta(days=day, hours=number % 2 * 13),
                    "assigned_at": START + timedelta(days=day, hours=14),
                }
            )  # fmt: skip
    return rows


def plain_kpis(events, decisions, history, as_of=AS_OF, metrics=METRICS):
    """Returns (day, kpi, view) → (numerator, denominator, value); the view as in `rows.VIEW`."""
    events = [e for e in events if e["timestamp"] <= as_of]
    by_user_day = defaultdict(list)
    for event in sorted(events, key=lambda e: (e["timestamp"], e["event_id"])):
        who = event.get("user_id") or event.get("anonymous_id")
        by_user_day[who, event["timestamp"].date()].append(event)
    users = defaultdict(dict)
    for (who, day), own in by_user_day.items():
        for view, part in views_of(who, day, own, decisions, history).items():
            users[day, view][who] = part
    told = {}
    for (day, view), parts in users.items():
        for metric in metrics:
            found = kpi(metric, day, parts, by_user_day, as_of)
            if found is not None and found[1] > 0:
                told[day, metric.name, view] = found
    return told


def views_of(who, day, own, decisions, history):
    """Returns view → the user's events of the day in it, each with its session."""
    own = with_sessions(own)
    views = defaultdict(list)
    shown = defaultdict(set)
    since = {}
    for event in own:
        data = event.get("metadata", {})
        if event["event_type"] == "exposure" and "experiment" in data:
            shown[data["experiment"]].add(data["variant"])
            since.setdefault(data["experiment"], event["timestamp"])
    for event in own:
        views[NO_VIEW].append(event)
        views[None, None, None, None, event["channel"], None, None].append(event)
        made = model_of(event, decisions)
        if made is not None and made != (None, None):
            views[(None,) * 5 + made].append(event)
        for name, variants in shown.items():
            if len(variants) == 1 and since[name] <= event["timestamp"]:
                views[(None, None, name, *variants, None, None, None)].append(event)
        for segmentation, segment in segments_of(who, day, history):
            views[(segmentation, segment, *NO_VIEW[:5])].append(event)
    return views


def with_sessions(own):
    marked, last, number = [], {}, 0
    for event in own:
        key = event.get("session_id")
        before = last.get(key)
        if before is None or (
            key is None and event["timestamp"] - before[0] > timedelta(minutes=30)
        ):
            number += 1
            before = (None, number)
        last[key] = (event["timestamp"], before[1])
        marked.append({**event, "session": before[1]})
    return marked


def model_of(event, decisions):
    data = event.get("metadata", {})
    rows = [d for d in decisions if d["decision_id"] == data.get("decision_id")]
    made = {(d["strategy"], d["model_version"]) for d in rows}
    of_slot = [d for d in rows if d["slot"] == data.get("slot")]
    if of_slot:
        return of_slot[0]["strategy"], of_slot[0]["model_version"]
    return next(iter(made)) if len(made) == 1 else None


def segments_of(who, day, history):
    began = datetime(day.year, day.month, day.day)
    changes = [h for h in history if h["user_id"] == who and h["as_of"] <= began]
    last = {}
    for change in sorted(changes, key=lambda h: h["as_of"]):
        last[change["segmentation"], change["segment_id"]] = change["change"]
    return [key for key, change in last.items() if change == "entered"]


def kpi(metric, day, parts, by_user_day, as_of):
    n = float(len(parts))
    if metric.kind == "retention":
        later = [metric.day + k for k in range(int(metric.window_days or 1))]
        end = datetime(day.year, day.month, day.day) + timedelta(days=later[-1] + 1)
        if end > as_of:
            return None
        back = sum(
            any(
                fits(event, metric.of)
                for k in later
                for event in by_user_day.get((who, day + timedelta(days=k)), [])
            )
            for who in parts
        )
        return back, n, back / n
    values = [amount_of(metric, part) for part in parts.values()]
    if metric.kind == "proportion":
        values = [float(v >= metric.at_least) for v in values]
    if metric.cap:
        values = [min(v, metric.cap) for v in values]
    if metric.kind == "quantile":
        return None, n, float(np.quantile(values, metric.quantile))
    below = n
    if metric.denominator is not None:
        below = sum(amount_of(metric.denominator, part) for part in parts.values())
    return sum(values), below, sum(values) / below if below else None


def amount_of(quantity, part):
    counted = [e for e in part if fits(e, quantity.of)]
    if quantity.is_of_sessions:
        sessions = defaultdict(list)
        for event in counted:
            sessions[event["session"]].append(event["timestamp"])
        if quantity.value == "sessions":
            return float(len(sessions))
        if quantity.value == "bounces":
            return float(sum(len(times) == 1 for times in sessions.values()))
        return sum((max(times) - min(times)).total_seconds() for times in sessions.values())
    if quantity.value == "count":
        return float(len(counted))
    total = sum(e.get("value") or 0.0 for e in counted)
    if quantity.less is not None:
        total -= sum(e.get("value") or 0.0 for e in part if fits(e, quantity.less))
    return total


def fits(event, kind):
    return not kind.event_type or event["event_type"] in kind.event_type
