"""No raw value of a personal field stands anywhere in the lake after files were taken in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sparkperso.jobs import ingest_events
from sparkperso.pipeline.step import carry_out

PLAN = """
personal: [user_id, metadata.tel]
free_text: [metadata.note]
event_types:
  purchase: {personal: [metadata.recipient]}
"""
COLUMNS = """
columns:
  user_id: who
  timestamp: at
  event_type: "'purchase'"
  item_id: {element}sku
  value: try_cast({element}price AS DOUBLE)
  metadata.tel: regexp_replace(dial, '[^0-9+]', '')
  metadata.recipient: {element}to
  metadata.note: {element}note
rules:
  - code: wrong_type
    when: try_cast({element}price AS DOUBLE) IS NULL
    message: there is no price
    shows: dial
"""
HEAD = """
consent: "assumed: contract"
historical: true
max_rejected_share: 1
"""
NESTED = HEAD + """
format: json
fields: [who, at, dial, lines]
types: {lines: "array<struct<sku:string,price:string,to:string,note:string>>"}
explode: {of: lines, name: line}
""" + COLUMNS.format(element="line.")  # fmt: skip
FLAT = HEAD + """
fields: [who, at, dial, sku, price, to, note]
""" + COLUMNS.format(element="")  # fmt: skip

LINES = [
    {"sku": "a", "price": "1", "to": None, "note": "call me"},
    {"sku": "b", "price": "2", "to": "Berta Zweig", "note": "to carla.raw@example.org, please"},
    {"sku": "c", "price": "none", "to": "Doris Ehrlich", "note": "card 4111 1111 1111 1111"},
]
ORDER = {"who": "Anna Wolters", "at": "2026-01-01T10:00:00Z", "dial": "+49 (171) 555-0199"}
RAW = (
    *("Wolters", "(171) 555", "49171555", "Zweig", "Ehrlich", "carla.raw", "4111 1111", "41111111"),
    *("Anton Kaput", "89 123 45"),
)
BROKEN = '{"who": "Anton Kaput", "dial": "+49 89 123 45", "at": '


def write_nested(folder):
    (folder / "a.jsonl").write_text(json.dumps({**ORDER, "lines": LINES}) + "\n" + BROKEN + "\n")


def write_flat(folder):
    with (folder / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*ORDER, *LINES[0]])
        writer.writeheader()
        writer.writerows({**ORDER, **line} for line in LINES)


def texts_in(folder):
    """Returns file → all that stands in it as text, of every file below a folder."""
    found = {}
    for path in Path(folder).rglob("*"):
        if path.suffix == ".parquet":
            found[path] = str(pq.read_table(path).to_pylist())
        elif path.is_file():
            found[path] = path.read_bytes().decode("utf-8", "replace")
    return found


@pytest.mark.parametrize(("yaml", "write"), [(NESTED, write_nested), (FLAT, write_flat)])
def test_no_raw_value_of_a_personal_field_stands_anywhere_in_the_lake(
    make_job, lake, tmp_path, yaml, write
):
    for kind, name, text in (("sources", "letters", yaml), ("tracking_plans", "own", PLAN)):
        (tmp_path / "conf" / kind).mkdir(parents=True)
        (tmp_path / "conf" / kind / f"{name}.yaml").write_text(text)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in")
    options = {"source": "letters", "path": str(tmp_path / "in")}
    job = make_job("ingest-events", set=["ingest.tracking_plan=own"], **options)
    job.conf_dir = tmp_path / "conf"
    summary = carry_out(ingest_events.STEP, job).summary
    is_nested = yaml is NESTED
    assert (summary["valid"], summary["quarantined"]) == (2, 2 if is_nested else 1)
    assert summary["items without title (lists show their ids)"] == 2

    texts = texts_in(lake.config.root)
    assert any("bronze" in str(path) and path.suffix == ".parquet" for path in texts)
    held = {raw: str(path) for raw in RAW for path, text in texts.items() if raw in text}
    assert held == {}

    events = {row["item_id"]: row for row in lake.ref("silver/events").read().collect()}
    assert events["a"]["user_id"] == events["b"]["user_id"]
    assert events["a"]["user_id"].startswith("k1:user:")
    assert events["b"]["metadata"]["note"] == "to [email], please"
    assert events["a"]["metadata"]["note"] == "call me"
    assert events["b"]["metadata"]["recipient"].startswith("k1:")
    # What is not personal stays as it was sent, for a replay.
    payloads = [row["payload"] for row in lake.ref("bronze/events").read().collect()]
    assert sum("2026-01-01T10:00:00Z" in payload for payload in payloads) == (1 if is_nested else 3)
    assert any('"sku":"b"' in payload and '"price":"2"' in payload for payload in payloads)
    reasons = [row["reasons"] for row in lake.ref("silver/quarantine").read().collect()]
    assert "there is no price: [personal]" in {one["message"] for row in reasons for one in row}
