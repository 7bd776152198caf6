"""Trees of merges: scipy's own, and cuts that are nested."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from sparkperso.segments.hierarchy.linkage_tree import draw_tree, merge_points


def is_nested(coarse, fine):
    """Says whether every cluster of `fine` lies within one of `coarse`."""
    parents = {}
    for parent, child in zip(coarse, fine, strict=True):
        parents.setdefault(child, set()).add(parent)
    return all(len(found) == 1 for found in parents.values())


@pytest.fixture
def points():
    return np.random.default_rng(3).normal(size=(60, 4))


@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
def test_merges_are_scipys(points, method):
    assert np.array_equal(merge_points(points, method).merges, linkage(points, method))


def test_cuts_have_as_many_clusters_as_asked_for_and_are_nested(points):
    tree = merge_points(points, "ward")
    cuts = {n: tree.cut(n) for n in range(1, 61)}
    assert all(len(set(cut.tolist())) == n for n, cut in cuts.items())
    assert all(is_nested(cuts[n], cuts[n + 1]) for n in range(1, 60))
    assert not is_nested(cuts[5], cuts[3])


def test_the_picture_shows_where_levels_cut(points):
    figure = draw_tree(merge_points(points, "ward"), [3, 8], "tree")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts][:2] == ["3 segments", "8 segments"]
    heights = sorted(merge_points(points, "ward").merges[:, 2])
    lines = [line.get_ydata()[0] for line in axes.lines[-2:]]
    assert heights[-3] < lines[0] < heights[-2]
    assert heights[-8] < lines[1] < heights[-7]
