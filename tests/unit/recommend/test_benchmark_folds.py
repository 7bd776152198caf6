"""benchmark: what needs no Spark session."""

from __future__ import annotations

import pytest

from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import EaseParams, PopularityParams
from sparkperso.config.recommend.section import SearchConfig
from sparkperso.core.errors import UsageError
from sparkperso.recommend.benchmark import implicit_baseline, memory, report
from sparkperso.recommend.benchmark.candidates import (
    DataShape,
    candidates,
    looks_explicit,
    parse_models,
)
from sparkperso.recommend.benchmark.run import failures_of
from sparkperso.recommend.fit.fit_strategy import Engine
from sparkperso.recommend.tune.trial_result import TrialResult
from sparkperso.recommend.tune.tuning import TuningResult

SEARCH = SearchConfig(
    space=(
        {"model": "popularity", "window_days": [7, 14]},
        {"model": "ease", "prior_half_life_days": [None, 7]},
        {"model": "als_implicit"},
        {"model": "content"},
    )
)
DEFAULT = {
    "has_items": False,
    "is_timed": True,
    "is_explicit": False,
    "size": DataSize(n_users=50, n_items=100, n_pairs=900),
    "max_item_pairs": 1000,
    "engine": Engine("kernel", "a test"),
}

LARGE = DataSize(n_users=50, n_items=2000, n_pairs=900)


def tried(names=None, **given):
    return candidates(SEARCH, 1, names, DataShape(**{**DEFAULT, **given}))


def models(found):
    return [one.model for one in found]


def test_names_of_models_are_known_ones():
    assert parse_models(None) is None
    assert parse_models("ease, popularity,ease") == ("ease", "popularity")
    for text in ("eases", "ease,nothing", " , "):
        with pytest.raises(UsageError, match="--models"):
            parse_models(text)
    with pytest.raises(UsageError, match="Did you mean 'ease'"):
        parse_models("eases")


def test_content_is_tried_only_where_items_are_known():
    found, left_out = tried()
    assert set(models(found)) == {"popularity", "ease", "als_implicit"}
    assert left_out == {}
    assert "content" in models(tried(has_items=True)[0])
    assert "content" in tried(("content", "ease"))[1]


def test_without_times_nothing_is_recent():
    found, _ = tried(is_timed=False)
    assert found.count(PopularityParams()) == 1
    assert found.count(EaseParams()) == 1
    assert all(getattr(one, "prior_half_life_days", None) is None for one in found)


def test_a_model_asked_for_by_name_is_tried_with_its_defaults():
    found, _ = tried(("item_knn",))
    assert models(found) == ["item_knn"]


def test_the_hybrid_needs_its_parts():
    assert set(models(tried(("hybrid",))[0])) == {"popularity", "ease", "als_implicit"}


def test_a_model_too_large_is_left_out_by_name():
    found, left_out = tried(size=LARGE)
    assert "ease" not in models(found)
    assert "2,000 items" in left_out["ease"]


def test_neighbours_in_blocks_need_a_small_catalogue():
    asked, blocks = ("item_knn", "popularity"), Engine("blocks", "a test")
    assert tried(asked, engine=blocks) == tried(asked)
    assert tried(asked, size=LARGE) == tried(asked)
    found, left_out = tried(asked, engine=blocks, size=LARGE)
    assert set(models(found)) == {"popularity"}
    assert "in blocks on up to 1,000 (recommend.max_item_pairs)" in left_out["item_knn"]


def test_opinions_are_tried_as_binary_and_as_strength():
    found, _ = tried(("als_implicit",), is_explicit=True)
    assert [one.values for one in found] == ["binary", "strength"]


@pytest.mark.parametrize(
    ("kinds", "low", "high", "expected"),
    [
        (5, 1.0, 5.0, True),
        (10, 0.5, 5.0, True),
        (2, 1.0, 2.0, False),
        (1, 1.0, 1.0, False),
        (15, 1.0, 40.0, False),
        (5, 0.0, 5.0, False),
        (300, 0.5, 9.9, False),
    ],
)
def test_opinions_have_few_values_in_a_narrow_range(kinds, low, high, expected):
    assert looks_explicit(kinds, low, high) is expected


def entry(model, validation, test):
    return {"model": model, "validation": validation, "metrics": {"ndcg_at_10": test}}


def test_the_chosen_one_is_picked_on_validation_alone():
    entries = [
        entry("ease", {"ndcg_at_10": 0.1}, 0.9),
        entry("als_explicit", {"rmse": 1.0}, None),
        entry("implicit_als", {"ndcg_at_10": 0.5}, 0.1),
        entry("hybrid", {"ndcg_at_10": 0.2}, 0.1),
    ]
    ours = ["ease", "als_explicit", "hybrid"]
    assert report.chosen(entries, "ndcg_at_10", ours) == "hybrid"
    names = [one["model"] for one in report.ordered(entries, "ndcg_at_10")]
    assert names == ["implicit_als", "hybrid", "ease", "als_explicit"]
    assert report.chosen(entries[1:2], "ndcg_at_10", ours) is None


def test_figures_that_are_not_finite_are_null():
    found = report.plain({"a": float("nan"), "b": 1 / 3, "c": {"d": float("inf")}})
    assert found == {"a": None, "b": 0.333333, "c": {"d": None}}


def test_memory_is_watched_while_it_is_held():
    with memory.PeakMemory() as before:
        pass
    with memory.PeakMemory() as during:
        held = bytearray(200 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
    assert during.peak_mb > before.peak_mb + 100


def test_without_the_library_there_is_one_paragraph(monkeypatch):
    monkeypatch.setattr(implicit_baseline, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as caught:
        implicit_baseline.require_implicit()
    assert caught.value.exit_status == 2


def test_a_model_is_left_out_where_none_of_its_candidates_could_be_fitted():
    def one(model, failure):
        return TrialResult(model, type("P", (), {"model": model})(), (), failure=failure)

    tried = (one("ease", None), one("ease", "too large"), one("item_knn", "no memory"))
    assert failures_of(TuningResult(tried, {"ease": tried[0]})) == {"item_knn": "no memory"}
