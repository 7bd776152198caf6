"""A time means the same in every zone of a session and of a process."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F
from tests.conftest import TEST_PROPERTIES, overridden

from sparkperso.notebook import Suite
from sparkperso.platform.lake import Lake
from sparkperso.platform.literals import instant, instant_sql, micros, moment
from sparkperso.platform.session import TIME_ZONE
from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.compare import assert_same_tables
from sparkperso.testing.frames import events_frame

ZONES = ["UTC", "America/Los_Angeles", "Asia/Kolkata"]
ANSI = "spark.sql.ansi.enabled"
NOON = datetime(2026, 7, 1, 12, 30, 0, 5)
SETTINGS = overridden(TEST_PROPERTIES, ["segments.segmentations=[audiences]"])
BUILT = ["gold/interactions", "gold/user_features", "gold/user_features_scaled", "gold/segments"]
BUILT += ["gold/feature_scalers", "gold/segment_history", "gold/segment_profiles", "gold/profiles"]


@contextmanager
def in_zone(spark, zone):
    """A session and a process in a zone, as a notebook's may be."""
    former = os.environ.get("TZ", "UTC")
    try:
        spark.conf.set(TIME_ZONE, zone)
        os.environ["TZ"] = zone
        time.tzset()
        yield
    finally:
        spark.conf.set(TIME_ZONE, "UTC")
        os.environ["TZ"] = former
        time.tzset()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "when", [NOON, NOON.replace(tzinfo=timezone.utc), moment(0), moment(-1), datetime(9000, 1, 1)]
)
def test_a_literal_is_the_same_instant_in_every_zone(spark, zone, when):
    with in_zone(spark, zone):
        rows = spark.range(1).select(
            F.unix_micros(instant(when)), F.expr(f"unix_micros({instant_sql(when)})")
        )
        assert tuple(rows.first()) == (micros(when), micros(when))


def test_a_time_goes_to_a_number_and_back():
    offset = timezone(timedelta(hours=2))
    assert moment(micros(NOON)) == NOON
    assert micros(NOON.replace(tzinfo=offset)) == micros(NOON - timedelta(hours=2))


@pytest.mark.usefixtures("unrecorded")
def test_jobs_in_a_session_of_another_zone_write_the_same_tables(spark, tmp_path):
    events = make_click_stream(n_users=8).events
    lakes = []
    for zone in ("UTC", "America/Los_Angeles"):
        suite = Suite(spark, "local", str(tmp_path / zone), SETTINGS)
        lakes.append(Lake(spark, suite.settings.lake))
        lakes[-1].writer("silver/events").append(events_frame(spark, events))
        with in_zone(spark, zone):
            spark.conf.set(ANSI, "false")
            suite.run("build-features")
            suite.run("build-segments")
            # The session is its owner's: it is given back as it was.
            assert (spark.conf.get(TIME_ZONE), spark.conf.get(ANSI)) == (zone, "false")
            assert os.environ["TZ"] == zone
            spark.conf.set(ANSI, "true")
    assert_same_tables(*lakes, BUILT)
