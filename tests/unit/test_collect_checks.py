"""What an event must be, and what the collector says of one that is not."""

from __future__ import annotations

import json

import pytest

from sparkperso.collect.checks import Invalid, check_event
from sparkperso.config.collect import LimitsConfig

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


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "yesterday", "2026-06-01T10:00:00", "2026-06-01", "2026-13-01T10:00:00Z",
        "2026-W23-1T10:00:00Z", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", -1, 1e300, True,
        "2026-06-01T10:00:00+99:00", "٢٠٢٦-06-01T10:00:00Z", {"$date": 1}, "2026-06-01T25:00:00Z",
    ],
)  # fmt: skip
def test_other_times_are_not(sent):
    with pytest.raises(Invalid, match="timestamp should be ISO 8601"):
        checked(timestamp=sent)


@pytest.mark.parametrize("field", ["user_id", "item_id", "session_id", "event_type", "event_id"])
@pytest.mark.parametrize("value", ["", "a\nb", "a\x00", "\x1b[31m", "x" * 513, 1.5, True, [], {}])
def test_an_identifier_is_printable_text(field, value):
    with pytest.raises(Invalid, match=field) as refusal:
        checked(**{field: value})
    assert str(refusal.value).isprintable()


def test_numbers_are_taken_as_identifiers_without_loss():
    assert checked(item_id=2**53 + 1)["item_id"] == "9007199254740993"


@pytest.mark.parametrize("value", ["5", True, float("inf"), float("nan"), [5]])
def test_a_value_is_a_finite_number(value):
    with pytest.raises(Invalid, match="value should be a finite number"):
        checked(value=value)


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype"])
@pytest.mark.parametrize("where", ["metadata", "context"])
def test_keys_that_poison_are_refused_at_any_level(key, where):
    with pytest.raises(Invalid, match=key):
        checked(**{where: {"a": [{"b": {key: {"admin": True}}}]}})


def test_nesting_has_a_limit():
    def nested(levels):
        return json.loads('{"a":' * levels + "1" + "}" * levels)

    assert checked(metadata=nested(LIMITS.max_depth))
    with pytest.raises(Invalid, match="too deeply"):
        checked(metadata=nested(LIMITS.max_depth + 1))


def test_what_is_unknown_is_named():
    with pytest.raises(Invalid, match="admin"):
        checked(admin=1)
    with pytest.raises(Invalid, match="channel should be one of"):
        checked(channel="fax")
    with pytest.raises(Invalid, match="event_type is missing"):
        checked(event_type=None)
    with pytest.raises(Invalid, match="an event should be an object, not a list"):
        check_event([], LIMITS)
