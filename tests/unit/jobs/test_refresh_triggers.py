"""What is cause to train anew: each trigger at, just below and above its bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sparkperso.config.refresh.section import RefreshConfig
from sparkperso.jobs.refresh.triggers import Known, OpenAlert, causes, too_soon

NOW = datetime(2026, 3, 10, 12)
AS_OF = datetime(2026, 3, 1)
QUIET = Known(
    now=NOW,
    as_of=AS_OF,
    trained_at=NOW - timedelta(days=2),
    champion="3",
    champion_as_of=AS_OF - timedelta(days=3),
    events_before=1000,
    events_since=10,
)
NEVER = {"every_days": None, "max_age_days": None, "volume": {"share": None}}
SILENT = RefreshConfig.model_validate({**NEVER, "drift": {}, "kpi": {}})


def firing(known, falling=(), **config):
    found = causes(known, RefreshConfig.model_validate(config), falling)
    assert [one.name for one in found] == ["schedule", "staleness", "drift", "kpi", "volume"]
    assert all(one.why for one in found)
    return {one.name: one.why for one in found if one.fires}


def alert(check, severity="warning", value=None, subject="click_through"):
    return OpenAlert(check, subject, severity, f"{check} is off", value)


def test_nothing_fires_where_all_is_well():
    assert firing(QUIET) == {}


def test_the_schedule_counts_from_the_last_training_by_the_clock():
    due = replace(QUIET, trained_at=NOW - timedelta(days=7))
    assert set(firing(due)) == {"schedule"}
    assert firing(replace(due, trained_at=due.trained_at + timedelta(seconds=1))) == {}
    assert "no training was ever done" in firing(replace(QUIET, trained_at=None))["schedule"]


def test_staleness_counts_from_the_champions_as_of_by_the_datas_time():
    old = replace(QUIET, champion_as_of=AS_OF - timedelta(days=14))
    assert firing(old) == {}
    older = replace(old, champion_as_of=old.champion_as_of - timedelta(hours=12))
    assert "14.5 days" in firing(older)["staleness"]
    # The clock says nothing of it: a lake of last year is not stale.
    later = replace(old, now=NOW + timedelta(days=4))
    assert firing(later) == {}


def test_without_a_champion_there_is_cause():
    none = replace(QUIET, champion=None, champion_as_of=None)
    assert set(firing(none)) == {"staleness", "volume"}


@pytest.mark.parametrize(("name", "check"), [("drift", "feature_drift"), ("kpi", "kpi")])
def test_an_open_alert_of_a_check_that_counts_is_a_cause(name, check):
    assert name in firing(replace(QUIET, alerts=(alert(check),)))
    assert firing(replace(QUIET, alerts=(alert("lag", "critical"),))) == {}
    critical = {name: {"checks": [check], "severity": "critical"}}
    assert firing(replace(QUIET, alerts=(alert(check),)), **critical) == {}
    severe = replace(QUIET, alerts=(alert(check, "critical"),))
    assert firing(severe, **critical)[name] == f"{check} is off"


def test_a_kpi_counts_where_it_moved_to_the_worse_side():
    better = ("bounce_rate",)
    moved = [("click_through", -6.0), ("click_through", 6.0)]
    moved += [("bounce_rate", -6.0), ("bounce_rate", 6.0)]
    fired = [
        "kpi" in firing(replace(QUIET, alerts=(alert("kpi", value=v, subject=s),)), better)
        for s, v in moved
    ]
    assert fired == [True, False, False, True]


def test_volume_is_a_share_of_what_the_champion_knew_or_a_number():
    many = replace(QUIET, events_since=200)
    assert "200 events" in firing(many)["volume"]
    assert firing(replace(many, events_since=199)) == {}
    number = {"volume": {"share": None, "events": 50}}
    assert firing(replace(QUIET, events_since=49), **number) == {}
    assert set(firing(replace(QUIET, events_since=50), **number)) == {"volume"}
    # No events at all are no cause, whatever the share is of.
    assert firing(replace(QUIET, events_before=0, events_since=0)) == {}


def test_what_is_not_asked_never_fires():
    worst = replace(
        QUIET,
        trained_at=None,
        champion=None,
        events_since=10**9,
        alerts=(alert("feature_drift", "critical"), alert("kpi", "critical")),
    )
    assert not [one for one in causes(worst, SILENT) if one.fires]


def test_nothing_is_a_cause_so_shortly_after_a_training():
    config = RefreshConfig()
    assert too_soon(QUIET, config) is None
    assert too_soon(replace(QUIET, trained_at=None), config) is None
    soon = replace(QUIET, trained_at=NOW - timedelta(hours=3))
    assert "3 hours ago" in too_soon(soon, config)
    assert too_soon(soon, RefreshConfig(min_days=0)) is None
