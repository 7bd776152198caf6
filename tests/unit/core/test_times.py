"""The grammar of time in plain Python; tests/spark/test_ingest_times.py holds Spark to the same."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from tests.times import INSTANTS, NONE, WALL

from sparkperso.core.times import read_time


@pytest.mark.parametrize(("sent", "meant"), INSTANTS)
def test_a_time_that_says_its_instant(sent, meant):
    for zone in (None, ZoneInfo("Europe/Paris")):
        found = read_time(sent, zone)
        assert found.replace(tzinfo=None) == datetime.fromisoformat(meant.ljust(26, "0")
            if "." in meant else meant)  # fmt: skip
        assert found.tzinfo is timezone.utc


@pytest.mark.parametrize(("sent", "meant"), WALL)
def test_wall_time_needs_a_zone(sent, meant):
    with pytest.raises(ValueError, match="no offset"):
        read_time(sent)
    assert read_time(sent, timezone.utc) == read_time(f"{meant.replace(' ', 'T')}Z")


@pytest.mark.parametrize("sent", [*NONE, None, True, [], {}, float("nan"), float("inf"), 1e300, 99])
def test_what_is_no_time(sent):
    with pytest.raises(ValueError):  # noqa: PT011
        read_time(sent, timezone.utc)


def test_units_meet_without_a_gap():
    one = timedelta(microseconds=1)
    for power, factor in ((11, 10**3), (14, 10**6), (17, 10**9)):
        at, before = read_time(10**power), read_time(10**power - 1)
        assert at == datetime(1970, 1, 1, tzinfo=timezone.utc) + 10**power / factor * 10**6 * one
        assert before > datetime(4000, 1, 1, tzinfo=timezone.utc)
