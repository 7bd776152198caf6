"""Records of any shape of file become the same events."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone

import pandas as pd
import pytest

from sparkperso.config import load_named
from sparkperso.config.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.errors import ConfigError, JobError, UsageError
from sparkperso.ingest.files import list_files
from sparkperso.ingest.parse import Rulebook, classify_files, valid_events
from sparkperso.ingest.readers import read_records

NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)
LINES = pd.DataFrame(
    {
        "Invoice": ["489434", "C489449", "489600", "489601", "489602", "489603"],
        "StockCode": ["85048", "79323p", "POST", "gift_0001_30", "DCGS0058", "22423"],
        "Description": ["XMAS LIGHTS", " PINK MUG ", "POSTAGE", None, "A BAG", "CAKESTAND"],
        "Quantity": [12, -1, 1, 1, 2, -3],
        "InvoiceDate": pd.to_datetime(["2009-12-01 07:45:00"] + ["2010-06-01 12:00:00"] * 5),
        "Price": [6.95, 2.1, 18.0, 30.0, 1.25, 12.75],
        "Customer ID": [13085.0, 16321.0, None, 13085.0, None, 13085.0],
        "Country": ["United Kingdom", "EIRE", "Unspecified", "RSA", "United Kingdom", "France"],
    }
)


def retail_rows(classified):
    events = valid_events(classified).select(
        "event_type",
        "user_id",
        "anonymous_id",
        "session_id",
        "item_id",
        "value",
        "context.country",
        "metadata",
        "timestamp",
    )
    return sorted((row.asDict() for row in events.collect()), key=lambda row: row["session_id"])


@pytest.fixture
def book(settings):
    def make(name, **changes):
        source = load_named("sources", name, SourceConfig)
        plan = load_named("tracking_plans", "default", TrackingPlan)
        return Rulebook(source.model_copy(update=changes), plan, settings.ingest)

    return make


@pytest.fixture
def classify(spark, book, tmp_path):
    def run(name="online_retail", path=tmp_path / "in", **changes):
        return classify_files(spark, list_files(spark, str(path)), book(name, **changes), NOW)

    return run


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def expected():
    return [
        ("invoice-489434", "purchase", "13085", "85048", 83.4, "GB", "christmas", 1, 7),
        ("invoice-489600", "purchase", None, None, 18.0, None, None, 6, 11),
        ("invoice-489601", "purchase", "13085", None, 30.0, "ZA", None, 6, 11),
        ("invoice-489602", "purchase", None, "DCGS0058", 2.5, "GB", "bags", 6, 11),
        ("invoice-C489449", "refund", "16321", "79323P", 2.1, "IE", "kitchen", 6, 11),
    ]


def facts(rows):
    return [
        (
            row["session_id"],
            row["event_type"],
            row["user_id"],
            row["item_id"],
            row["value"],
            row["country"],
            row["metadata"].get("category"),
            row["timestamp"].month % 12 + (row["timestamp"].month == 12),
            row["timestamp"].hour,
        )
        for row in rows
    ]


def as_shipped(lines, folder):
    text = lines.assign(InvoiceDate=lines.InvoiceDate.astype(str))
    text.to_parquet(folder / "lines.parquet")


def with_nanoseconds(lines, folder):
    lines.astype({"InvoiceDate": "datetime64[ns]"}).to_parquet(folder / "lines.parquet")


def with_microseconds(lines, folder):
    lines.astype({"InvoiceDate": "datetime64[us]"}).to_parquet(folder / "lines.parquet")


def as_reordered_csv(lines, folder):
    other = lines.rename(columns={"Invoice": "InvoiceNo", "Price": "UnitPrice"})
    other = other.rename(columns={"Customer ID": "customer_id"}).assign(Shop="1", kind="x")
    other[sorted(other.columns)[::-1]].to_csv(folder / "lines.csv.gz", index=False)


def as_british_csv(lines, folder):
    text = lines.assign(InvoiceDate=lines.InvoiceDate.dt.strftime("%d/%m/%Y %H:%M"))
    text.to_csv(folder / "lines.csv", index=False)


def as_text_columns(lines, folder):
    lines.astype(str).to_parquet(folder / "lines.parquet")


def as_json_lines(lines, folder):
    text = lines.assign(InvoiceDate=lines.InvoiceDate.astype(str))
    text.to_json(folder / "lines.jsonl", orient="records", lines=True)


@pytest.mark.parametrize(
    "write",
    [
        as_shipped,
        with_nanoseconds,
        with_microseconds,
        as_reordered_csv,
        as_british_csv,
        as_text_columns,
        as_json_lines,
    ],
)
def test_the_same_order_lines_in_any_form_give_the_same_events(classify, folder, expected, write):
    write(LINES, folder)
    classified = classify().cache()
    assert facts(retail_rows(classified)) == expected
    rejected = classified.where("is_rejected").select("reasons.code").collect()
    assert [row["code"] for row in rejected] == [["out_of_range"]]


def test_an_anonymous_line_is_known_by_its_invoice(classify, folder):
    as_shipped(LINES, folder)
    rows = {row["session_id"]: row for row in retail_rows(classify())}
    assert rows["invoice-489600"]["anonymous_id"] == "invoice-489600"
    assert rows["invoice-489434"]["anonymous_id"] is None


def test_metadata_holds_what_is_there_and_no_nulls(classify, folder):
    as_shipped(LINES, folder)
    rows = {row["session_id"]: row["metadata"] for row in retail_rows(classify())}
    full = {"order_id", "quantity", "unit_price", "title", "category"}
    assert rows["invoice-C489449"]["title"] == "PINK MUG"
    assert rows["invoice-C489449"]["quantity"] == "1"
    assert set(rows["invoice-489434"]) == full
    assert set(rows["invoice-489601"]) == full - {"title", "category"}


def test_the_hash_of_a_record_does_not_depend_on_the_order_of_columns(spark, book, folder):
    header = ["Invoice", "StockCode", "Description", "Quantity"]
    header += ["InvoiceDate", "Price", "Customer ID", "Country"]
    for number, names in enumerate((header, header[::-1])):
        path = folder / f"{number}.csv"
        path.write_text("\n".join(",".join(line) for line in (names, names)) + "\n")
    frames = read_records(spark, list_files(spark, str(folder)), book("online_retail").source)
    hashes = {row[0] for frame in frames for row in frame.select("_record_id").collect()}
    assert (len(frames), len(hashes)) == (2, 1)


def test_the_hash_of_a_json_record_does_not_depend_on_keys_order_and_blanks(spark, book, folder):
    event = {"user_id": "u", "metadata": {"b": 1, "a": [1, 2]}, "event_type": "click"}
    other = {key: event[key] for key in reversed(event)}
    other["metadata"] = {"a": [1, 2], "b": 1}
    (folder / "e.jsonl").write_text(f"{json.dumps(event)}\n{json.dumps(other, indent=None)} \n")
    [records] = read_records(spark, list_files(spark, str(folder)), book("events").source)
    rows = records.select("_payload", "_record_id").distinct().collect()
    assert len(rows) == 2
    assert len({row["_record_id"] for row in rows}) == 1


EVENT = {"user_id": "u", "timestamp": "2026-06-30T10:00:00Z", "event_type": "click", "metadata": {}}
REJECTED = [
    ({"timestamp": "yesterday"}, "malformed"),
    ({"timestamp": None}, "missing"),
    ({"user_id": " "}, "missing"),
    ({"event_type": ""}, "missing"),
    ({"event_type": "teleport"}, "unknown_type"),
    ({"timestamp": "2026-07-01T01:00:00Z"}, "future"),
    ({"timestamp": "2020-07-01T01:00:00Z"}, "too_old"),
    ({"value": "a lot"}, "wrong_type"),
    ({"value": "NaN"}, "wrong_type"),
    ({"metadata": "text"}, "wrong_type"),
    ({"context": [1]}, "wrong_type"),
    ({"user_id": {"id": 1}}, "wrong_type"),
    ({"currency": "pounds"}, "malformed"),
    ({"channel": "pigeon"}, "out_of_range"),
    ({"event_type": "purchase"}, "missing"),
    ({"event_type": "purchase", "value": -1}, "out_of_range"),
    ({"event_type": "item_view"}, "missing"),
    ({"event_type": "scroll", "metadata": {"depth": 101}}, "out_of_range"),
    ({"event_type": "scroll", "metadata": {"depth": "deep"}}, "wrong_type"),
    ({"metadata": {"text": "x" * 70_000}}, "too_large"),
    ({"metadata": {f"k{n}": n for n in range(101)}}, "too_large"),
]


def test_every_rule_rejects_what_it_is_for_and_nothing_else(classify, folder):
    lines = [json.dumps({**EVENT, **changes}) for changes, _ in REJECTED]
    lines += ["{broken", '"text"', "[]", json.dumps(EVENT)[:-1] + ', "user_id": "twice"}']
    codes = [code for _, code in REJECTED] + ["malformed"] * 4
    (folder / "e.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    rows = classify("events").select("payload", "reasons.code", "recoverable").collect()
    found = {row["payload"]: row for row in rows}
    assert [found[line]["code"] for line in lines] == [[code] for code in codes]
    assert [found[line]["recoverable"] for line in lines] == [True] * len(REJECTED) + [False] * 4


def test_a_good_event_comes_through_standardised(classify, folder):
    event = {
        **EVENT,
        "event_id": "e1",
        "timestamp": 1782907200000,
        "event_type": "Purchase",
        "value": "12.5",
        "currency": "eur",
        "metadata": {"category": "Home & Garden", "nested": {"a": [1]}, "n": 3},
        "context": {"country": "germany", "device_type": " Mobile", "unknown": 1},
    }
    (folder / "e.ndjson").write_text(json.dumps(event) + "\n\n")
    [row] = valid_events(classify("events", historical=True)).collect()
    assert (row["event_id"], row["event_type"], row["channel"]) == ("e1", "purchase", "web")
    assert (row["value"], row["currency"], row["schema_version"]) == (12.5, "EUR", 1)
    assert row["metadata"] == {"category": "home_garden", "nested": '{"a":[1]}', "n": "3"}
    assert (row["context"]["country"], row["context"]["device_type"]) == ("DE", "mobile")


def test_events_of_parquet_may_have_structs_and_typed_columns(spark, classify, folder):
    typed = spark.sql(
        "SELECT 'u' user_id, timestamp'2026-06-30 10:00:00Z' timestamp, 'click' event_type, "
        "struct('घर की सजावट' AS category, 3 AS n) metadata, struct('FR' AS country) context, "
        "2 value"
    )
    typed.write.parquet(str(folder / "part"))
    [row] = valid_events(classify("events")).collect()
    assert (row["metadata"], row["value"]) == ({"category": "घर_की_सजावट", "n": "3"}, 2.0)
    assert row["context"]["country"] == "FR"


def test_csv_rows_of_the_wrong_length_are_rejected_as_they_are(classify, folder):
    header = "timestamp,event_type,user_id\n"
    good = '2026-06-30T10:00:00Z,click,"the ""user"""\n'
    (folder / "e.csv").write_text(header + good + "2026-06-30,click\n" + "a,b,c,d\n")
    rows = classify("events").cache()
    bad = {row["payload"] for row in rows.where("is_rejected").collect()}
    assert bad == {"2026-06-30,click", "a,b,c,d"}
    assert [row["user_id"] for row in valid_events(rows).collect()] == ['the "user"']


