"""The pictures show every segment, every feature and every candidate."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sparkperso.config.segments import Naming
from sparkperso.evaluate.clustering import Cluster, ClusteringMetrics
from sparkperso.segments.base.naming import Trait
from sparkperso.segments.base.projection import Projection
from sparkperso.segments.base.result import SegmentProfile
from sparkperso.segments.describe.plots import draw_profiles, draw_scatter
from sparkperso.segments.kmeans.plots import draw_search
from sparkperso.segments.kmeans.search import Candidate

FEATURES = ("frequency", "monetary")


@pytest.fixture
def profiles():
    return [profile("s-1", "big spenders", 30, 1.4), profile("s-2", "typical customers", 10, -0.2)]


def profile(segment_id, label, size, difference):
    traits = tuple(Trait(name, difference, 12.34, 5.0) for name in FEATURES)
    return SegmentProfile(segment_id, label, "", size, size / 40, traits, {})


def candidate(k, seed, silhouette):
    clusters = tuple(Cluster(i, 10, (0.0,), 0.0, 0.0) for i in range(k))
    metrics = ClusteringMetrics(silhouette, 1.0, 1.0, clusters)
    return Candidate(k, seed, ((0.0,),) * k, metrics)


def texts(figure):
    figure.savefig(io.BytesIO(), format="png")
    found = [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes]
    for axes in figure.axes:
        found += [text.get_text() for text in [*axes.texts, *axes.get_yticklabels()]]
        found += [text.get_text() for text in axes.get_xticklabels()]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return found


def test_the_scatter_names_every_segment_and_what_the_axes_are(profiles):
    xy = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    loadings = np.array([[0.9, -0.8], [0.1, 0.6]])
    projection = Projection(xy, ("s-1", "s-2", "s-1"), (0.62, 0.21), loadings, xy[:2])
    figure = draw_scatter(projection, profiles, FEATURES, "test")
    found = texts(figure)
    assert {"1  big spenders (30)", "2  typical customers (10)", "1", "2"} <= set(found)
    assert "62% of the variance\n(+frequency, +monetary)" in found[0]
    assert "21% of the variance\n(−frequency, +monetary)" in found[0]
    assert [len(dots.get_offsets()) for dots in figure.axes[0].collections[::2]] == [2, 1]


def test_the_heat_map_holds_differences_and_prints_original_values(profiles):
    naming = Naming.model_validate({"features": {"frequency": {"short": "orders", "decimals": 1}}})
    figure = draw_profiles(profiles, naming, "test")
    assert {"12.3", "12.34", "orders", "monetary", "big spenders (30)"} <= set(texts(figure))
    colours = figure.axes[0].images[0].get_array()
    assert colours.tolist() == [[1.4, 1.4], [-0.2, -0.2]]


def test_the_search_shows_every_candidate_and_marks_the_chosen():
    candidates = [candidate(3, 1, 0.3), candidate(3, 2, 0.2), candidate(4, 1, 0.6)]
    figure = draw_search(candidates, candidates[2], "test")
    silhouette = figure.axes[0]
    dots, ring = silhouette.collections
    assert dots.get_offsets().tolist() == [[3, 0.3], [3, 0.2], [4, 0.6]]
    assert ring.get_offsets().tolist() == [[4, 0.6]]
    assert silhouette.lines[0].get_ydata().tolist() == [0.3, 0.6]
