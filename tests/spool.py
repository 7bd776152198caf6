"""Lines as the collector hands them over, for tests of all that reads its spool."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from sparkperso.jobs import ingest_events
from sparkperso.pipeline.step import carry_out

COLLECTED = {
    "received_at": "2026-06-01T10:00:05.250000Z",
    "site": "shop",
    "basis": "assumed: development",
    "purpose": "analytics",
    "region": None,
    "opted_out": False,
    "masked": 0,
    "key_id": "k1",
}


def line(number, collected=(), **changes):
    fields = {"event_id": f"e{number}", "user_id": "u", "timestamp": "2026-06-01T10:00:00.000Z"}
    fields |= {"event_type": "page_view", "metadata": {}, **changes}
    return {**fields, "collected": {**COLLECTED, **dict(collected)}}


@pytest.fixture
def spool(lake):
    """Returns put(name, lines), which hands a file over as the collector does."""

    return partial(hand_over, Path(lake.config.root))


def hand_over(root, name, lines):
    """Hands a file over to the spool of a lake."""
    ready = root / "_spool" / "ready"
    ready.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (ready / f"{name}.jsonl").write_text(text, encoding="utf-8")


@pytest.fixture
def ingest(make_job):
    def run(*settings):
        job = make_job("ingest-events", set=settings, source="collector", path=None)
        return dict(carry_out(ingest_events.STEP, job).summary)

    return run
