"""Experiments as data: what a file may say, and what may change once it has started."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkperso.config.experiments.experiment import Experiment, LayerRange
from sparkperso.config.experiments.load import load_experiment, load_experiments
from sparkperso.config.experiments.started import (
    change_fault,
    form_of,
    mixing_changes,
    record_start,
    started_forms,
)
from sparkperso.core.errors import ConfigError, UsageError

START = datetime(2026, 12, 1, tzinfo=timezone.utc)
LATER = datetime(2026, 12, 9, tzinfo=timezone.utc)
RUNNING: dict[str, Any] = {
    "name": "hero",
    "status": "running",
    "start": "2026-12-01",
    "variants": {"a": 1, "b": {"weight": 3, "content": {"hero": "welcome"}}},
    "coverage": 0.5,
    "where": {"context": "device_type", "one_of": ["mobile"]},
    "layer": {"name": "home", "range": [0.2, 0.6]},
}


def experiment(**other: Any) -> Experiment:
    return Experiment.model_validate({**RUNNING, **other})


def test_weights_are_shares_and_the_first_variant_is_the_baseline() -> None:
    one = experiment()
    assert one.weights == (0.25, 0.75)
    assert one.control == "a"
    assert experiment(baseline="b").control == "b"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"variants": {"a": 1}}, "2 to 100 variants"),
        ({"variants": {}}, "either variants or factors"),
        ({"variants": {"a": 0, "b": 1}}, "greater than 0"),
        ({"variants": {"a": -1, "b": 1}}, "greater than 0"),
        ({"variants": {"a": float("nan"), "b": 1}}, "finite"),
        ({"baseline": "c"}, "baseline 'c' should be one of a, b"),
        ({"overrides": {"u1": "c"}}, "overrides name 'c'"),
        ({"start": None}, "has a start"),
        ({"end": "2026-12-01"}, "start should lie before end"),
        ({"goals": ["conversion"], "guardrails": ["conversion"]}, "named twice"),
        ({"coverage": 0}, "greater than 0"),
        ({"coverage": 1.5}, "less than or equal to 1"),
        ({"layer": {"name": "home", "range": [0.6, 0.2]}}, "should grow"),
        ({"layer": {"name": "home", "range": [0, 0.00005]}}, "thousandths"),
        ({"variants": {"a": {"payload": 1}, "b": {"payload": "x"}}}, "of one kind"),
        ({"mde": 0}, "greater than 0"),
        ({"wheer": {"segment": "new"}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused_by_name(other: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        experiment(**other)


def test_cells_of_factors_multiply_weights_and_add_up_changes() -> None:
    factors = {
        "text": {"short": 1, "long": 3},
        "order": {
            "rules": {"weight": 1},
            "popular": {"weight": 1, "strategy": "popularity"},
        },
    }
    one = experiment(variants={}, factors=factors)
    assert list(one.arms) == ["short.rules", "short.popular", "long.rules", "long.popular"]
    assert one.weights == (0.125, 0.125, 0.375, 0.375)
    assert one.arms["long.popular"].strategy == "popularity"
    assert one.value("long.popular") == {"text": "long", "order": "popular"}
    both = {"weight": 1, "content": {"hero": "welcome"}}
    with pytest.raises(ValueError, match="content of one slot"):
        experiment(variants={}, factors={"x": {"a": both, "b": 1}, "y": {"c": both, "d": 1}})


def test_ranges_of_one_layer_overlap_where_they_share_a_unit() -> None:
    low, high = (LayerRange(name="a", range=r) for r in ((0, 0.5), (0.5, 1)))
    assert not low.overlaps(high)
    assert low.overlaps(LayerRange(name="a", range=(0.499, 1)))
    assert low.overlaps(LayerRange(name="b", range=(0.5, 1)))


def test_a_phase_is_of_status_and_times() -> None:
    one = experiment(end="2026-12-09")
    before = datetime(2026, 11, 30, tzinfo=timezone.utc)
    assert [one.phase(at) for at in (before, START, LATER)] == ["scheduled", "running", "ended"]
    assert experiment(status="draft").phase(LATER) == "draft"
    assert experiment(status="stopped").phase(LATER) == "stopped"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"variants": {"a": 1, "b": {"weight": 4, "content": {"hero": "welcome"}}}}, "weights"),
        ({"variants": {"a": 1, "b": {"weight": 3, "content": {"hero": "other"}}}}, "'b' changes"),
        ({"variants": {"a": 1, "b": 3, "c": 1}}, "variants were a, b, and are a, b, c"),
        ({"seed": "other"}, "seed was hero"),
        ({"unit": "anonymous_id"}, "unit was user"),
        ({"where": None}, "'where'"),
        ({"coverage": 0.4}, "coverage was 0.5"),
        ({"layer": {"name": "home", "range": [0.3, 0.6]}}, "layer was moved"),
        ({"layer": {"name": "other", "range": [0.2, 0.6]}}, "layer was moved"),
        ({"layer": None}, "layer was moved"),
        ({"start": "2026-12-02"}, "start was"),
        ({"version": 2}, "begins after"),
    ],
)
def test_a_change_that_mixes_populations_is_named(other: dict[str, Any], says: str) -> None:
    changes = mixing_changes(form_of(experiment()), form_of(experiment(**other)))
    assert len(changes) == 1
    assert says in changes[0]


@pytest.mark.parametrize(
    "other",
    [
        {"coverage": 0.6},
        {"layer": {"name": "home", "range": [0.1, 0.7]}},
        {"hypothesis": "another", "goals": ["conversion"], "end": "2027-01-01"},
        {"variants": {"a": 2, "b": {"weight": 6, "content": {"hero": "welcome"}}}},
        {"overrides": {"u1": "b"}},
        {"version": 2, "start": "2026-12-08", "coverage": 0.1},
    ],
)
def test_what_moves_nobody_may_change(other: dict[str, Any]) -> None:
    assert not mixing_changes(form_of(experiment()), form_of(experiment(**other)))


def conf_with(tmp_path: Path, **other: Any) -> Path:
    folder = tmp_path / "conf" / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    values = {key: value for key, value in {**RUNNING, **other}.items() if key != "name"}
    (folder / "hero.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return tmp_path / "conf"


def test_a_start_is_remembered_and_a_change_needs_a_new_version(tmp_path: Path) -> None:
    conf = conf_with(tmp_path)
    first = load_experiment("hero", conf)
    assert "nothing says what it was" in (change_fault(first, started_forms(conf)) or "")
    record_start(first, LATER, conf)
    assert change_fault(first, started_forms(conf)) is None
    assert list(load_experiments(conf)) == ["hero"]

    changed = load_experiment("hero", conf_with(tmp_path, seed="other"))
    assert "mix populations: seed was hero" in (change_fault(changed, started_forms(conf)) or "")
    with pytest.raises(UsageError, match="seed was hero"):
        record_start(changed, LATER, conf)

    newer = load_experiment("hero", conf_with(tmp_path, version=2, start="2026-12-09"))
    assert newer.hash_seed == "hero:2"
    assert "version 2 has not been started" in (change_fault(newer, started_forms(conf)) or "")
    record_start(newer, LATER, conf)
    assert change_fault(newer, started_forms(conf)) is None
    assert change_fault(first, started_forms(conf)) is not None


def test_what_has_not_begun_may_be_written_anew(tmp_path: Path) -> None:
    conf = conf_with(tmp_path)
    before = datetime(2026, 11, 30, tzinfo=timezone.utc)
    record_start(load_experiment("hero", conf), before, conf)
    changed = load_experiment("hero", conf_with(tmp_path, seed="other"))
    record_start(changed, before, conf)
    assert change_fault(changed, started_forms(conf)) is None


def test_a_draft_is_not_started(tmp_path: Path) -> None:
    conf = conf_with(tmp_path, status="draft")
    with pytest.raises(UsageError, match="status: running"):
        record_start(load_experiment("hero", conf), LATER, conf)


def test_a_fault_names_file_and_field(tmp_path: Path) -> None:
    conf = conf_with(tmp_path, coverage=2)
    with pytest.raises(ConfigError, match=r"hero\.yaml.*'coverage'"):
        load_experiments(conf)


def test_no_shipped_experiment_runs() -> None:
    shipped = load_experiments()
    assert shipped
    assert {one.status for one in shipped.values()} == {"draft"}
