"""What the demo remembers: numbered lines of its own site, recordings that can be played."""

from __future__ import annotations

import orjson
import pytest

from sparkperso.services.collect.routes.demo.feed import MOST_LINES, DemoFeed
from sparkperso.services.http.write_keys import SiteKey

DEMO = SiteKey("demo", "required", "web", ())
SHOP = SiteKey("shop", "required", "web", ())


@pytest.fixture
def received():
    return DemoFeed()


def take(received, key, *events):
    lines = [orjson.dumps({"context": {}, "metadata": {}, **event}) for event in events]
    received.watch(key, lines, [{"status": "accepted"}] * len(lines))


def part(sequence, text="", **more):
    metadata = {"recording_id": "r", "sequence": sequence, "started_at": 9, "text": text, **more}
    return {"event_type": "session_recording", "metadata": metadata}


def test_each_line_is_given_once_to_who_asks_for_what_is_new(received):
    number, seen = 0, []
    for name in ("a", "b", "c"):
        take(received, DEMO, {"event_type": name}, {"event_type": name})
        seen += received.after(number)
        number = received.last
    assert [line["event_type"] for line in seen] == ["a", "a", "b", "b", "c", "c"]
    assert received.after(number) == []
    assert len(received.after(number + 1)) == 6


def test_other_sites_are_not_shown_and_memory_is_bounded(received):
    take(received, SHOP, {"event_type": "click"})
    assert (received.last, dict(received.counts)) == (0, {})
    take(received, DEMO, *({"event_type": "click"} for _ in range(MOST_LINES + 9)))
    assert len(received.after(0)) == MOST_LINES
    assert received.counts["accepted"] == MOST_LINES + 9


def test_parts_are_put_in_order_each_once_up_to_a_gap(received):
    first, second = '{"timestamp":0}\n{"time', 'stamp":1500}\n'
    take(received, DEMO, part(1, second), part(0, first), part(0, first), part(3, "lost"))
    assert received.recording("r") == {"started_at": 9, "lines": first + second}
    (summary,) = received.recordings()
    assert (summary["seconds"], summary["parts"]) == (1.5, 2)


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "session_recording"},
        part("0"),
        part(0, recording_id=None),
        part(0, text={"a": 1}),
        part(5),
    ],
)
def test_what_only_claims_to_be_a_recording_is_none(received, event):
    take(received, DEMO, event)
    assert received.recordings() == []
    assert received.recording("r") is None


NONSENSE = ["", "no JSON", "[]", '{"timestamp":null}', "7", '{"timestamp":"x"}', '{"timestamp":{}}']


@pytest.mark.parametrize("text", NONSENSE)
def test_a_recording_of_nonsense_is_listed_all_the_same(received, text):
    take(received, DEMO, part(0, text))
    assert received.recordings()[0]["seconds"] == 0
