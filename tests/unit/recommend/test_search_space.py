"""The search space: every combination once, ranges kept to, what is wrong said by name."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config import load_settings
from sparkperso.config.recommend.models import AlsParams, EaseParams, KnnParams, PopularityParams
from sparkperso.core.errors import ConfigError
from sparkperso.recommend.tune.search_space import entries_for, grid, sample

RANGES = [
    {
        "model": "als_implicit",
        "rank": {"low": 4, "high": 9},
        "reg_param": {"low": 0.001, "high": 10.0, "log": True},
        "alpha": {"low": 0.5, "high": 2.5},
        "values": ["binary", "strength"],
    },
    {"model": "ease", "reg_param": {"low": 123.4, "high": 123.6}},
]


def test_a_grid_holds_every_combination_in_order():
    found = grid(
        [
            {"model": "item_knn", "similarity": ["cosine", "bm25"], "n_neighbours": [10, 20]},
            {"model": "ease", "reg_param": 7},
        ]
    )
    assert found == [
        *(KnnParams(similarity=s, n_neighbours=n) for s in ("cosine", "bm25") for n in (10, 20)),
        EaseParams(reg_param=7),
    ]


def test_what_is_asked_twice_is_tried_once():
    twice = [{"model": "ease", "reg_param": [7, 7.0]}, {"model": "ease", "reg_param": 7}]
    assert grid(twice) == [EaseParams(reg_param=7)]
    assert sample(twice, 9, 1) == [EaseParams(reg_param=7)]
    assert grid([{"model": ["ease", "popularity"]}]) == [EaseParams(), PopularityParams()]


def test_a_seed_says_what_is_drawn():
    first, again, other = (sample(RANGES, 12, seed) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize("seed", range(5))
def test_what_is_drawn_lies_in_its_range(seed):
    found = sample(RANGES, 60, seed)
    als = [p for p in found if isinstance(p, AlsParams)]
    assert len(als) == 30
    assert {p.rank for p in als} == set(range(4, 10))
    assert all(0.001 <= p.reg_param <= 10 and 0.5 <= p.alpha <= 2.5 for p in als)
    assert {p.values for p in als} == {"binary", "strength"}
    assert all(123.4 <= p.reg_param <= 123.6 for p in found if isinstance(p, EaseParams))


def test_a_logarithmic_range_is_drawn_evenly_on_its_scale():
    found = [p.reg_param for p in sample(RANGES[:1], 400, 3)]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.5, abs=0.1)


def test_entries_are_drawn_from_in_turn():
    assert [p.model for p in sample(RANGES, 5, 1)] == ["als_implicit", "ease"] * 2 + [
        "als_implicit"
    ]


def test_an_empty_space_gives_nothing():
    assert grid([]) == sample([], 5, 1) == []


WRONG = [
    ({"model": "svd"}, "model should be one of popularity, item_knn"),
    ({"rank": 3}, "model should be one of"),
    ({"model": [["ease"]]}, "model should be one of"),
    (
        {"model": "ease", "rank": 3},
        "unknown setting 'rank', known are prior_half_life_days, reg_param, when",
    ),
    ({"model": "ease", "reg_param": [1, -1]}, "reg_param: Input should be greater than 0"),
    ({"model": "ease", "reg_param": []}, "One is empty"),
    ({"model": "hybrid"}, r"recommend\.search\.hybrid"),
    ({"model": "als_explicit"}, r"recommend\.search\.explicit"),
]


@pytest.mark.parametrize(("entry", "said"), WRONG)
def test_a_wrong_entry_is_refused_by_name(entry, said):
    with pytest.raises(ConfigError, match=said) as found:
        grid([{"model": "popularity"}, entry])
    assert "recommend.search.space" in str(found.value)
    with pytest.raises(ConfigError, match=said):
        [sample([entry], 20, seed) for seed in range(3)]


def test_a_grid_has_no_ranges_and_says_what_to_do():
    with pytest.raises(ConfigError, match=r"Set recommend\.search\.method to random"):
        grid(RANGES)


def test_a_when_that_is_misspelt_is_no_range():
    entry = {"model": "ease", "wen": {"items": {"at_most": 9}}}
    with pytest.raises(ConfigError, match=r"unknown setting 'wen', known are .*, when"):
        grid(entries_for([entry]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": "a", "high": "b"},
        {"low": 1, "high": 2, "step": 1},
        {"low": 1, "high": float("inf")},
        {"low": float("nan"), "high": 1},
    ],
)
def test_a_range_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"A range in recommend\.search\.space.*Found"):
        sample([{"model": "ease", "reg_param": wrong}], 3, 1)


def test_a_space_that_cannot_be_tried_ends_run_before_its_first_step():
    from sparkperso.jobs.run import run_steps
    from sparkperso.pipeline.job import Job

    for space in ("[{model: eas}]", "[{model: ease, reg_param: {low: 1, high: 2}}]"):
        settings = load_settings(assignments=[f"recommend.search.space={space}"])
        lines = []
        with pytest.raises(ConfigError, match=r"recommend\.search\.space"):
            run_steps(Job("run", settings, None, say=lines.append))
        assert lines == []
