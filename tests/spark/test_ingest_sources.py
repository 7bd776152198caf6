"""Records of any shape of file become the same events."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from datetime import datetime, timezone

import pandas as pd
import pytest

from sparkperso.config import load_named
from sparkperso.config.sources.input import CsvConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError, JobError, UsageError
from sparkperso.ingest.classify import IngestRules, classify_files, valid_events
from sparkperso.ingest.sources.files import list_files
from sparkperso.ingest.sources.readers import read_records
from sparkperso.privacy import PersonalFields, Pseudonyms, load_keys

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
        changed = source.model_copy(update=changes)
        return IngestRules(
            changed, plan, settings.ingest, lambda: load_keys(settings.privacy, "local", {})
        )

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


ODD = "a b%20c#d+e[f]{g,h}*i'j\"k;ü,&$ \\l^m=?"
"""Every kind of character that a name may have."""


def taken(rows):
    """Returns (user, channel) of the valid events."""
    return sorted((row.user_id, row.channel) for row in valid_events(rows).collect())


def test_names_of_files_and_folders_may_hold_any_character_but_a_colon(classify, folder):
    place = folder / ODD
    place.mkdir()
    (place / f"{ODD}.csv").write_text("timestamp,event_type,user_id\n2026-06-30,click,csv\n")
    (place / f"{ODD}.json").write_text(json.dumps({**EVENT, "user_id": "json"}))
    pd.DataFrame([{**EVENT, "user_id": "pq", "metadata": "{}"}]).to_parquet(place / f"{ODD}.parq")
    expected = [("csv", "web"), ("json", "web"), ("pq", "web")]
    assert taken(classify("events")) == expected
    assert taken(classify("events", path=place / f"{ODD}.json")) == [("json", "web")]
    (place / "a:b.json").write_text("{}")
    for path in (folder, place / "a:b.json"):
        with pytest.raises(UsageError, match="no colon"):
            classify("events", path=path)


def test_columns_may_stand_in_the_names_of_folders(classify, folder):
    line = {"user_id": "u", "timestamp": "2026-06-30T10:00:00Z", "event_type": "click"}
    for channel in ("mobile", "email", "__HIVE_DEFAULT_PARTITION__"):
        place = folder / f"channel={channel}" / "item ID=a%3Ab+c %"
        place.mkdir(parents=True)
        (place / "e.json").write_text(json.dumps(line))
        (place / "e.csv").write_text("user_id,timestamp,event_type\nc,2026-06-30,click\n")
        pd.DataFrame([{**line, "user_id": "p"}]).to_parquet(place / "part.parquet")
    rows = classify("events").cache()
    assert taken(rows) == [(u, c) for u in "cpu" for c in ("email", "mobile", "web")]
    assert {row.item_id for row in rows.collect()} == {"a:b+c %"}
    assert rows.select("record_id").distinct().count() == 9
    (folder / "channel=mobile" / "own.json").write_text(json.dumps({**line, "channel": "server"}))
    assert taken(classify("events", path=folder / "channel=mobile" / "own.json")) == [
        ("u", "server")
    ]


def test_a_file_without_a_line_stops_no_folder(classify, folder):
    (folder / "empty.csv.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(JobError, match="at least one record"):
        classify("events")
    (folder / "e.csv").write_text("timestamp,event_type,user_id\n2026-06-30,click,u\n")
    assert taken(classify("events")) == [("u", "web")]


@pytest.mark.parametrize(
    ("kind", "again"), [("csv", "user_id"), ("csv", "User_ID"), ("parquet", "User_ID")]
)
def test_a_column_that_is_there_twice_is_refused_by_file_and_name(classify, folder, kind, again):
    if kind == "csv":
        rows = f"timestamp,event_type,user_id,{again}\n2026-06-30,click,u,v\n"
        (folder / "e.csv").write_text(rows)
    else:
        pd.DataFrame([{**EVENT, "metadata": "{}", again: "v"}]).to_parquet(folder / "e.parquet")
    with pytest.raises(JobError, match=rf"e\.{kind} has 'user_id' and '{again}'"):
        classify("events")


def test_bytes_that_are_no_text_make_no_two_users_one(classify, folder):
    rows = "timestamp,event_type,user_id\n2026-06-30,click,café\n2026-06-30,click,cafè\n"
    (folder / "e.csv").write_bytes((rows + "2026-06-30,click,cafe\n").encode("windows-1252"))
    found = classify("events").cache()
    assert taken(found) == [("cafe", "web")]
    [why, same] = [row[0] for row in found.where("is_rejected").select("reasons.message").collect()]
    assert (
        why
        == same
        == ["the record cannot be parsed: it holds bytes that are no text in UTF-8 (csv.encoding)"]
    )
    western = classify("events", csv=CsvConfig(encoding="windows-1252"))
    assert [user for user, _ in taken(western)] == ["cafe", "cafè", "café"]
    (folder / "e.csv").write_text(rows.replace("é", "\ufffd"))  # sent so, and in UTF-8
    assert [user for user, _ in taken(classify("events"))] == ["cafè", "caf\ufffd"]
    with pytest.raises(ConfigError, match=r"charset that Java knows.*klingon"):
        classify("events", csv=CsvConfig(encoding="klingon"))


def test_files_that_are_written_otherwise_say_what_to_set(classify, folder):
    rows = "timestamp;event_type;user_id\n2026-06-30;click;ü\n"
    (folder / "e.csv").write_text(rows)
    with pytest.raises(JobError, match=r'e\.csv has none.*csv\.delimiter: ";"'):
        classify("events")
    assert taken(classify("events", csv=CsvConfig(delimiter=";"))) == [("ü", "web")]
    (folder / "e.csv").write_bytes(rows.replace(";", ",").encode("utf-16"))
    with pytest.raises(JobError, match=r"csv\.encoding: UTF-16"):
        classify("events")
    assert taken(classify("events", csv=CsvConfig(encoding="UTF-16"))) == [("ü", "web")]


def test_a_line_break_within_quotes_is_refused_unless_the_source_allows_it(classify, folder):
    head = "timestamp,event_type,user_id,item_id\n"
    (folder / "e.csv").write_text(head + '2026-06-30,click,"a ""b"", c",5" pipe\n')
    assert taken(classify("events")) == [('a "b", c', "web")]
    (folder / "e.csv").write_text(head + '2026-06-30,click,u,"say ""hi"",\nbye"\n')
    with pytest.raises(
        JobError, match=r"does not end on its line in .*e\.csv.*csv\.multi_line: true"
    ):
        classify("events")
    assert taken(classify("events", csv=CsvConfig(multi_line=True))) == [("u", "web")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps([EVENT, EVENT]), r"jq -c '\.\[\]'"),
        (json.dumps([EVENT], indent=1), "jq -c"),
        (json.dumps(EVENT, indent=1), "jq -c"),
        (json.dumps(EVENT).encode("utf-16"), "UTF-16"),
        ("{broken", "should hold one JSON object"),
    ],
)
def test_json_that_is_not_one_object_a_line_says_how_to_write_it(classify, folder, text, says):
    (folder / "e.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = classify("events").select("is_rejected", "reasons.message").collect()
    assert all(row.is_rejected for row in rows)
    assert any(re.search(says, row.message[0]) for row in rows)


def test_identifiers_of_float_columns_are_whole_numbers(classify, folder):
    numbers = pd.DataFrame(
        {
            "user_id": [12345678.0, float("nan"), 17.5],
            "anonymous_id": ["a", "b", "c"],
            "timestamp": pd.to_datetime(["2026-06-30"] * 3),
            "event_type": "click",
            "item_id": [1e20, 2.0, 3.0],
        }
    )
    numbers.to_parquet(folder / "e.parquet")
    ids = '"user_id": 12345678.0, "item_id": 1e3'
    (folder / "e.json").write_text(f'{{{ids}, "timestamp": 1782777600, "event_type": "click"}}')
    rows = valid_events(classify("events")).select("user_id", "item_id", "timestamp").collect()
    assert sorted((row.user_id or "", row.item_id) for row in rows) == [
        ("", "2"),
        ("12345678", "1000"),
        ("12345678", "100000000000000000000"),
        ("17.5", "3"),
    ]
    assert {row.timestamp for row in rows} == {datetime(2026, 6, 30)}


def test_nanoseconds_are_the_time_that_the_footer_says(classify, folder):
    at = pd.to_datetime(["2026-01-05 10:00:00"]).astype("datetime64[ns]")
    plain = pd.DataFrame({"user_id": "wall", "event_type": "click", "timestamp": at})
    plain.to_parquet(folder / "wall.parquet")
    instant = plain.assign(user_id="instant", timestamp=at.tz_localize("UTC"))
    instant.to_parquet(folder / "instant.parquet")
    number = plain.assign(user_id="number", timestamp=at.astype("int64"))
    number.to_parquet(folder / "number.parquet")
    rows = valid_events(classify("events", time_zone="Europe/Paris")).collect()
    hours = {
        row.user_id: (row.timestamp.hour, json.loads(row.payload)["timestamp"]) for row in rows
    }
    assert hours == {
        "wall": (9, "2026-01-05T10:00:00.000"),
        "instant": (10, "2026-01-05T10:00:00.000Z"),
        "number": (10, 1767607200000000000),
    }


def test_personal_values_of_files_have_the_pseudonyms_that_the_collector_gives(
    classify, book, folder
):
    sent = {
        **EVENT,
        "event_type": "identify",
        "metadata": {"e-mail": "Anna@Example.com", "traits": {"Mobile": 491701, "plan": "pro"}},
        "mail": "ANNA@example.com",
    }
    own = dict(sent, metadata=json.loads(json.dumps(sent["metadata"])))
    plan, keys = book("events").plan, Pseudonyms(book("events").load_keys())
    fields = PersonalFields(plan.personal_of("identify"), plan.public_traits)
    fields.pseudonymise(own, keys)
    mail, traits = own["metadata"]["e-mail"], own["metadata"]["traits"]
    assert mail.startswith("k1:email:")
    assert traits["Mobile"].startswith("k1:phone:")
    broken = json.dumps(sent)[:-1]
    rejected = {**sent, "event_type": "nonsense", "timestamp": "2026-06-30T11:00:00Z"}
    plain = {**EVENT, "metadata": {"depth": 1.50}}
    lines = [json.dumps(one) for one in (sent, rejected, plain)]
    (folder / "e.json").write_text("\n".join([*lines, broken]))
    table = pd.DataFrame([{**sent, "metadata": json.dumps(sent["metadata"]), "user_id": "pq"}])
    table.to_parquet(folder / "e.parquet")
    rows = classify("events").cache()
    text = "\n".join(str(row) for row in rows.collect()).lower()
    assert "example.com" not in text
    assert "491701" not in text
    valid = [row for row in valid_events(rows).collect() if row.event_type == "identify"]
    assert len(valid) == 2
    for row in valid:
        assert row.metadata["e-mail"] == mail
        assert json.loads(row.metadata["traits"]) == traits
        payload = json.loads(row.payload)
        assert payload["mail"] == mail
    [clear] = [row for row in rows.collect() if row.payload == lines[2]]
    assert (
        clear.record_id
        == hashlib.sha256(
            json.dumps(plain, sort_keys=True, separators=(",", ":")).replace("1.50", "1.5").encode()
        ).hexdigest()
    )
