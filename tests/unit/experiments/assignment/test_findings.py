"""Experiments held against each other and against what they name: each fault by file and field."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from random import Random
from typing import get_args

import pytest
import yaml
from tests.experiments import NOW, experiment, facts_of, shop

from sparkperso.config import load_settings
from sparkperso.config.content.slots import ListKind
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import record_start
from sparkperso.core.errors import ConfigError
from sparkperso.decisions.assets import put_together, read_files
from sparkperso.experiments.assignment.book import ExperimentBook
from sparkperso.experiments.assignment.findings import STORED_LISTS, findings, reach_of
from sparkperso.experiments.assignment.load import load_book, read_experiments

GOOD = {"hypothesis": "It helps.", "goals": ["conversion"]}
METRICS = ("conversion", "bounce_rate")


def found(*experiments, is_fault=True):
    every = findings({one.name: one for one in experiments}, shop(), METRICS, NOW)
    return [one.text for one in every if one.is_fault is is_fault]


def test_a_sound_experiment_has_no_fault_and_no_note():
    one = experiment(**GOOD, variants={"a": 1, "b": {"content": {"hero": "offers"}}})
    assert found(one) == found(one, is_fault=False) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"goals": ["conversoin"]},
            "goals: no metric 'conversoin' in conf/metrics (did you mean 'conversion'?)",
        ),
        ({"guardrails": ["speed"]}, "guardrails: no metric 'speed' in conf/metrics: conversion"),
        (
            {"variants": {"a": 1, "b": {"content": {"heor": "offers"}}}},
            "no slot 'heor' (did you mean 'hero'?)",
        ),
        (
            {"variants": {"a": 1, "b": {"content": {"hero": "offer"}}}},
            "no content 'offer' (did you mean 'offers'?)",
        ),
        (
            {"variants": {"a": 1, "b": {"content": {"row": "offers"}}}},
            "'offers' is not for that slot",
        ),
        (
            {"variants": {"a": 1, "b": {"rules": {"off": ["vip-ofers"]}}}},
            "no rule 'vip-ofers' (did you mean",
        ),
        ({"variants": {"a": 1, "b": 1e5}}, "nobody may be given it"),
        (
            {"where": {"all": [{"segment": "vip"}, {"not": {"segment": "vip"}}]}},
            "where: the condition can never hold",
        ),
    ],
)
def test_a_fault_names_the_field(fields, says):
    texts = found(experiment(**{**GOOD, **fields}))
    assert len(texts) == 1
    assert texts[0].startswith("conf/experiments/hero.yaml, ")
    assert says in texts[0]


def test_parts_of_a_layer_must_not_overlap_at_the_same_time():
    def one(name, low, high, **fields):
        return experiment(name, **GOOD, layer={"name": "home", "range": [low, high]}, **fields)

    assert found(one("x", 0, 0.5), one("y", 0.5, 1)) == []
    texts = found(one("x", 0, 0.6), one("y", 0.5, 1, start="2026-12-05"))
    assert texts == [
        "conf/experiments/y.yaml, layer: its range overlaps that of 'x' in layer 'home'"
    ]
    assert found(one("x", 0, 0.6, end="2026-12-11"), one("y", 0.5, 1, start="2026-12-11")) == []
    assert found(one("x", 0, 0.6, status="stopped"), one("y", 0.5, 1)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"content": {"hero": "offers"}}, "the content of slot hero"),
        ({"rules": {"off": ["vip-offers"]}}, "rule vip-offers"),
        ({"strategy": "popularity"}, "who makes lists"),
    ],
)
def test_two_experiments_that_change_the_same_need_a_layer(change, what):
    variants = {"a": 1, "b": change}
    x, y = (experiment(name, **GOOD, variants=variants) for name in "xy")
    assert f"it changes {what}, as 'x' does at the same time" in found(x, y)[0]
    apart = [
        experiment(name, **GOOD, variants=variants, layer={"name": "l", "range": r})
        for name, r in (("x", (0, 0.5)), ("y", (0.5, 1)))
    ]
    assert found(*apart) == []
    mobile, desktop = (
        experiment(n, **GOOD, variants=variants, where={"context": "device_type", "one_of": [d]})
        for n, d in (("x", "mobile"), ("y", "desktop"))
    )
    assert found(mobile, desktop) == []


def test_notes_say_what_may_be_meant():
    notes = found(
        experiment(end="2026-12-09", unit="anonymous_id", where={"segment": "vip"}), is_fault=False
    )
    assert [text.split(", ")[1].split(":")[0] for text in notes] == [
        "hypothesis",
        "goals",
        "end",
        "where",
    ]


def test_what_an_experiment_reaches():
    def reach(change):
        return reach_of(experiment(variants={"a": change, "b": change}), shop())

    assert reach({"content": {"hero": "offers"}}).touches("hero", None)
    assert not reach({"content": {"hero": "offers"}}).touches("row", "new")
    assert reach({"rules": {"on": ["offers-for-all"]}}).touches("hero", None)
    assert reach({"rules": {"off": ["no-candles"]}}).touches("row", "similar")
    assert reach({"rules": {"off": ["row-boost"]}}).touches("row", None)
    assert not reach({"rules": {"off": ["row-boost"]}}).touches("hero", "new")
    assert reach({"strategy": "popularity"}).touches("", "new")
    assert not reach({"strategy": "popularity"}).touches("", "similar")
    assert reach({"payload": 1}).is_empty


def test_a_treatment_is_of_those_who_are_in_it():
    one = experiment(variants={"a": 1, "b": {"content": {"hero": "offers"}}}, coverage=0.5)
    book = ExperimentBook({"hero": one}, shop())
    seen = {}
    for number in range(200):
        treatment = book.served.treatment(*facts_of(f"u{number}"))
        names = tuple(each.variant for each in treatment.counted_in("hero", None))
        seen[names] = treatment.contents
        assert treatment.counted_in("row", None) == ()
    assert seen == {(): {}, ("a",): {}, ("b",): {"hero": "offers"}}


CHANGES = [
    {"content": {"hero": "offers"}},
    {"rules": {"on": ["offers-for-all"]}},
    {"rules": {"off": ["no-candles"]}},
    {"rules": {"off": ["row-boost"]}},
    {"strategy": "popularity"},
    {"model": "candidate"},
    {},
]


@pytest.mark.parametrize("seed", range(20))
def test_of_a_list_those_are_asked_that_may_change_it_and_the_answer_is_that_of_all(seed):
    chance = Random(seed)
    experiments = {
        f"e{n}": experiment(
            f"e{n}",
            variants={"a": 1, "b": change},
            coverage=chance.choice([0.5, 1]),
            where=chance.choice([None, {"segment": "vip"}]),
            overrides={"u3": "b"},
        )
        for n, change in enumerate(chance.sample(CHANGES, chance.randint(0, len(CHANGES))))
    }
    book = ExperimentBook(experiments, shop())
    for user, slot, kind in product(("u1", "u2", "u3"), ("", "hero", "row"), get_args(ListKind)):
        asked = facts_of(user, segments=frozenset(chance.choice([(), ("vip",)])))
        every, own = book.served.treatment(*asked), book.on_list(slot, kind).treatment(*asked)
        touching = [(one, reach) for one, reach in every.shown if reach.touches(slot, kind)]
        assert [(one.experiment, one.variant) for one, _ in own.shown] == [
            (one.experiment, one.variant) for one, _ in touching
        ]
        assert own.counted_in(slot, kind) == every.counted_in(slot, kind)
        if kind in STORED_LISTS:
            assert (own.model, own.strategy) == (every.model, every.strategy)
        is_personal = any(experiments[one.experiment].where for one, _ in touching)
        assert book.on_list(slot, kind).asks_people or not is_personal


def test_an_experiment_on_models_stands_still_without_their_lists():
    one = experiment(variants={"a": {"model": "champion"}, "b": {"model": "candidate"}})
    book = ExperimentBook({"hero": one}, shop())
    book.has_models(["champion"])
    assert book.splits["hero"].assign(*facts_of()).reason == "no_lists"
    assert book.served.treatment(*facts_of()).model is None
    book.has_models(["champion", "candidate"])
    assert book.splits["hero"].assign(*facts_of()).is_counted


def write(folder: Path, **fields) -> Path:
    (folder / "experiments").mkdir(parents=True, exist_ok=True)
    values = {"status": "running", "start": "2026-12-01", "variants": {"a": 1, "b": 1}, **GOOD}
    text = yaml.safe_dump({**values, **fields})
    (folder / "experiments" / "hero.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_running_experiment_with_a_fault_is_refused_and_a_draft_is_not(tmp_path):
    settings, conf = load_settings(), write(tmp_path, goals=["nothing"])
    with pytest.raises(ConfigError, match="nothing says what it was when it started"):
        load_book(settings, NOW, conf)
    with pytest.raises(ConfigError, match=r"hero\.yaml, goals: no metric 'nothing'"):
        load_book(settings, NOW, conf)
    write(tmp_path, goals=["nothing"], status="draft")
    assert load_book(settings, NOW, conf).splits == {}
    (conf / "experiments" / "hero.yaml").write_text("variants: 3", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"hero\.yaml"):
        load_book(settings, NOW, conf)


def test_conditions_are_spelled_as_ingest_spells(tmp_path):
    where = {"context": "country", "one_of": ["Germany", "UK"]}
    settings, conf = load_settings(), write(tmp_path, where=where)
    record_start(load_experiment("hero", conf), datetime(2026, 11, 1, tzinfo=timezone.utc), conf)
    files = read_files(settings, conf)
    # 'where' is spelled otherwise than it was written when it started, and is no other condition.
    read = read_experiments(settings, files, put_together(settings, files, at=NOW), NOW, conf)
    assert "GB" in read.experiments["hero"].where.one_of
    assert load_book(settings, NOW, conf).running(NOW)
