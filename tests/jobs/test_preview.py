"""`sources check --rows`: what Spark makes of the first records, in the session of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkperso.config import load_named, load_settings
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.pipeline.preview import preview_lines, rules_of

ROOT = Path(__file__).parents[2]
CONF = ROOT / "docs" / "examples"


@pytest.fixture
def lines(spark, monkeypatch, tmp_path):
    """Returns lines(source, more): what is shown of an example's file, with lines added to it."""
    monkeypatch.chdir(ROOT)

    def show(name, more=""):
        source = load_named("sources", name, SourceConfig, CONF)
        file = tmp_path / Path(source.path).name
        file.write_bytes(Path(source.path).read_bytes() + more.encode())
        plan = load_named("tracking_plans", "default", TrackingPlan)
        rules = rules_of(spark, load_settings(), source, plan)
        return list(preview_lines(spark, rules, source.kind, str(file)))

    return show


def test_orders_are_shown_as_events_and_what_is_rejected_with_the_reason(lines):
    shown = lines("shop_orders")
    assert shown[0] == "the first events:"
    assert '"event_type":"purchase"' in shown[1]
    assert '"country":"DE"' in shown[1]
    at = shown.index("the first that would be rejected:")
    assert at == 6
    assert "status is none of statuses" in shown[at + 1]
    assert "storniert" in shown[at + 2]


def test_products_are_shown_as_items(lines):
    shown = lines("shop_products", ",Ohne Nummer,Tee,1.00,,\n")
    assert shown[0] == "the first items:"
    assert any('"title":"Teekanne"' in line and '"category":"kannen"' in line for line in shown)
    assert "item_id is not given" in shown[-2]
