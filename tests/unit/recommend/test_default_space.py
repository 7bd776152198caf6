"""The shipped search space follows the size and the density of the data, as docs/models.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkperso.config import load_settings
from sparkperso.config.recommend.data_size import Bounds, DataSize, When
from sparkperso.config.recommend.section import SearchConfig
from sparkperso.core.errors import ConfigError
from sparkperso.recommend.fit.fit_failures import obstacle
from sparkperso.recommend.tune.search_space import candidates, draw, entries_for

DOCS = Path(__file__).parents[3] / "docs"
SHOP = DataSize(n_users=4_000, n_items=4_000, n_pairs=260_000)
GROCER = DataSize(n_users=2_377, n_items=20_902, n_pairs=69_254)
LARGE = DataSize(n_users=30_000, n_items=41_000, n_pairs=800_000)
HUGE = DataSize(n_users=100_000, n_items=200_000, n_pairs=1_000_000)
SIZES = {"shop": SHOP, "grocer": GROCER, "large": LARGE, "huge": HUGE}


@pytest.fixture(scope="module")
def config():
    return load_settings().recommend


def tried(config, size):
    """Model → its candidates that the bounds allow, as a run tries them."""
    found = {}
    for params in candidates(config, size):
        if obstacle(params, size.n_items, config.max_item_pairs, is_whole=True) is None:
            found.setdefault(params.model, []).append(params)
    return found


def test_models_of_items_by_items_are_tried_where_they_fit_and_graph_filters_everywhere(config):
    models = {name: list(tried(config, size)) for name, size in SIZES.items()}
    others = ["popularity", "item_knn", "graph_filter", "als_implicit", "content"]
    assert sorted(models["shop"]) == sorted([*others, "ease"])
    large = sorted([*others, "sparse_ease"])
    assert all(sorted(models[name]) == large for name in ("grocer", "large", "huge"))


def test_ranks_grow_with_the_data_and_no_further(config):
    ranks = {
        name: sorted({one.rank for one in tried(config, size)["als_implicit"]})
        for name, size in SIZES.items()
    }
    assert ranks == {
        "shop": [16, 64],
        "grocer": [64, 128],
        "large": [64, 128, 256, 512],
        "huge": [64, 128],
    }
    sparse = DataSize(n_users=30_000, n_items=41_000, n_pairs=90_000)
    assert max(one.rank for one in tried(config, sparse)["als_implicit"]) == 128


def test_a_search_is_bounded_at_any_size(config):
    for size in SIZES.values():
        assert len(candidates(config, size)) <= 40
        for one in tried(config, size)["graph_filter"]:
            # What it holds per item: neighbours as (number, value), and two sides of its signals.
            assert size.n_items * (one.n_neighbours + one.rank) * 8 < 2**30


def test_the_documentation_names_what_is_tried(config):
    text = (DOCS / "models.md").read_text(encoding="utf-8")
    for name, size in SIZES.items():
        own = tried(config, size)
        ranks = ", ".join(str(rank) for rank in sorted({p.rank for p in own["als_implicit"]}))
        signals = ", ".join(str(rank) for rank in sorted({p.rank for p in own["graph_filter"]}))
        n = len(candidates(config, size))
        row = f"| {size.n_items:,} × {size.n_users:,}, {size.pairs_per_user:.0f} each | {n} | "
        row += f"{'yes' if 'ease' in own else 'no'} | {signals} | {ranks} |"
        assert row in text, name


def test_bounds_hold_at_both_ends():
    within = Bounds(at_least=3, at_most=5)
    assert [within.hold(value) for value in (2.9, 3, 5, 5.1)] == [False, True, True, False]
    both = When(items={"at_least": 10}, pairs_per_user={"at_most": 2})
    assert both.holds(DataSize(n_users=10, n_items=10, n_pairs=20))
    assert not both.holds(DataSize(n_users=10, n_items=10, n_pairs=21))
    assert not both.holds(DataSize(n_users=10, n_items=9, n_pairs=20))
    assert When().holds(DataSize(0, 0, 0))


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"items": {}}, "at_least, at_most or both"),
        ({"items": {"at_least": 5, "at_most": 4}}, "at_least should not exceed at_most"),
        ({"item": {"at_least": 5}}, "item: Extra inputs"),
        ({"items": {"more_than": 5}}, "items.more_than: Extra inputs"),
        ({"users": {"at_least": "many"}}, "users.at_least: Input should be a valid number"),
        ("always", "when: Input should be a valid dictionary"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_at_any_size(when, said):
    space = [{"model": "popularity"}, {"model": "ease", "when": when}]
    for size in (None, SHOP):
        with pytest.raises(ConfigError, match=said) as found:
            entries_for(space, size)
        assert "`when` in recommend.search.space" in str(found.value)


def test_random_draws_are_of_the_entries_that_are_tried():
    search = SearchConfig(
        method="random",
        n_candidates=6,
        space=(
            {
                "model": "ease",
                "reg_param": {"low": 1, "high": 9},
                "when": {"items": {"at_most": 5}},
            },
            {"model": "item_knn", "n_neighbours": {"low": 1, "high": 9999}},
        ),
    )
    small = draw(search, entries_for(search.space, DataSize(1, 5, 1)), 1)
    assert [one.model for one in small] == ["ease", "item_knn"] * 3
    assert {one.model for one in draw(search, entries_for(search.space, SHOP), 1)} == {"item_knn"}
