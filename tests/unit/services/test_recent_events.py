"""Which events lists may heed: of those who allow that, by the decisions before the event."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.services.test_pipeline import ASSUMED, EVENT, FACTS, SITE, MemorySink, consent

from sparkperso.config import load_named, load_settings
from sparkperso.config.collect import LimitsConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.services.collect.intake.consent_gate import ConsentGate
from sparkperso.services.collect.intake.consent_store import ConsentStore
from sparkperso.services.collect.intake.pipeline import Pipeline
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.http.problems import Problem

VIEW = EVENT | {"event_type": "item_view", "item_id": "i1"}


class Heeded:
    event_types = frozenset({"item_view", "dismiss"})

    def __init__(self):
        self.events = []

    def add(self, key, events):
        self.events += [(key.site, event["event_type"], event["item_id"]) for event in events]


@pytest.fixture
def shop(tmp_path):
    settings = load_settings()
    plan = load_named("tracking_plans", "default", TrackingPlan)
    guard = ConsentGate(
        Pseudonyms(load_keys(settings.privacy, "local", {})),
        settings.consent,
        ConsentStore(tmp_path / "consents.sqlite"),
    )
    sink, heeded = MemorySink(), Heeded()
    pipeline = Pipeline(
        LimitsConfig(),
        plan,
        guard,
        Metrics(plan.event_types),
        events=sink,
        recordings=sink,
        recent=heeded,
    )

    def take(*sent, key=SITE, facts=FACTS):
        asyncio.run(pipeline.take(sent, key, facts))
        found, heeded.events = heeded.events, []
        return found

    take.sink, take.heeded = sink, heeded
    return take


def test_an_event_is_heeded_with_a_yes_to_that_purpose(shop):
    shop(consent(analytics=True))
    assert shop(VIEW) == []
    shop(consent(personalisation=True))
    assert shop(VIEW) == [("shop", "item_view", "i1")]
    shop(consent(personalisation=False))
    assert shop(VIEW) == []
    assert len(shop.sink.lines) == 6, "analytics goes on"


def test_an_event_that_is_not_kept_is_not_heeded(shop):
    shop(consent(personalisation=True))
    assert shop(VIEW) == []
    shop(consent(analytics=True))
    shop.sink.is_full = True
    with pytest.raises(Problem):
        shop(VIEW)
    assert shop.heeded.events == []


def test_decisions_hold_for_what_follows_in_their_request(shop):
    both = consent(analytics=True, personalisation=True)
    shop(consent(analytics=True))
    no = consent(personalisation=False)
    found = shop(VIEW, both, VIEW | {"item_id": "i2"}, no, VIEW | {"item_id": "i3"})
    assert [item_id for *_, item_id in found] == ["i2"]


def test_other_types_and_events_of_no_item_are_not_heeded(shop):
    events = [VIEW | {"event_type": kind} for kind in ("click", "dismiss", "item_view")]
    found = shop(*events, EVENT | {"event_type": "item_view"}, key=ASSUMED)
    assert [kind for _, kind, _ in found] == ["dismiss", "item_view"]


def test_a_browsers_signal_counts_where_nobody_is_asked(shop):
    facts = FACTS._replace(region="US-CA")
    assert len(shop(VIEW, key=SITE, facts=facts)) == 1
    assert shop(VIEW, key=SITE, facts=facts._replace(opted_out=True)) == []
