"""Event times of every form come to the same instant."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from sparkperso.ingest.times import choose_formats, event_time

UK = ["d/M/yyyy H:mm[:ss]", "M/d/yyyy H:mm[:ss]"]


def read(spark, texts, zone="UTC", formats=(), kind="string"):
    frame = spark.createDataFrame([(text,) for text in texts], "sent string")
    sent = F.col("sent").cast(kind)
    frame = frame.select(sent.alias("sent"))
    time = event_time(F.col("sent"), frame.schema["sent"].dataType, zone, formats)
    return [row[0] for row in frame.select(time.cast("string")).collect()]


def test_texts_with_and_without_offset(spark):
    texts = [
        "2026-07-01T12:00:00Z",
        "2026-07-01T14:00:00+02:00",
        "2026-07-01 14:00:00.000 +0200",
        "2026-07-01 13:00:00",
        "2026-07-01T13:00",
        "1782907200000",
        "1782910800000000000",
    ]
    assert read(spark, texts, "Europe/London") == ["2026-07-01 12:00:00"] * len(texts)


def test_what_is_no_time_is_null(spark):
    texts = ["yesterday", "2026", "2026-13-01", "", "12/2026", "99", "2026-02-30 10:00"]
    assert read(spark, texts, "Europe/London", UK) == [None] * len(texts)


def test_winter_time_is_utc_in_london(spark):
    assert read(spark, ["2009-12-01 07:45:00"], "Europe/London") == ["2009-12-01 07:45:00"]


@pytest.mark.parametrize(
    ("kind", "text", "instant"),
    [
        ("timestamp", "2026-07-01 12:00:00", "2026-07-01 12:00:00"),
        ("timestamp_ntz", "2026-07-01 13:00:00", "2026-07-01 12:00:00"),
        ("date", "2026-07-01", "2026-06-30 23:00:00"),
        ("bigint", "1782907200000", "2026-07-01 12:00:00"),
        ("bigint", "1782910800000000000", "2026-07-01 12:00:00"),
        ("double", "1782907200000", "2026-07-01 12:00:00"),
    ],
)
def test_typed_times(spark, kind, text, instant):
    assert read(spark, [text], "Europe/London", kind=kind) == [instant]


def test_one_pattern_is_chosen_for_a_whole_input(spark):
    days = [(f"{month}/{day}/2010 8:26",) for month in (1, 12) for day in (1, 5, 13, 31)]
    american = spark.createDataFrame(days, "sent string")
    assert choose_formats(american, UK) == (UK[1],)


def test_no_pattern_is_tried_on_iso_times(spark):
    frame = spark.createDataFrame([("2026-07-01 12:00:00",), (None,)], "sent string")
    assert choose_formats(frame, UK) == ()
