"""Sources with lists taken apart, as whole runs: books, bronze, quarantine and replay."""

from __future__ import annotations

import json

import pytest
from pyspark.sql import functions as F

from sparkperso.jobs import ingest_events, replay_quarantine
from sparkperso.pipeline.step import carry_out

pytestmark = pytest.mark.usefixtures("unrecorded")

SOURCE = """
kind: transactions
consent: "assumed: contract"
historical: true
max_rejected_share: 1
fields: [id, customer, at, lines]
types: {lines: "array<struct<sku:string,qty:double,price:double>>"}
explode: {of: lines, name: line}
columns:
  order_id: id
  event_id: id
  user_id: customer
  timestamp: at
  item_id: line.sku
  quantity: line.qty
  unit_price: line.price
"""


@pytest.fixture
def conf_dir(tmp_path):
    folder = tmp_path / "conf"
    (folder / "sources").mkdir(parents=True)
    (folder / "sources" / "orders.yaml").write_text(SOURCE)
    return folder


@pytest.fixture
def run(make_job, conf_dir, tmp_path):
    def carry(step, **options):
        options = {"source": "orders", **options}
        if step is ingest_events.STEP:
            options["path"] = str(tmp_path / "in")
        job = make_job(step.name, **options)
        job.conf_dir = conf_dir
        return dict(carry_out(step, job).summary)

    return carry


def order(number, *prices):
    lines = [{"sku": f"i{n}", "qty": 2, "price": price} for n, price in enumerate(prices)]
    return {"id": number, "customer": "c", "at": "2026-01-01T10:00:00Z", "lines": lines}


def write(tmp_path, *orders):
    (tmp_path / "in").mkdir(exist_ok=True)
    text = "".join(json.dumps(one) + "\n" for one in orders)
    (tmp_path / "in" / "orders.jsonl").write_text(text)


def test_elements_are_counted_the_record_is_kept_once_and_a_bad_element_is_replayed(
    run, lake, tmp_path
):
    # Of the second order one line is bad; the third has none; the last is the first again.
    write(tmp_path, order("1", 1, 2, 3), order("2", 5, -1, 6), order("3"), order("1", 1, 2, 3))
    summary = run(ingest_events.STEP)
    assert summary["received"] == 10
    assert summary["records"] == 4
    counted = ("valid", "quarantined", "duplicates", "refused")
    assert [summary[name] for name in counted] == [5, 2, 3, 0]

    bronze = lake.ref("bronze/events").read().collect()
    assert sorted(json.loads(row["payload"])["id"] for row in bronze) == ["1", "1", "2", "3"]
    assert not any("#" in row["record_id"] for row in bronze)
    waiting = lake.ref("silver/quarantine").read()
    rows = {row["record_id"].rpartition("#")[1:]: row for row in waiting.collect()}
    assert set(rows) == {("#", "1"), ("", row_without_list(waiting))}
    ids = lake.ref("silver/events").read().select("event_id").collect()
    assert {row[0] for row in ids} == {"1#0", "1#1", "1#2", "2#0", "2#2"}

    repaired = tmp_path / "repaired.jsonl"
    fixes = {"2": order("2", 5, 1, 6), "3": order("3", 4)}
    with repaired.open("w") as file:
        for row in waiting.collect():
            payload = fixes[json.loads(row["payload"])["id"]]
            line = {"record_id": row["record_id"], "payload": payload}
            file.write(json.dumps(line) + "\n")
    again = run(replay_quarantine.STEP, repaired=str(repaired))
    assert [again[name] for name in ("received", *counted)] == [2, 2, 0, 0, 0]
    ids = lake.ref("silver/events").read().where("item_id = 'i1' OR event_id LIKE '3%'")
    assert {row["event_id"] for row in ids.collect()} == {"1#1", "2#1", "3#0"}
    assert lake.ref("silver/quarantine").read().where("replayed_at IS NULL").isEmpty()
    assert run(ingest_events.STEP)["skipped files"] == 1


def row_without_list(waiting):
    [row] = waiting.where(~F.contains("record_id", F.lit("#"))).collect()
    return row["record_id"]
