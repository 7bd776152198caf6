"""The conf/ of a simulated shop is sound, and its experiments run."""

import json
from datetime import datetime, timezone

from sparkperso.config import load_settings
from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.config.metrics import load_metrics
from sparkperso.decisions.assets import put_together, read_files
from sparkperso.experiments.assignment.load import read_experiments
from sparkperso.simulation.files import (
    end_experiments,
    shipped_experiments,
    write_conf,
    write_items,
)
from sparkperso.simulation.study import TESTS
from sparkperso.simulation.truth import LISTS_TEST
from sparkperso.simulation.world import make_world

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
NOW = datetime(2026, 3, 9, tzinfo=timezone.utc)


def test_its_experiments_run_without_a_fault(tmp_path):
    conf = tmp_path / "conf"
    written = write_conf(conf, START)
    settings = load_settings("local", conf, [], str(tmp_path))
    files = read_files(settings, conf)
    assets = put_together(settings, files, at=NOW)
    found = read_experiments(settings, files, assets, NOW, conf)
    assert found.faults == {}
    assert {name: one.phase(NOW) for name, one in found.experiments.items()} == dict.fromkeys(
        TESTS, "running"
    )
    assert written == found.experiments == shipped_experiments(START)


def test_truth_speaks_of_metrics_and_variants_that_are_there(tmp_path):
    conf = tmp_path / "conf"
    experiments = write_conf(conf, START)
    metrics = load_metrics(conf)
    for test in TESTS.values():
        one = experiments[test.experiment]
        assert one.goals == (test.metric,)
        assert {*one.goals, *one.guardrails} <= metrics.keys()
        assert (one.control, list(one.arms)) == (test.baseline, [test.baseline, test.treated])


def test_without_lists_their_experiment_is_not_there(tmp_path):
    write_conf(tmp_path / "conf", START)
    experiments = write_conf(tmp_path / "conf", START, with_lists=False)
    assert LISTS_TEST.experiment not in experiments
    assert not list((tmp_path / "conf").rglob(f"{LISTS_TEST.experiment}.yaml"))


def test_people_are_asked_in_it(tmp_path):
    write_conf(tmp_path / "conf", START)
    settings = load_settings("local", tmp_path / "conf", [], str(tmp_path))
    assert settings.collect.sites["local"].consent == settings.serving.consent == "required"


def test_items_are_written_as_they_are(tmp_path):
    world = make_world(SimulationConfig(), 1, 5, 1)
    write_items(world, tmp_path / "sub" / "items.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "sub" / "items.jsonl").open()]
    assert [row["item_id"] for row in rows] == list(world.catalogue.ids)
    assert [row["price"] for row in rows] == world.catalogue.prices.tolist()


def test_experiments_that_end_are_the_ones_that_began(tmp_path):
    conf = tmp_path / "conf"
    write_conf(conf, START)
    end_experiments(conf, NOW)
    settings = load_settings("local", conf, [], str(tmp_path))
    files = read_files(settings, conf)
    found = read_experiments(settings, files, put_together(settings, files, at=NOW), NOW, conf)
    assert found.faults == {}
    assert {one.phase(NOW) for one in found.experiments.values()} == {"ended"}
    before = shipped_experiments(START)
    assert {
        n: one.model_copy(update={"end": None}) for n, one in found.experiments.items()
    } == before
