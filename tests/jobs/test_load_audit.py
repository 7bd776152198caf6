"""load-source --source audit: who read which profile is in ops/audit, each read once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sparkperso.config import load_settings
from sparkperso.core.times import now
from sparkperso.jobs import load_source
from sparkperso.pipeline.step import carry_out
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.services.access.audit import Audit
from sparkperso.services.access.caller import LOCAL_CALLER, OWN_SCOPES, Caller

pytestmark = pytest.mark.usefixtures("unrecorded")

AT = datetime(2026, 6, 1, 23, 59, 59, 123456, tzinfo=timezone.utc)
USER = Caller("user", "user-17", OWN_SCOPES["user"], "user:user-17", until=1e12)
PROFILE, SEGMENTS = "/v1/users/{id}/profile", "/v1/users/{id}/segments"


class Kept:
    """A sink in memory."""

    def __init__(self):
        self.lines = []

    async def start(self):
        pass

    async def put(self, lines):
        self.lines += [line for _, line in lines]

    async def check(self):
        return None

    async def close(self):
        pass


@pytest.fixture(scope="module")
def pseudonyms():
    return Pseudonyms(load_keys(load_settings("local").privacy, "local", {}))


@pytest.fixture(scope="module")
def lines(pseudonyms):
    sink = Kept()

    async def read():
        audit = Audit(sink, pseudonyms, 100, clock=lambda: AT)
        await audit.start()
        audit.user(LOCAL_CALLER, "anna", PROFILE)
        audit.user(LOCAL_CALLER, "anna", PROFILE)
        audit.user(USER, "user-17", SEGMENTS)
        audit.visitor(LOCAL_CALLER, "a-9", "/v1/stream")
        await audit.close()

    asyncio.run(read())
    return sink.lines


@pytest.fixture
def load(make_job, lake):
    root = Path(lake.ref("ops/audit").place.removeprefix("file://")).parents[1]

    def carry(name, *lines):
        folder = root / "_spool" / "audit" / "ready"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        job = make_job("load-source", source="audit", set=["ingest.max_rejected_share=1"])
        found = dict(carry_out(load_source.STEP, job).summary)
        return [found[one] for one in ("received", "valid", "quarantined", "duplicates")]

    return carry


def test_each_read_is_a_row_once(load, lake, lines, pseudonyms):
    broken = [lines[0].replace(b'"read_id"', b'"other_id"'), b'{"read_id": "x"', lines[1][:40]]
    assert load("a", *lines[:3], lines[0], *broken) == [7, 3, 3, 1]
    assert load("b", *lines) == [4, 1, 0, 3]
    table = lake.ref("ops/audit").read()
    rows = table.collect()
    assert len(rows) == 4
    anna = [row for row in rows if row["person"] == pseudonyms.of("user_id", "anna")]
    # Two reads of the same moment are two.
    assert len({row["read_id"] for row in anna}) == 2
    assert {row["reader"] for row in anna} == {"key:local-dev-token"}
    assert {(row["reader_kind"], row["field"], row["route"]) for row in anna} == {
        ("key", "user_id", PROFILE)
    }
    assert {row["timestamp"] for row in rows} == {AT.replace(tzinfo=None)}
    assert {row["event_date"].isoformat() for row in rows} == {"2026-06-01"}
    assert all(row["received_at"] <= now().replace(tzinfo=None) for row in rows)
    text = str(rows)
    assert "anna" not in text
    assert "user-17" not in text


def test_an_audit_without_a_file_is_no_error(make_job):
    job = make_job("load-source", source="audit")
    assert dict(carry_out(load_source.STEP, job).summary)["received"] == 0