def test_parts_of_a_folder_may_differ_in_the_types_of_columns(classify, folder):
    as_shipped(LINES.iloc[:1], folder)
    (folder / "more").mkdir()
    as_text_columns(LINES.iloc[1:2], folder / "more")
    assert [row["user_id"] for row in retail_rows(classify())] == ["13085", "16321"]


def test_records_without_consent_are_refused_and_nothing_of_them_is_kept(classify, folder):
    lines = [json.dumps({**EVENT, "metadata": {"consent": c}}) for c in ("true", "false", "")]
    (folder / "e.jsonl").write_text("\n".join(lines))
    source = load_named("sources", "events", SourceConfig)
    columns = {**source.columns, "consent": "get_json_object(metadata, '$.consent')"}
    rows = classify("events", consent="required", columns=columns).collect()
    refused = [row.asDict() for row in rows if row["is_refused"]]
    assert len(refused) == 2
    beside = {"is_refused", "record_number"}  # what is known of a refused record: that it was there
    assert {value for row in refused for name, value in row.items() if name not in beside} == {None}


def test_an_expression_that_spark_cannot_read_is_named(classify, folder):
    as_shipped(LINES, folder)
    with pytest.raises(ConfigError, match=r"'units' in conf/sources/online_retail\.yaml"):
        classify(let={"units": "Quantitty + 1"})


def test_a_missing_column_is_named(classify, folder):
    as_shipped(LINES.drop(columns="Price"), folder)
    with pytest.raises(JobError, match=r"no 'Price'.*its columns are Invoice, StockCode"):
        classify()


def test_nothing_there_and_nothing_inside(spark, folder):
    with pytest.raises(UsageError, match="There is no"):
        list_files(spark, str(folder / "none"))
    with pytest.raises(JobError, match="holds no files"):
        list_files(spark, str(folder))
    (folder / "e.csv").touch()
    with pytest.raises(JobError, match="is empty"):
        list_files(spark, str(folder / "e.csv"))


def test_hidden_files_are_left_out_and_subfolders_read(spark, folder):
    (folder / "day=1").mkdir()
    for name in ("_SUCCESS", ".hidden", "day=1/a b.csv"):
        (folder / name).write_text("x")
    assert [file.path.rpartition("/")[2] for file in list_files(spark, str(folder))] == [
        "a%20b.csv"
    ]
