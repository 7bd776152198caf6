"""A shop's own files to lists: products, orders and a site's events, by the examples' sources."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pyspark.sql import functions as F
from tests.pipeline import SMALL_SEARCH, compiled

from sparkperso.jobs.run import STEPS, run_steps

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "sources"
SKIPPED = ("build-segments", "build-profiles")
"""Steps that lists do not need."""
N_GROUPS, N_ITEMS, N_USERS, N_VISITORS = 3, 20, 45, 30
FIRST = datetime(2026, 1, 1)


@pytest.fixture
def conf_dir(tmp_path):
    """A conf/ folder with the examples' sources, over files of a shop with three tastes."""
    chance = random.Random(7)
    items = [f"P{group}-{n}" for group in range(N_GROUPS) for n in range(N_ITEMS)]
    products = ["Artikel,Name,Gruppe,Preis"]
    products += [
        f"{item},Title of {item},Group {item[1]},{1 + n}.50" for n, item in enumerate(items)
    ]
    customers = ["Nr,Land,Geburtsjahr", *(f"c{n},DE,{1960 + n}" for n in range(N_USERS))]
    orders = ["Bestellung;Datum;Kunde;Artikel;Menge;Einzelpreis;Status"]
    for number in range(N_USERS * 6):
        user = number % N_USERS
        at = FIRST + timedelta(hours=7 * number)
        for item in chance.sample(items[user % N_GROUPS * N_ITEMS :][:N_ITEMS], 2):
            when = f"{at.day}.{at.month}.{at.year} {at:%H:%M}"
            orders.append(f"B{number};{when};c{user};{item};1;2,50;bezahlt")
    visits = []
    for number in range(N_VISITORS * 5):
        visitor = number % N_VISITORS
        at = FIRST + timedelta(hours=12 * number, minutes=30)
        basket = chance.sample(items[visitor % N_GROUPS * N_ITEMS :][:N_ITEMS], 2)
        visits.append(
            {
                "event_name": "purchase",
                "event_timestamp": str(int((at - datetime(1970, 1, 1)).total_seconds()) * 10**6),
                "user_pseudo_id": f"v{visitor}",
                "user_id": f"g{visitor}",
                "privacy_info": {"analytics_storage": "Yes"},
                "ecommerce": {"transaction_id": f"T{number}"},
                "items": [{"item_id": item, "price": 2.5, "quantity": "1"} for item in basket],
            }
        )
    files = {
        "shop_products.csv": "\n".join(products),
        "shop_customers.csv": "\n".join(customers),
        "shop_orders.csv": "\n".join(orders),
        "ga4.jsonl": "\n".join(map(json.dumps, visits)),
    }
    folder = tmp_path / "conf" / "sources"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for name in ("shop_products", "shop_orders", "ga4"):
        text = (EXAMPLES / f"{name}.yaml").read_text()
        moved = text.replace("docs/examples/sources/data", str(tmp_path))
        assert yaml.safe_load(moved)["path"].startswith(str(tmp_path))
        (folder / f"{name}.yaml").write_text(moved)
    return tmp_path / "conf"


def test_products_orders_and_a_sites_events_become_lists_with_titles(
    spark, make_job, conf_dir, lake
):
    job = make_job("run", SMALL_SEARCH, source=["shop_products", "shop_orders", "ga4"])
    job.conf_dir = conf_dir
    steps = tuple(step for step in STEPS if step.name not in SKIPPED)
    with compiled(spark):
        outcomes = run_steps(job, steps)
    assert {outcome.status for outcome in outcomes.values()} <= {"done", "gate"}
    assert outcomes["load-source shop_products"].summary["valid"] == N_GROUPS * N_ITEMS
    assert outcomes["ingest-events shop_orders"].summary["valid"] == N_USERS * 6 * 2
    assert outcomes["ingest-events ga4"].summary["valid"] == N_VISITORS * 5 * 2
    assert outcomes["ingest-events ga4"].summary["records"] == N_VISITORS * 5

    lists = lake.ref("gold/recommendations").read()
    items = lake.ref("silver/items").read()
    titled = lists.join(items, "item_id", "left").select("user_id", "item_id", "title", "category")
    rows = titled.collect()
    people = {row.user_id for row in rows}
    assert people == {f"c{n}" for n in range(N_USERS)} | {f"g{n}" for n in range(N_VISITORS)}
    assert {row.title for row in rows} == {f"Title of {row.item_id}" for row in rows}
    # A catalogue's category: no event of either source names one.
    assert {row.category for row in rows} == {f"group_{n}" for n in range(N_GROUPS)}
    # What is at the top is of the taste that a person's orders show.
    firsts = lists.where(F.col("rank") == 1).collect()
    own = [row for row in firsts if int(row.item_id[1]) == int(row.user_id[1:]) % N_GROUPS]
    assert len(own) > 0.8 * len(firsts)
