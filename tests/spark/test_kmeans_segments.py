"""K-means segments: a known truth is found, whatever the partitions; bad input stops at a gate."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from chispa import assert_df_equality

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.core.errors import ConfigError, JobError, QualityGateError
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.segments.base.arrays import Members
from sparkperso.segments.base.population import latest_population
from sparkperso.segments.base.projection import project
from sparkperso.segments.kmeans.build import NO_CLUSTERS, build_kmeans
from sparkperso.testing.segments import (
    AS_OF,
    GROUPS,
    WORDS,
    group_rows,
    population,
    require_same,
)

SETTINGS = SegmentsConfig(num_seeds=1, users_per_partition=100)


def plan(**changes):
    given = {"features": ["frequency", "monetary"], "k_min": 2, "k_max": 4, "naming": WORDS}
    return KMeansSegmentation.model_validate({"name": "test", **given, **changes})


@pytest.fixture(scope="module")
def rows():
    return group_rows()


@pytest.fixture(scope="module")
def result(spark, rows):
    return build_kmeans(population(spark, rows), plan(), SETTINGS, NullRecorder())


def test_the_true_groups_are_found_and_numbered_by_size(result, rows):
    members = {row.user_id: row.segment_id for row in result.members.collect()}
    sizes = [size for _, size in GROUPS]
    expected = [f"test-{g + 1}" for g, size in enumerate(sizes) for _ in range(size)]
    assert [members[row[0]] for row in rows] == expected
    assert [(p.segment_id, p.size) for p in result.profiles] == list(
        zip(["test-1", "test-2", "test-3"], sizes, strict=True)
    )
    assert result.figures["k"] == 3


def test_profiles_hold_means_in_original_units_and_names_from_the_differences(result, rows):
    last = result.profiles[2]
    own = np.array([row[1:] for row in rows[-30:]])
    assert [t.value for t in last.traits[:2]] == pytest.approx(own.mean(axis=0)[:2], abs=1e-6)
    scaled = np.array([row[1] / 10 for row in rows])
    expected = (own[:, 0].mean() / 10 - scaled.mean()) / scaled.std()
    assert last.traits[0].difference == pytest.approx(expected, abs=1e-6)
    assert last.centre_scaled == pytest.approx(
        {"frequency": own[:, 0].mean() / 10, "monetary": own[:, 1].mean() / 10}, abs=1e-6
    )
    assert [p.label for p in result.profiles] == [
        "one-time buyers",
        "frequent customers",
        "frequent big spenders",
    ]


def test_every_user_is_with_the_nearest_centre(result, rows):
    centres = np.array([list(p.centre_scaled.values()) for p in result.profiles])
    assigned = {row.user_id: row for row in result.members.collect()}
    assert len(assigned) == len(rows)
    for user_id, frequency, monetary, _ in rows:
        distances = np.linalg.norm(centres - np.array([frequency, monetary]) / 10, axis=1)
        assert assigned[user_id].segment_id == f"test-{distances.argmin() + 1}"
        assert assigned[user_id].distance == pytest.approx(distances.min(), abs=1e-6)


def test_the_result_does_not_depend_on_order_or_partitions_of_the_input(spark, result, rows):
    other = population(spark, list(reversed(rows)), partitions=5)
    again = build_kmeans(other, plan(), SETTINGS, NullRecorder())
    assert_df_equality(again.members, result.members, ignore_row_order=True)
    assert again.profiles == result.profiles
    assert again.figures == result.figures


@pytest.mark.parametrize("outliers", ["keep", "clip", "exclude"])
def test_spark_finds_what_is_found_in_the_driver(spark, rows, outliers):
    users = [*rows, ("far", 60.0, 60.0, 1.0)]
    treated = plan(outliers=outliers, outliers_beyond=2, described_by=["basket_size"])
    lonely = SETTINGS.model_copy(update={"min_members": 1})
    both = [
        build_kmeans(population(spark, users, 3, most), treated, lonely, NullRecorder())
        for most in (0, 1_000)
    ]
    require_same(*both)
    assert any(profile.lifts for profile in both[0].profiles)


def test_the_picture_is_the_same_from_spark_and_in_the_driver(spark, rows, result):
    shown = []
    for most in (0, 1_000):
        with population(spark, rows, 2, most).points(plan(), SETTINGS) as points:
            users = population(spark, rows).users
            place = {name: n for n, name in enumerate(users.ids)}
            own = [(place[r.user_id], r.segment_id) for r in result.members.collect()]
            names = sorted({name for _, name in own})
            at = np.array([n for n, _ in own])
            members = Members(users, at, np.array([names.index(name) for _, name in own]), names)
            given = members if most else members.frame(spark)
            shown.append(project(points, given, [[0.0, 0.0]], 100))
    assert shown[0].segment_ids == shown[1].segment_ids
    for name in ("xy", "explained", "loadings", "centres"):
        assert getattr(shown[0], name) == pytest.approx(getattr(shown[1], name), abs=1e-9), name


def test_a_feature_that_only_describes_is_profiled_but_not_measured(spark, rows):
    described = plan(described_by=["basket_size"], k_min=3, k_max=3)
    found = build_kmeans(population(spark, rows), described, SETTINGS, NullRecorder())
    for profile in found.profiles:
        assert [trait.feature for trait in profile.traits][-1] == "basket_size"
        assert "basket_size" not in profile.centre_scaled


def test_fewer_different_users_than_centres_give_fewer_segments(spark):
    twins = [(f"u{n}", float(n % 2), 0.0, 0.0) for n in range(20)]
    many = plan(k_min=4, k_max=4)
    found = build_kmeans(population(spark, twins), many, SETTINGS, NullRecorder())
    assert [profile.size for profile in found.profiles] == [10, 10]


@pytest.mark.parametrize(
    ("count", "message"), [(4, "needs 20 users at least. There are 4."), (30, "none does")]
)
def test_too_few_or_all_equal_users_stop_at_the_gate(spark, count, message):
    equal = population(spark, [(f"u{n}", 1.0, 1.0, 1.0) for n in range(count)])
    with pytest.raises(QualityGateError, match=message):
        build_kmeans(equal, plan(k_min=2, k_max=2), SETTINGS, NullRecorder())


def test_an_unknown_feature_is_refused_with_what_there_is(spark, rows):
    with pytest.raises(ConfigError, match="Did you mean 'frequency'"):
        build_kmeans(population(spark, rows), plan(features=["freqency"]), SETTINGS, NullRecorder())


def test_the_population_is_that_of_the_latest_features_up_to_as_of(spark):
    days = [datetime(2011, 1, day) for day in (1, 2, 3)]
    scaled = spark.createDataFrame(
        [("u", when, "v1") for when in days],
        "user_id string, as_of timestamp, scaler_version string",
    )
    found = latest_population(scaled, scaled, datetime(2011, 1, 2, 12))
    assert [row.as_of for row in found.scaled.collect()] == [days[1]]
    assert (found.size, found.scaler_version) == (1, "v1")
    with pytest.raises(JobError, match="build-features"):
        latest_population(scaled, scaled, datetime(2010, 1, 1))
    mixed = scaled.selectExpr(
        "user_id", "timestamp'2011-01-01' AS as_of", "string(as_of) AS scaler_version"
    )
    with pytest.raises(JobError, match="one scaler_version"):
        latest_population(mixed, mixed, AS_OF)


def test_users_far_out_may_be_moved_to_a_bound_or_left_out_of_the_fit(spark, rows):
    far = [*rows, ("far", 1000.0, 1000.0, 1.0)]
    lonely = SETTINGS.model_copy(update={"min_members": 1})
    kept = build_kmeans(population(spark, far), plan(min_segment_share=0), lonely, NullRecorder())
    assert min(profile.size for profile in kept.profiles) == 1
    for treatment in ("clip", "exclude"):
        treated = plan(outliers=treatment, outliers_beyond=2, k_min=3, k_max=3)
        found = build_kmeans(population(spark, far), treated, SETTINGS, NullRecorder())
        assert [profile.size for profile in found.profiles] == [70, 50, 31]


def test_users_without_clusters_are_told_so(spark, result):
    chance = np.random.default_rng(1)
    noise = [(f"u{n}", *map(float, chance.normal(size=3))) for n in range(150)]
    found = build_kmeans(population(spark, noise), plan(), SETTINGS, NullRecorder())
    assert found.notes == (NO_CLUSTERS,)
    assert result.notes == ()
    assert result.figures["gap_k"] == 3


def test_a_search_on_some_users_finds_the_same_segments_of_all(spark, rows, result):
    many = group_rows([(centre, 4 * size) for centre, size in GROUPS])
    few = SETTINGS.model_copy(update={"driver_users": 100})
    users = population(spark, many, driver_users=few.driver_users)
    found = build_kmeans(users, plan(), few, NullRecorder())
    assert [profile.size for profile in found.profiles] == [4 * size for _, size in GROUPS]
    assert [p.label for p in found.profiles] == [p.label for p in result.profiles]


def test_a_feature_that_is_the_same_for_all_changes_nothing(spark, rows, result):
    same = population(spark, [(*row[:3], 7.0) for row in rows])
    features = ["frequency", "monetary", "basket_size"]
    found = build_kmeans(same, plan(features=features), SETTINGS, NullRecorder())
    assert_df_equality(
        found.members.select("user_id", "segment_id"),
        result.members.select("user_id", "segment_id"),
        ignore_row_order=True,
    )


def test_users_who_are_all_alike_form_no_segments(spark):
    alike = population(spark, [(f"u{n:02}", 1.0, 1.0, 1.0) for n in range(40)])
    with pytest.raises(QualityGateError):
        build_kmeans(alike, plan(), SETTINGS, NullRecorder())


def test_a_user_who_is_there_twice_is_refused(spark):
    columns = "user_id string, frequency double, as_of timestamp, scaler_version string"
    twice = spark.createDataFrame([("a", 1.0, AS_OF, "v1"), ("a", 2.0, AS_OF, "v1")], columns)
    with pytest.raises(JobError, match="2 rows of 1 users"):
        latest_population(twice, twice, AS_OF)
