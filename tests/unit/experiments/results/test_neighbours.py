"""Whose units matter to an experiment, and what it means that some were in both."""

from __future__ import annotations

import pytest
from tests.experiments import experiment

from sparkperso.experiments.results.checks import clock_findings
from sparkperso.experiments.results.neighbours import (
    SharedUnits,
    earlier_notes,
    neighbours_of,
    overlap_findings,
)

HOME = {"name": "home", "range": [0, 0.5]}
REST = {"name": "home", "range": [0.5, 1]}
SLOT = {"variants": {"a": 1, "b": {"content": {"hero": "offers"}}}}
EVEN = {(one, other): 50 for one in "ab" for other in "ab"}
DIAGONAL = {("a", "a"): 100, ("b", "b"): 100}


def related(one, *others):
    return {each.experiment.key: each.relation for each in neighbours_of(one, others)}


def test_neighbours_change_the_same_or_share_a_layer_or_a_seed_and_others_are_none():
    hero = experiment("hero", **SLOT, layer=HOME, seed="s")
    assert related(
        hero,
        experiment("slot", **SLOT),
        experiment("home", layer=REST),
        experiment("seed", seed="s"),
        experiment("other"),
        experiment("page", layer={"name": "page", "range": [0, 1]}),
        experiment("browsers", **SLOT, unit="anonymous_id"),
        hero,
    ) == {
        "slot": "changes the content of slot hero too",
        "home": "is in the layer 'home' too",
        "seed": "is dealt out by the same seed",
    }


def test_older_versions_are_neighbours_of_the_newest():
    third = experiment("hero", version=3)
    assert list(related(third, third)) == ["hero", "hero:2"]
    # Nobody is told to leave an older version: it is over.
    shared = {"hero": SharedUnits(at_once=DIAGONAL)}
    assert not list(overlap_findings(neighbours_of(third, []), shared, 200))


@pytest.mark.parametrize(
    ("fields", "counts", "n_units", "is_fault"),
    [
        ({"layer": HOME}, EVEN, 200, False),
        ({"layer": HOME}, DIAGONAL, 200, True),
        (SLOT, EVEN, 200, True),
        (SLOT, {("a", "b"): 1}, 200, False),
        (SLOT, {("a", "b"): 3}, 200, True),
        # Too few to say how they are spread.
        ({"layer": HOME}, {("a", "a"): 2, ("b", "b"): 2}, 200, False),
    ],
)
def test_units_in_both_break_it_where_effects_cannot_be_told_apart(
    fields, counts, n_units, is_fault
):
    one, other = (experiment(name, **fields) for name in ("hero", "other"))
    found = list(
        overlap_findings(neighbours_of(one, [other]), {"other": SharedUnits(counts)}, n_units)
    )
    ((text, found_fault),) = found
    assert text.startswith(f"{sum(counts.values())} of {n_units} units were in 'other'")
    assert found_fault is is_fault


def test_nobody_in_both_is_no_sentence():
    one, other = (experiment(name, layer=HOME) for name in ("hero", "other"))
    assert not list(overlap_findings(neighbours_of(one, [other]), {}, 100))
    assert not list(earlier_notes(neighbours_of(one, [other]), {}))


@pytest.mark.parametrize(("counts", "n"), [(EVEN, 0), (DIAGONAL, 1)])
def test_earlier_variants_are_told_where_they_are_not_spread_evenly(counts, n):
    second = experiment("hero", version=2)
    shared = {"hero": SharedUnits(earlier=counts)}
    assert len(list(earlier_notes(neighbours_of(second, []), shared))) == n


def test_times_break_an_experiment_above_a_share_and_are_told_below():
    fine = ((0, 100), (0, 1000), (0, 50, 0))
    assert clock_findings(*fine) == ([], [])
    assert clock_findings((0, 0), (0, 0), (0, 0, 0)) == ([], [])
    faults, sentences = clock_findings((10, 100), (100, 1000), (25, 50, 20))
    assert faults == []
    assert len(sentences) == 3
    assert clock_findings((11, 100), *fine[1:])[0] == ["clock_skew"]
    assert clock_findings((11, 100), (101, 1000), fine[2])[0] == ["clock_skew"]
    assert clock_findings(*fine[:2], (26, 50, 20))[0] == ["outcomes_before_exposure"]
