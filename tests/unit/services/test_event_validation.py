"""What an event must be, and what the collector says of one that is not."""

from __future__ import annotations

import json

import pytest
from tests.times import INSTANTS, NONE, WALL

from sparkperso.config.collect import LimitsConfig
from sparkperso.services.collect.intake.event_validation import Invalid, check_event

LIMITS = LimitsConfig()
EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}


def checked(**changes):
    return check_event(EVENT | changes, LIMITS)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00.000000Z"),
        ("2026-06-01T10:00:00.5z", "2026-06-01T10:00:00.500000Z"),
        ("2026-06-01T10:00:00.123456789Z", "2026-06-01T10:00:00.123456Z"),
        ("2026-06-01 12:00:00+02:00", "2026-06-01T10:00:00.000000Z"),
        ("2026-06-01T00:30:00.25-0930", "2026-06-01T10:00:00.250000Z"),
        (1780308000000, "2026-06-01T10:00:00.000000Z"),
        (1780308000000.5, "2026-06-01T10:00:00.000500Z"),
    ],
)
def test_times_are_taken_in_one_form(sent, taken):
    assert checked(timestamp=sent)["timestamp"] == taken


@pytest.mark.parametrize(("sent", "meant"), INSTANTS)
def test_times_are_those_of_the_grammar(sent, meant):
    day, time = meant.split()
    assert (
        checked(timestamp=sent)["timestamp"] == f"{day}T{time + ('' if '.' in time else '.'):0<15}Z"
    )


@pytest.mark.parametrize(
    "sent",
    [
        *NONE, *(text for text, _ in WALL), None, "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z",
        -1, 1e300, True, {"$date": 1}, 99, 20260601, 0,
    ],
)  # fmt: skip
def test_other_times_are_not(sent):
    with pytest.raises(Invalid, match="timestamp should be ISO 8601"):
        checked(timestamp=sent)


@pytest.mark.parametrize("field", ["user_id", "anonymous_id", "event_type", "event_id"])
@pytest.mark.parametrize("value", ["", "a\nb", "a\x00", "\x1b[31m", "x" * 513, 1.5, True, [], {}])
def test_an_identifier_is_printable_text(field, value):
    with pytest.raises(Invalid, match=field) as refusal:
        checked(**{field: value})
    assert str(refusal.value).isprintable()


def test_numbers_are_taken_as_identifiers_without_loss():
    assert checked(item_id=2**53 + 1)["item_id"] == "9007199254740993"


@pytest.mark.parametrize(
    ("field", "sent", "taken"),
    [
        ("value", "5", 5.0),
        ("value", " -2.50 ", -2.5),
        ("value", "1e3", 1000.0),
        ("item_id", 12, "12"),
        ("item_id", 12.0, "12"),
        ("session_id", 1, "1"),
        ("currency", "eur", "EUR"),
        ("channel", "Mobile", "mobile"),
        ("schema_version", "2", 2),
        ("schema_version", 2.0, 2),
    ],
)
def test_a_typed_field_takes_what_fits(field, sent, taken):
    event = checked(**{field: sent})
    assert (event[field], event["metadata"]) == (taken, {})


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        *(("value", value) for value in ("red", "1,299.00", "٣", "1_000", "0x1")),
        *(("value", value) for value in (True, [5], {"of": 5})),
        *(("item_id", value) for value in ("a\nb", "x" * 513, 1.5, True, ["a"], {"id": 1})),
        ("session_id", ["s"]),
        *(("currency", value) for value in ("Euro", "€", 978, "EURO")),
        *(("channel", value) for value in ("fax", 5, ["web"])),
        *(("schema_version", value) for value in (1.5, "new", True)),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_field_that_decorates_stays_in_metadata(field, sent):
    raw = EVENT | {field: sent, "metadata": {"a": 1}}
    event = check_event(raw, LIMITS)
    assert field not in event
    assert event["metadata"] == {"a": 1, field: sent}
    assert raw["metadata"] == {"a": 1}
    event = checked(**{field: sent, "metadata": {field: "mine"}})
    assert event["metadata"] == {field: "mine", f"raw_{field}": sent}


@pytest.mark.parametrize("field", ["value", "item_id", "session_id", "currency", "channel"])
@pytest.mark.parametrize("value", [None, "", float("nan"), float("-inf")])
def test_what_says_nothing_is_left_out(field, value):
    assert checked(**{field: value}) == checked()


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype"])
@pytest.mark.parametrize("where", ["metadata", "context"])
def test_a_key_is_a_key_whatever_it_means_elsewhere(key, where):
    part = {key: "Ferrari", "a": [{"b": {key: {"admin": True}}}]}
    assert checked(**{where: part})[where] == part


def test_an_empty_list_is_phps_empty_object():
    event = checked(metadata=[], context=[])
    assert (event["metadata"], event["context"]) == ({}, {})
    with pytest.raises(Invalid, match="metadata should be an object, not a list"):
        checked(metadata=[1])


def test_nesting_has_a_limit():
    def nested(levels):
        return json.loads('{"a":' * levels + "1" + "}" * levels)

    assert checked(metadata=nested(LIMITS.max_depth))
    with pytest.raises(Invalid, match="too deeply"):
        checked(value=nested(LIMITS.max_depth + 1))
    with pytest.raises(Invalid, match="too deeply"):
        checked(metadata=nested(LIMITS.max_depth + 1))


def test_what_is_unknown_is_named():
    with pytest.raises(Invalid, match="admin"):
        checked(admin=1)
    with pytest.raises(Invalid, match="event_type is missing"):
        checked(event_type=None)
    with pytest.raises(Invalid, match="an event should be an object, not a list"):
        check_event([], LIMITS)
