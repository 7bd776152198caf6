"""The notebooks run as they stand on the tables of the pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conftest import TEST_PROPERTIES, overridden
from tests.pipeline import SMALL_SEARCH

from sparkperso.notebook import Suite
from sparkperso.platform.tracking import open_tracking
from sparkperso.testing.notebooks import run_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# The jobs have done their work on this lake: here they are to run, and their tables to be shown.
SHORT = [
    "segments.segmentations=[audiences]",
    "recommend.search.space=[{model: als_implicit, rank: 4, max_iter: 2}]",
    "recommend.search.explicit=[]",
]


@pytest.fixture(scope="module")
def common(pipeline, tmp_path_factory):
    """The parameters of all notebooks: a copy of the lake."""
    root = tmp_path_factory.mktemp("notebooks") / "lake"
    shutil.copytree(pipeline.root, root)
    settings = overridden(TEST_PROPERTIES, SMALL_SEARCH, SHORT)
    return {"ENV": "local", "LAKE": str(root), "SETTINGS": settings}


@pytest.fixture(scope="module")
def show(spark, common):
    """Returns run(name, **parameters), which executes a notebook on a copy of the lake."""
    return lambda name, **more: run_notebook(NOTEBOOKS / f"{name}.py", spark, {**common, **more})


@pytest.fixture(scope="module")
def with_champion(spark, common):
    """Makes the candidate champion: on the small sample the gate refuses it."""
    suite = Suite(spark, *common.values())
    tracking = open_tracking(suite.settings)
    candidate = tracking.by_alias("recommender", "candidate")
    tracking.set_alias("recommender", "champion", candidate.version)
    suite.run("build-recommendations")


def test_ingest_shows_the_books_the_events_and_the_quarantine(show, pipeline):
    books, events, quarantine = show("01_ingest", PATH=str(pipeline.sample))
    assert {"received", "valid", "quarantined", "duplicates"} <= {row.rule for row in books}
    assert len(events) == 20
    assert all(row.reasons for row in quarantine)


def test_features_and_segments_are_shown_with_their_names(show):
    features, scalers, profiles = show("02_features_and_segments")
    assert len(features) == 20
    assert {"frequency", "monetary"} <= {row.feature for row in scalers}
    assert all(row.label and row["size"] > 0 for row in profiles)


def test_the_recommender_ends_with_its_factors(show):
    (factors,) = show("03_recommender")
    assert factors
    assert all(row.factors for row in factors)


def test_results_are_lists_with_titles_popular_items_segments_and_runs(show):
    lists, popular, segments, runs, lineage = show("04_results")
    assert [row["rank"] for row in lists[:3]] == [1, 2, 3]
    assert any(row.title for row in lists)
    assert popular
    assert segments
    assert {"ingest-events", "build-recommendations"} <= {row.job for row in runs}
    assert {row.direction for row in lineage} == {"input", "output"}


@pytest.mark.usefixtures("with_champion")
def test_candidates_are_compared_and_a_list_is_explained(show):
    figures, gains, buckets, places, parts, history = show("05_compare_and_explain")
    assert {"popularity", "popularity_tuned"} <= set(figures.index)
    assert set(gains.columns) == {"mean", "low", "high", "level"}
    assert buckets["n"].sum() > 0
    assert list(places["rank"]) == [1, 2, 3, 4, 5]
    assert len(parts) >= 1
    # The small sample's candidate is popularity: nothing of a history adds to its scores.
    assert history.empty or history.added.is_monotonic_decreasing
