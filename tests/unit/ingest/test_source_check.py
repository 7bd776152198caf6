"""A source's file held against its input without Spark: what is wrong is found, and named."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from sparkperso.config import load_named, load_settings
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import JobError, UsageError
from sparkperso.ingest.check.expressions import names_in, reference, unknown_names
from sparkperso.ingest.check.report import check_source, shown
from sparkperso.ingest.check.spark_types import misfit, parse_type, unknown_parts

PLAN = load_named("tracking_plans", "default", TrackingPlan)
SALES = {
    "name": "till",
    "consent": "assumed: contract",
    "historical": True,
    "fields": ["card", "at", "article", "price"],
    "columns": {
        "user_id": "card",
        "timestamp": "at",
        "event_type": "'purchase'",
        "item_id": "article",
        "value": "price",
    },
}
LINES = "card,at,article,price\nc1,2026-03-01T10:00:00Z,a1,4.5\n,2026-03-02T10:00:00Z,a2,5\n"
ORDER = {"id": 7, "user": "u1", "ts": 1772362800000000, "items": [{"sku": "a"}, {"sku": "b"}]}
BASKETS = {
    "name": "shop",
    "consent": "assumed: contract",
    "historical": True,
    "time_unit": "microseconds",
    "fields": ["user", "ts", "items"],
    "types": {"items": "array<struct<sku:string>>"},
    "explode": {"of": "items", "name": "line"},
    "columns": {
        "user_id": "user",
        "timestamp": "ts",
        "event_type": "'item_view'",
        "item_id": "line.sku",
    },
}


@pytest.fixture
def check(tmp_path):
    """Returns check(source, content, name): mark and text of each finding by section and name."""

    def run(source, content, name="in.csv"):
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            file.write_text("".join(f"{json.dumps(one)}\n" for one in content))
        model = SourceConfig.model_validate(source)
        report = check_source(model, PLAN, load_settings().ingest, str(file), str(tmp_path))
        found = {
            f"{title}: {one.name}": (one.mark, one.text)
            for title, findings in report.sections.items()
            for one in findings
        }
        assert report.is_fine == all(mark != "wrong" for mark, _ in found.values())
        return found

    return run


def over(source, **changes):
    """Returns a source with keys changed, and columns changed within `columns`."""
    columns = {**source["columns"], **changes.pop("columns", {})}
    return {**source, **changes, "columns": {n: t for n, t in columns.items() if t is not None}}


def test_what_fits_is_fine_and_says_what_it_found(check):
    found = check(SALES, LINES)
    assert {mark for mark, _ in found.values()} == {"ok", "look"}
    empty = "card: 1 of 2 empty; such as c1; where it is empty the record is rejected"
    assert found["fields: user_id"] == ("look", empty)
    assert found["fields: timestamp"][1] == "at: 2026-03-01T10:00:00Z to 2026-03-02T10:00:00Z"
    assert found["fields: event_type"] == ("ok", "purchase")
    assert found["in all: items"][0] == "look"  # no title
    assert found["in all: categories"][0] == "look"


@pytest.mark.parametrize(
    ("changes", "lines", "part", "mark", "words"),
    [
        ({}, LINES.replace("article", "Articel"), "columns: article", "wrong", "'Articel'"),
        ({}, LINES.replace("article", "ARTICLE"), "columns: article", "ok", "is 'ARTICLE'"),
        (
            {"aliases": {"article": ["Artikel"]}},
            LINES.replace("article", "artikel"),
            "columns: article",
            "ok",
            "is 'artikel'",
        ),
        ({"optional_fields": ["till"]}, LINES, "columns: till", "look", "null, as it is optional"),
        ({"types": {"price": "dubble"}}, LINES, "columns: price: dubble", "wrong", "'double'"),
        ({"types": {"price": "double"}}, LINES, "columns: price: double", "ok", ""),
        ({"types": {"price": "int"}}, LINES, "columns: price: int", "look", "1 of 2 cannot"),
        ({"types": {"card": "int"}}, LINES, "columns: card: int", "look", "1 of 2 cannot"),
        ({"columns": {"value": "prize"}}, LINES, "fields: value", "wrong", "Did you mean 'price'"),
        ({"columns": {"value": "price * 2"}}, LINES, "fields: value", "spark", "price * 2"),
        ({"columns": {"value": "card"}}, LINES, "fields: value", "look", "1 of 2 are no numbers"),
        ({"let": {"p": "prices"}}, LINES, "names: p", "wrong", "Did you mean 'price'"),
        ({"columns": {"timestamp": "price"}}, LINES, "fields: timestamp", "wrong", "no times"),
        ({"columns": {"timestamp": None}}, LINES, "in all: timestamp", "wrong", "not mapped"),
        ({"columns": {"user_id": None}}, LINES, "in all: persons", "wrong", "neither"),
        ({"columns": {"item_id": None}}, LINES, "in all: items", "look", "no recommendation"),
        ({"columns": {"value": None}}, LINES, "fields: event_type", "wrong", "needs value"),
        (
            {"columns": {"event_type": "'purchased'"}},
            LINES,
            "fields: event_type",
            "wrong",
            "Did you mean 'purchase'",
        ),
        (
            {"columns": {"event_type": "CASE WHEN price > 1 THEN 'buy' ELSE 'refund' END"}},
            LINES,
            "fields: event_type",
            "look",
            "'buy'",
        ),
        (
            {"columns": {"metadata.titel": "article"}},
            LINES,
            "fields: metadata.titel",
            "look",
            "metadata.title",
        ),
        (
            {"historical": False},
            LINES.replace("2026", "2006"),
            "fields: timestamp",
            "wrong",
            "historical: true",
        ),
        ({}, LINES.replace("2026", "1970"), "fields: timestamp", "look", "is that so?"),
        (
            {},
            LINES.replace("2026-03-01T10:00:00Z", "1/3/26"),
            "fields: timestamp",
            "look",
            "1/3/26",
        ),
        (
            {"time_formats": ["d/M/yy"]},
            LINES.replace("2026-03-01T10:00:00Z", "1/3/26"),
            "fields: timestamp",
            "spark",
            "time_formats",
        ),
        (
            {"columns": {"context.country": "article"}},
            LINES.replace("a1", "Deutschland").replace("a2", "Germany"),
            "fields: context.country",
            "look",
            "'Deutschland' becomes null",
        ),
        ({}, LINES + "c3,too few\n", "columns: records", "look", "number of fields"),
        ({}, LINES.replace("c1", "anna@example.com"), "columns: card", "ok", "[email]"),
    ],
)
def test_what_does_not_fit_is_named_with_what_may_be_meant(
    *, check, changes, lines, part, mark, words
):
    found = check(over(SALES, **changes), lines)
    assert part in found, found
    assert found[part][0] == mark
    assert words in found[part][1]


@pytest.mark.parametrize("expression", ["card", "lower(trim(card))"])
def test_addresses_in_the_place_of_persons_are_told_unless_the_plan_has_them(
    check, tmp_path, expression
):
    lines = LINES.replace("c1", "anna@example.com")
    source = over(SALES, columns={"user_id": expression})
    mark, words = check(source, lines)["fields: user_id"]
    assert (mark, "personal" in words) == ("look", True)
    plan = PLAN.model_copy(update={"personal": ("user_id",)})
    model = SourceConfig.model_validate(source)
    report = check_source(model, plan, load_settings().ingest, str(tmp_path / "in.csv"), "")
    assert not [f for f in report.sections["fields"] if "addresses" in f.text]


def test_addresses_in_texts_are_told_unless_something_hides_them(check, tmp_path):
    lines = LINES.replace("a1", "write to anna@example.com")
    told = over(SALES, columns={"item_id": None, "metadata.query": "article"})
    mark, words = check(told, lines)["fields: metadata.query"]
    assert (mark, "free_text" in words) == ("look", True)
    hidden = over(SALES, columns={"item_id": None, "metadata.e_mail": "article"})
    assert check(hidden, lines)["fields: metadata.e_mail"][0] == "ok"
    plan = PLAN.model_copy(update={"free_text": ("metadata",)})
    model = SourceConfig.model_validate(told)
    report = check_source(model, plan, load_settings().ingest, str(tmp_path / "in.csv"), "")
    assert not [f for f in report.sections["fields"] if "addresses" in f.text]


@pytest.mark.parametrize(
    ("key", "value", "mark", "says"),
    [
        ("email", "anna@example.com", "ok", True),
        ("vip", "x", "look", True),
        ("vip", "true", "ok", False),
        ("plan", "gold", "ok", False),
    ],
)
def test_of_users_what_becomes_a_pseudonym_is_told(*, check, key, value, mark, says):
    columns = {"user_id": "id", f"attributes.{key}": "v"}
    users = {"kind": "users", "name": "people", "fields": ["id", "v"], "columns": columns}
    records = [{"id": "u1", "v": value}]
    found = check({**users, "consent": "assumed: contract"}, records, "in.json")
    assert found[f"fields: attributes.{key}"][0] == mark
    assert ("pseudonym" in found[f"fields: attributes.{key}"][1]) == says


def test_statuses_that_come_are_held_against_those_that_are_known(check):
    source = {
        **SALES,
        "kind": "transactions",
        "statuses": {"paid": "purchase"},
        "columns": {
            "user_id": "card",
            "timestamp": "at",
            "unit_price": "price",
            "status": "article",
        },
    }
    mark, words = check(source, LINES)["fields: status"]
    assert (mark, "'a1'" in words) == ("look", True)


def test_elements_of_a_list_stand_in_fields(check):
    found = check(BASKETS, [ORDER, {**ORDER, "items": []}], "in.jsonl")
    words = "1 of 2 records hold a list, 2 elements in all"
    assert found["explode: line"] == ("ok", words)
    assert found["fields: item_id"] == ("ok", "line.sku: 1 of 3 empty; such as a, b")
    assert found["fields: timestamp"][1].startswith("ts: 2026-03-01T11:00:00Z")


@pytest.mark.parametrize(
    ("changes", "records", "part", "mark", "words"),
    [
        ({"types": {}}, [ORDER], "explode: line", "wrong", "text until 'types'"),
        ({}, [{**ORDER, "items": "x"}], "columns: items: array<struct<sku:string>>", "wrong", "x"),
        (
            {},
            [{**ORDER, "items": [{"skuu": 1}]}],
            "columns: items: array<struct<sku:string>>",
            "look",
            "(nearest: 'skuu')",
        ),
        ({"time_unit": "seconds"}, [ORDER], "fields: timestamp", "wrong", "no times"),
        ({"time_unit": "nanoseconds"}, [ORDER], "fields: timestamp", "look", "is that so?"),
        ({"fields": ["User", "ts", "items"]}, [ORDER], "columns: User", "wrong", "'user'"),
        ({}, [ORDER, [1]], "columns: records", "look", "one JSON object, not list"),
        (
            {"columns": {"context.os": "device.os"}, "optional_fields": ["device.os"]},
            [{**ORDER, "device": {"os": "Linux"}}],
            "fields: context.os",
            "ok",
            "Linux",
        ),
    ],
)
def test_json_and_its_lists(*, check, changes, records, part, mark, words):
    found = check(over(BASKETS, **changes), records, "in.jsonl")
    assert part in found, found
    assert found[part][0] == mark
    assert words in found[part][1]


@pytest.mark.parametrize(
    ("rows", "mark", "words"),
    [
        ("id,title\na1,Tea\nb9,Mug\n", "ok", "1 of 2 have a match"),
        ("id,title\nx1,Tea\n", "look", "keys are such as 'a1' here, 'x1' there"),
        ("id,title\na1,Tea\na1,Mug\n", "wrong", "'a1' stands there more than once"),
        ("id,titel\na1,Tea\n", "wrong", "nearest: 'titel'"),
        (None, "wrong", "nothing to read"),
    ],
)
def test_a_second_input_is_looked_at_too(check, tmp_path, rows, mark, words):
    other = tmp_path / "products.csv"
    if rows:
        other.write_text(rows)
    join = {"path": str(other), "fields": ["id", "title"], "by": {"article": "id"}}
    source = over(SALES, joins={"products": join}, columns={"metadata.title": "products.title"})
    found = check(source, LINES)
    assert any(f == (mark, f[1]) and words in f[1] for n, f in found.items() if "joins" in n), found
    if mark == "ok":
        assert found["fields: metadata.title"] == (
            "ok",
            "products.title: 1 of 2 empty; such as Tea",
        )


def test_every_form_of_file_is_read(tmp_path):
    rows = [{"card": "c1", "at": "2026-03-01T10:00:00Z", "article": "a1", "price": 4.5}]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text.encode()))
    with pa.output_stream(str(tmp_path / "c.csv.zst"), compression="zstd") as stream:
        stream.write(LINES.encode())
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    folder = tmp_path / "e" / "card=c1" / "part"
    folder.mkdir(parents=True)
    (folder / "f.csv").write_text("at,article,price\n2026-03-01T10:00:00Z,a1,4.5\n")
    (folder / "_SUCCESS").write_text("")
    source = SourceConfig.model_validate(SALES)
    for name in ("a.jsonl", "b.json.gz", "c.csv.zst", "d.parquet", "e"):
        report = check_source(source, PLAN, load_settings().ingest, str(tmp_path / name), "")
        assert report.is_fine, (name, report.sections)
        assert report.head.records[0]["card"] == "c1"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", LINES.replace(",", ";"), 'csv.delimiter: ";"'),
        ("in.gz.csv.gz", "no gzip", "should be readable as csv"),
        ("in.parquet", "no parquet", "should be readable as parquet"),
        ("in.txt", LINES, "File names should end in"),
        ("in.csv", LINES.replace("price\n", "price,Card\n"), "'card' and 'Card'"),
        ("in.csv", LINES.replace("a1", '"a\n1"'), "csv.multi_line: true"),
        ("in.csv", LINES.replace("a1", "\udce41"), "Set csv.encoding"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(tmp_path, name, content, words):
    (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogateescape")
    source = SourceConfig.model_validate(SALES)
    with pytest.raises((JobError, UsageError), match="in") as raised:
        check_source(source, PLAN, load_settings().ingest, str(tmp_path / name), "")
    assert words in str(raised.value)


def test_a_line_ends_where_spark_ends_it(check):
    found = check(SALES, LINES.replace("a1", "a\u20281\x85"))
    assert "columns: records" not in found


@pytest.mark.parametrize("text", ['[\n{"card":\n1}\n]\n', '[{"card": "c1"}]\n', '{\n"card": 1\n}'])
def test_json_that_is_not_lines_is_told_before_its_columns(check, text):
    found = check(SALES, text, "in.json")
    assert [name for name in found if name.startswith("columns")] == ["columns: records"]
    assert found["columns: records"][0] == "wrong"
    assert "jq -c" in found["columns: records"][1]


@pytest.mark.parametrize(
    ("values", "mark"), [(["a", "b"], "ok"), (["a", None], "look"), ([None, None], "wrong")]
)
def test_an_empty_key_is_told(check, values, mark):
    """Without its key no record of items or users is valid."""
    items = {"name": "goods", "kind": "items", "fields": ["sku"], "columns": {"item_id": "sku"}}
    records = [{"sku": value, "x": 1} for value in values]
    if mark == "wrong":
        records = [{"sku": ""}, {"sku": ""}]
    found = check(items, records, "in.json")
    assert found["fields: item_id"][0] == mark
    assert ("is rejected" in found["fields: item_id"][1]) == (mark != "ok")


@pytest.mark.parametrize("place", ["nowhere.csv", "s3a://bucket/in.csv"])
def test_a_place_without_files_of_this_machine_is_refused(place):
    source = SourceConfig.model_validate(SALES)
    with pytest.raises(UsageError):
        check_source(source, PLAN, load_settings().ingest, place, "")


def test_another_file_of_the_folder_that_lacks_a_column_is_found(check, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.csv").write_text(LINES)
    (folder / "b.csv").write_text("card,at,price\nc1,2026-03-01T10:00:00Z,1\n")
    source = SourceConfig.model_validate(SALES)
    report = check_source(source, PLAN, load_settings().ingest, str(folder), "")
    assert not report.is_fine
    assert "b.csv" in {finding.name for finding in report.sections["columns"]}


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("coalesce(a, b)", ("a", "b")),
        ("`Created at` || 'no name'", ("Created at",)),
        ("line.price * line.quantity", ("line",)),
        ("filter(items, x -> x.price > least)", ("items", "least")),
        ("aggregate(items, 0D, (s, x) -> s + x.n)", ("items",)),
        ("CAST(a AS STRUCT<b: INT>)", ("a",)),
        ("a LIKE 'it''s' AND b", ("a", "b")),
    ],
)
def test_names_of_an_expression(expression, columns):
    assert tuple(n for n in names_in(expression).columns if n in unknown_names(expression, ())) == (
        columns
    )


def test_the_shipped_sources_name_nothing_that_is_not_there():
    for name in ("collector", "events", "online_retail"):
        source = load_named("sources", name, SourceConfig)
        known = list(source.names)
        for expression in (*source.columns.values(), *(rule.when for rule in source.rules)):
            assert unknown_names(expression, known) == [], (name, expression)


def test_references_are_names_and_paths_that_are_known():
    known = ["a", "b c", "d.e"]
    assert reference("A", known) == "a"
    assert reference("`b c`.x", known) == "b c.x"
    assert reference("d.e", known) == "d.e"
    assert reference("f", known) is None
    assert reference("a + a", known) is None


@pytest.mark.parametrize(
    "text",
    ["int", "DECIMAL(10,2)", "array<map<string,double>>", "struct<a:int,`b c`:array<string>>"],
)
def test_types_of_spark_are_read(text):
    parse_type(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("array<strukt<a:int>>", "Did you mean 'struct'"),
        ("array<int", "'>' is missing"),
        ("map<string>", "takes 2 types"),
        ("int int", "follows"),
        ("struct<a>", "missing"),
        ("", "missing"),
        ("in;t", "no type"),
    ],
)
def test_what_is_no_type_is_told(text, words):
    with pytest.raises(ValueError, match=words):
        parse_type(text)


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        ("[1, 2]", "array<int>", True),
        ('[1, "x"]', "array<int>", False),
        ({"a": None}, "struct<a:int>", True),
        ({"a": "x"}, "struct<a:double>", False),
        ("1e3", "double", True),
        (True, "int", False),
        ([{"n": 1}], "array<struct<n:int>>", True),
        ([{"n": "1"}], "array<struct<n:int>>", False),
        ("yes", "boolean", True),
        ("perhaps", "boolean", False),
        ({"a": 1}, "map<string,int>", True),
        ("{", "map<string,int>", False),
        ([], "struct<a:int>", False),
    ],
)
def test_a_value_fits_a_type_or_not(value, kind, fits):
    assert (misfit(value, parse_type(kind)) == "") == fits


def test_a_part_that_no_element_has_is_unknown():
    kind = parse_type("array<struct<sku:string,price:double>>")
    assert unknown_parts([{"sku": "a"}, {"sku": "b", "prices": 1}], kind) == {"price": ""}
    assert unknown_parts([{"sku": "a"}, {"sku": "b", "price": 1}], kind) == {}


def test_long_values_are_cut():
    assert shown(["x" * 100]) == f"such as {'x' * 39}…"
