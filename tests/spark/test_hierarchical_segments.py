"""The segmentation of kind `hierarchical`: nested levels over users, or over clusters of them."""

from __future__ import annotations

import numpy as np
import pytest
from chispa import assert_df_equality
from scipy.cluster.hierarchy import fcluster, linkage

from sparkperso.config.segmentation import HierarchicalSegmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.segments.hierarchy.build import build_hierarchical
from sparkperso.testing.segments import WORDS, group_rows, population, require_same

SETTINGS = SegmentsConfig(users_per_partition=100)


def plan(**changes):
    given = {"features": ["frequency", "monetary"], "levels": [2, 3], "naming": WORDS}
    return HierarchicalSegmentation.model_validate({"name": "test", **given, **changes})


@pytest.fixture(scope="module")
def rows():
    return group_rows()


@pytest.fixture(scope="module")
def exact(spark, rows):
    return build_hierarchical(population(spark, rows), plan(), SETTINGS, NullRecorder())


def levels_of(result):
    members = {}
    for row in result.members.collect():
        members.setdefault(row.segment_id.split("-")[1], {})[row.user_id] = row.segment_id
    return members


def test_every_user_is_in_one_segment_of_every_level_and_levels_are_nested(exact, rows):
    coarse, fine = (levels_of(exact)[number] for number in "12")
    assert set(coarse) == set(fine) == {row[0] for row in rows}
    parents = {p.segment_id: p.parent_id for p in exact.profiles}
    assert {parents[name] for name in coarse.values()} == {None}
    assert all(parents[fine[user]] == coarse[user] for user in fine)


def test_segments_are_scipys_clusters(exact, rows):
    points = np.array([row[1:3] for row in rows]) / 10
    labels = fcluster(linkage(points, "ward"), 3, criterion="maxclust")
    fine = levels_of(exact)["2"]
    pairs = {(fine[row[0]], label) for row, label in zip(rows, labels.tolist(), strict=True)}
    assert len(pairs) == 3
    assert [p.size for p in exact.profiles if p.parent_id] == [70, 50, 30]
    assert exact.figures["agreement_with_bisecting"] == 1


@pytest.mark.parametrize("leaves", ["kmeans", "bisecting"])
def test_many_users_are_merged_by_the_centres_of_clusters(spark, exact, rows, leaves):
    many = plan(max_exact=10, n_leaves=12, leaves=leaves)
    found = build_hierarchical(population(spark, rows), many, SETTINGS, NullRecorder())
    assert found.figures["leaves"] <= 12 < exact.figures["leaves"]
    assert_df_equality(found.members, exact.members, ignore_row_order=True)
    assert [p.label for p in found.profiles] == [p.label for p in exact.profiles]


@pytest.mark.parametrize("changes", [{}, {"max_exact": 10, "n_leaves": 12}])
def test_spark_finds_what_is_found_in_the_driver(spark, rows, exact, changes):
    both = [
        build_hierarchical(
            population(spark, rows, 3, most), plan(**changes), SETTINGS, NullRecorder()
        )
        for most in (0, 1_000)
    ]
    require_same(*both)


def test_the_dendrogram_and_the_finest_level_are_drawn(exact):
    assert set(exact.pictures) == {"dendrogram.png", "profiles.png", "scatter.png"}
    assert len(exact.document["merges"]) == exact.figures["leaves"] - 1


def test_too_few_users_stop_at_the_gate(spark, rows):
    with pytest.raises(QualityGateError, match="needs 20 users"):
        build_hierarchical(population(spark, rows[:5]), plan(), SETTINGS, NullRecorder())


@pytest.mark.parametrize("wrong", [[3, 2], [1, 3], [2, 2], []])
def test_levels_grow(wrong):
    with pytest.raises(ValueError, match="levels"):
        plan(levels=wrong)
