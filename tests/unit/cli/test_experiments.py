"""`sparkperso experiments`: faults by name, what is running, plans from a lake, and the start."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.experiments import conf_of
from tests.unit.experiments.test_traffic import DAYS, END, reader  # noqa: F401

from sparkperso.cli.main import cli
from sparkperso.core.errors import SparkpersoError

GOOD = {"goals": ["revenue_per_user"], "guardrails": ["bounce_rate"]}


def run(*arguments, status=0):
    result = CliRunner().invoke(cli, ["experiments", *map(str, arguments)])
    error = result.exception if isinstance(result.exception, SparkpersoError) else None
    found = error.exit_status if error else result.exit_code
    assert found == status, (result.output, result.exception)
    return f"{result.output}{error or ''}"


def test_the_shipped_ones_are_sound_drafts():
    assert "no fault" in run("lint")
    rows = [json.loads(line) for line in run("list", "--json").splitlines()]
    assert {row["status"] for row in rows} == {"draft"}
    assert all(not row["faults"] for row in rows)


def test_each_fault_is_told_and_ends_with_status_2(tmp_path):
    layer = {"name": "home", "range": [0, 0.6]}
    other = {"name": "home", "range": [0.5, 1]}
    conf = conf_of(
        tmp_path,
        one={**GOOD, "layer": layer},
        two={**GOOD, "goals": ["conversoin"], "layer": other},
    )
    path = conf / "experiments" / "one.yaml"
    path.write_text(path.read_text() + "seed: another\n")
    output = run("lint", "--conf-dir", conf, status=2)
    faults = [line for line in output.splitlines() if line.startswith("! ")]
    assert len(faults) == 3
    assert "one.yaml: it was changed after it started, which would mix populations" in faults[0]
    assert "goals: no metric 'conversoin' in conf/metrics (did you mean 'conversion'?)" in faults[1]
    assert "two.yaml, layer: its range overlaps that of 'one' in layer 'home'" in faults[2]
    assert run("lint", "two", "--conf-dir", conf, status=2).count("! ") == 2
    assert "Did you mean 'one'" in run("lint", "on", "--conf-dir", conf, status=2)


def test_the_list_says_what_is_running_now(tmp_path):
    night = {"context": "hour", "at_least": 20}
    conf = conf_of(
        tmp_path,
        now=GOOD,
        later={"start": "2999-01-01"},
        over={"end": "2026-02-01"},
        dark={"where": night, "version": 2},
    )
    rows = [json.loads(line) for line in run("list", "--json", "--conf-dir", conf).splitlines()]
    assert {row["experiment"]: row["status"] for row in rows} == {
        **{"now": "running", "later": "scheduled", "over": "ended", "dark:2": "running"}
    }
    assert [row["experiment"] for row in rows if not row["growthbook"]] == ["dark:2"]
    text = run("list", "--conf-dir", conf)
    assert "not for GrowthBook's SDKs" in text
    assert "a:50% b:50%" in text


def test_an_experiment_starts_once_and_its_change_needs_a_version(tmp_path):
    conf = conf_of(tmp_path)
    path = conf / "experiments" / "hero.yaml"

    def write(**fields):
        usual = {"status": "running", "start": "2026-01-01", "variants": {"a": 1, "b": 1}}
        path.write_text(yaml.safe_dump({**usual, **fields}, sort_keys=False))

    write(status="draft")
    assert "status: running" in run("start", "hero", "--conf-dir", conf, status=2)
    write(goals=["nothing"])
    assert "no metric 'nothing'" in run("start", "hero", "--conf-dir", conf, status=2)
    write()
    assert "experiments start hero" in run("lint", "--conf-dir", conf, status=2)
    kept = Path(run("start", "hero", "--conf-dir", conf).split(": keep")[0].replace("\n", ""))
    assert kept == conf / "experiments" / "started" / "hero.yaml"
    run("lint", "--conf-dir", conf)
    write(variants={"a": 1, "b": 2})
    assert "weights are others" in run("start", "hero", "--conf-dir", conf, status=2)
    write(variants={"a": 1, "b": 2}, version=2, start="2026-02-01")
    run("start", "hero", "--conf-dir", conf)
    run("lint", "--conf-dir", conf)


def test_a_plan_is_made_of_the_shops_own_past(tmp_path, reader):  # noqa: F811
    conf = conf_of(tmp_path, hero={**GOOD, "mde": 0.2, "status": "draft"}, idle={"status": "draft"})
    place = ("--conf-dir", conf, "--lake", reader.root, "--as-of", END.isoformat())
    (row,) = map(json.loads, run("plan", *place, "--json").splitlines())
    assert (row["metric"], row["past_days"]) == ("revenue_per_user", DAYS)
    assert row["units"]["a"] == row["units"]["b"] == row["total"] / 2
    assert row["days"] > 0
    # Half of the effect needs four times the units; a quarter of the coverage, longer.
    conf_of(tmp_path, hero={**GOOD, "mde": 0.1, "status": "draft", "coverage": 0.25})
    (finer,) = map(json.loads, run("plan", "hero", *place, "--json").splitlines())
    assert finer["total"] / row["total"] == pytest.approx(4, rel=0.01)
    assert finer["days"] > row["days"]
    (longer,) = map(json.loads, run("plan", "hero", *place, "--json", "--sequential").splitlines())
    assert longer["total"] > finer["total"]
    text = run("plan", "hero", *place)
    assert f"a lift of 10.00% shows with {finer['total']:,} units" in text
    assert "least lift that shows after 1 w" in text


def test_a_plan_without_goals_or_events_is_told(tmp_path):
    conf = conf_of(tmp_path, idle={"status": "draft"}, hero={**GOOD, "status": "draft"})
    assert "names no metric" in run("plan", "idle", "--conf-dir", conf, status=2)
    lake = tmp_path / "lake"
    output = run("plan", "hero", "--conf-dir", conf, "--lake", lake, status=2)
    assert "It has not been written yet" in output
    assert "--as-of is a time" in run("plan", "--as-of", "soon", status=2)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bandit": {"metric": "conversoin"}}, "bandit.metric: no metric 'conversoin'"),
        ({"bandit": {"metric": "revenue_per_user"}}, "its kind is mean: take a proportion"),
        ({"bandit": {"metric": "retention_day_1"}}, "its kind is retention"),
        ({"bandit": {"metric": "bounce_rate"}}, "made of bounces"),
        ({"bandit": {"metric": "conversion", "by": "audience"}}, "by: 'audience' should be one of"),
        ({"bandit": {"metric": "conversion", "floor": 0.5}}, "floor"),
        ({"bandit": {"metric": "conversion", "floor": 0.4}}, "the floor of 0.4"),
        ({"bandit": {"metric": "conversion"}, "coverage": 0.5}, "shares of a bandit move"),
        ({"bandit": {"metric": "conversion", "by": "x"}, "unit": "anonymous_id"}, "unit: user"),
    ],
)
def test_what_a_bandit_cannot_follow_is_told(tmp_path, fields, says):
    conf = conf_of(tmp_path)
    values = {"status": "draft", "variants": {"a": 1, "b": 2}, **fields}
    (conf / "experiments" / "two.yaml").write_text(yaml.safe_dump(values))
    assert says in run("lint", "--conf-dir", conf, status=2)


def test_the_bandit_of_a_slot_is_listed_and_needs_no_start(tmp_path):
    conf = conf_of(tmp_path)
    slot = yaml.safe_load((conf / "slots" / "hero.yaml").read_text())
    own = {"contents": ["welcome", "for-the-kitchen"], "metric": "click_through"}
    own |= {"by": "audiences", "start": "2026-01-01"}
    (conf / "slots" / "hero.yaml").write_text(yaml.safe_dump({**slot, "bandit": own}))
    assert "1 experiment, no fault" in run("lint", "--conf-dir", conf)
    (row,) = (json.loads(line) for line in run("list", "--json", "--conf-dir", conf).splitlines())
    assert (row["experiment"], row["status"], row["growthbook"]) == ("slot-hero", "running", False)
    assert row["bandit"] == {"metric": "click_through", "by": "audiences", "floor": 0.05}
    text = run("list", "--conf-dir", conf)
    assert "bandit of click_through by audiences, shares at the start" in text
    assert "not for GrowthBook's SDKs" in text
    own["contents"] = ["welcome", "nothing"]
    (conf / "slots" / "hero.yaml").write_text(yaml.safe_dump({**slot, "bandit": own}))
    output = run("lint", "--conf-dir", conf, status=2)
    assert "! conf/slots/hero.yaml, bandit, variants.nothing.content.hero: no content" in output
    (conf / "slots" / "hero.yaml").write_text(yaml.safe_dump(slot))
    (conf / "experiments" / "slot-hero.yaml").write_text("variants: {a: 1, b: 1}")
    assert "are bandits of slots" in run("lint", "--conf-dir", conf, status=2)


def test_the_bandits_of_the_guides_are_sound(tmp_path):
    docs = Path(__file__).parents[3] / "docs"
    conf = conf_of(tmp_path)
    (conf / "metrics").mkdir()
    blocks = re.findall(r"```yaml\n(# conf/(\S+)\n.*?)```", (docs / "slots.md").read_text(), re.S)
    assert [place for _, place in blocks] == ["slots/hero.yaml", "metrics/hero_clicks.yaml"]
    for text, place in blocks:
        (conf / place).write_text(text)
    (block,) = re.findall(
        r"```yaml\n(variants: \{.*?\nbandit:.*?)```", (docs / "experiments.md").read_text(), re.S
    )
    (conf / "experiments" / "three.yaml").write_text(block)
    assert "2 experiments, no fault" in run("lint", "--conf-dir", conf)


HALVES = "variants: {a: 1, b: 1}\n"
ODD = {
    # name of the file → (what it says, what lint says of it)
    "zero-weight": (
        "variants: {a: 0, b: 1}",
        "'variants.a.weight': Input should be greater than 0",
    ),
    "no-number": ("variants: {a: .nan, b: 1}", "should be a finite number, found nan"),
    "word": ("variants: {a: many, b: 1}", "'variants.a.weight': Input should be a valid number"),
    "nothing": ("variants: {a: , b: 1}", "a variant is its weight, such as 1, or what it changes"),
    "truth": ("variants: {a: true, b: 1}", "a variant is its weight, such as 1"),
    "too-many": (f"variants: {{a: 1{'0' * 400}, b: 1}}", "… (401 characters)"),
    "a-list": ("variants: [a, b]", "'variants': Input should be a valid dictionary"),
    "spaces": ("variants: {'a b': 1, b: 1}", "String should match pattern"),
    "umlaut": ("variants: {ä: 1, b: 1}", "String should match pattern"),
    "quote": ('variants: {"a\'b": 1, b: 1}', "String should match pattern"),
    "number": ("variants: {1: 1, b: 1}", "found 1; put it in quotes"),
    "one": ("variants: {a: 1}", "there should be 2 to 100 variants, found 1"),
    "levels": ("factors: {x: [on, off], y: [s, l]}", "found True; YAML takes on, off, yes and no"),
    "baseline": ("variants: {on: 1, off: 1}\nbaseline: off", "found False; YAML takes on, off"),
    "tester": (HALVES + "overrides: {u1: c}", "overrides name 'c', which is none of a, b"),
    "end-first": (HALVES + "end: 2025-12-01", "start should lie before end"),
    "end-at-once": (HALVES + "end: 2026-01-01", "start should lie before end"),
    "no-day": (HALVES + "end: 2026-02-30", "day is out of range for month"),
    "soon": (HALVES + "end: soon", "'end': not ISO 8601, found 'soon'"),
    "seconds": (HALVES + "end: 20260301", "a time is a date, such as 2026-03-01"),
    "far": (HALVES + "end: 9999-12-31T23:59:59-14:00", "not a date of the calendar in UTC"),
    "metric": (HALVES + "goals: [convertion]", "(did you mean 'conversion'?)"),
    "twice": (HALVES + "goals: [conversion, conversion]", "'conversion' is named twice"),
    "text": (HALVES + "goals: conversion", "'goals': Input should be a valid tuple"),
    "mde": (HALVES + "mde: 0", "'mde': Input should be greater than 0"),
    "coverage": (HALVES + "coverage: 50 %", "'coverage': Input should be a valid number"),
    "off": (HALVES + "status: off", "'status': Input should be 'draft', 'running' or 'stopped'"),
    "layer": (HALVES + "layer: {name: home, range: [0.5, 0.2]}", "the range should grow"),
    "key": (HALVES + "weigth: 1", "unknown key 'weigth'"),
    "other-name": (HALVES + "name: zero-weight", "The name of"),
    "key-twice": (HALVES + HALVES, "the key 'variants' stands twice"),
    "tab": ("variants:\n\ta: 1", "should be readable YAML"),
    "no-mapping": ("- a", "It holds a list"),
    "empty": ("", "give either variants or factors"),
    "tag": (HALVES + "seed: !!python/object:os.system x", "should be readable YAML"),
    "deep": (HALVES + "where: " + "{not: " * 300 + "{segment: vip}" + "}" * 300, "'where"),
}
"""Files that are no experiment, as people write them."""


@pytest.fixture(scope="module")
def odd_conf(tmp_path_factory):
    """Returns a conf/ that holds all of them."""
    conf = conf_of(tmp_path_factory.mktemp("odd"))
    for name, (text, _) in ODD.items():
        head = (
            "" if name in ("no-mapping", "empty") else "start: 2026-01-01\nhypothesis: It helps.\n"
        )
        status = "" if name in ("off", "no-mapping", "empty") else "status: running\n"
        path = conf / "experiments" / f"{name}.yaml"
        path.write_text(f"{status}{head}{text}\n", encoding="utf-8")
    return conf


def test_of_odd_files_each_is_told_and_none_keeps_another_from_it(odd_conf):
    output = run("lint", "--conf-dir", odd_conf, status=2)
    for name, (_, expected) in ODD.items():
        own = [part for part in output.split("! ") if f"{name}.yaml" in part]
        assert any(expected in part for part in own), (name, own)
    listed = run("list", "--conf-dir", odd_conf)
    assert listed.count("cannot be read: see 'sparkperso experiments lint'") >= len(ODD) - 1


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_experiment_is_not_started(odd_conf, name):
    assert ODD[name][1] in run("start", name, "--conf-dir", odd_conf, status=2)
    assert not (odd_conf / "experiments" / "started").exists()


def test_names_that_yaml_takes_for_truth_are_names_and_a_date_without_zone_is_utc(tmp_path):
    conf = conf_of(tmp_path)
    for name, text in (
        ("flag", "variants: {on: 1, off: 1}\nstart: 2026-01-01 12:00"),
        ("bold", "variants:\n  yes: {payload: true}\n  no: {payload: false}\nstart: 2026-01-01"),
        ("rare", "variants: {a: 1e2, b: 1}\nstart: '2026-01-01T12:00:00+02:00'"),
    ):
        path = conf / "experiments" / f"{name}.yaml"
        path.write_text(f"status: running\nhypothesis: It helps.\ngoals: [conversion]\n{text}\n")
        run("start", name, "--conf-dir", conf)
    run("lint", "--conf-dir", conf)
    rows = {
        r["experiment"]: r
        for r in map(json.loads, run("list", "--json", "--conf-dir", conf).splitlines())
    }
    assert rows["flag"]["variants"] == {"on": 0.5, "off": 0.5}
    assert list(rows["bold"]["variants"]) == ["yes", "no"]
    assert rows["rare"]["variants"] == {"a": 0.9901, "b": 0.0099}
    starts = {name: row["start"][:16] for name, row in rows.items()}
    assert starts == {
        **{"flag": "2026-01-01T12:00", "bold": "2026-01-01T00:00", "rare": "2026-01-01T10:00"}
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--as-of", "0001-01-01"), "--as-of lies in the years 1970 to 2199"),
        (("--as-of", "1970-01-01"), "no plan: too few units were seen in the past"),
        (("--as-of", "9999-12-31T23:59:59"), "--as-of lies in the years 1970 to 2199"),
        (("--share", "1e-300"), "no end: no new units come"),
        (("--days", "1"), "not in the range"),
        (("--share", "0"), "not in the range"),
        (("--power", "nan"), "A design has a power between 0 and 1"),
        (("--level", "0"), "not in the range"),
        (("--days", "1e3"), "not a valid integer"),
    ],
)
def test_odd_questions_of_a_plan_have_an_answer(tmp_path, reader, options, says):  # noqa: F811
    conf = conf_of(tmp_path, hero={**GOOD, "status": "draft"})
    result = CliRunner().invoke(
        cli,
        ["experiments", "plan", "--conf-dir", str(conf), "--lake", str(reader.root), *options],
    )
    error = result.exception if isinstance(result.exception, SparkpersoError) else ""
    assert says in f"{result.output}{error}", (result.output, result.exception)
    assert result.exit_code == 0 or isinstance(result.exception, SystemExit | SparkpersoError)
