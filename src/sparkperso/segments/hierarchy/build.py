"""The segmentation of kind `hierarchical`: levels of nested segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segmentation import HierarchicalSegmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.core.columns import USER_ID
from sparkperso.evaluate.clustering import cluster_means, group_means
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.arrays import DECIMALS, Members, UserPoints, as_frame, rounded_roots
from sparkperso.segments.base.cluster_matching import adjusted_rand_index
from sparkperso.segments.base.lineage import Clusters, Lineage, follow
from sparkperso.segments.base.points import DISTANCE, POINT, SEGMENT_ID, Centre, distance_to
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.projection import project
from sparkperso.segments.base.result import SegmentationResult, SegmentProfile
from sparkperso.segments.describe import plots
from sparkperso.segments.describe.statistics import profile_segments
from sparkperso.segments.hierarchy.leaf_clusters import LEAF, LeafClusters, bisect, find_leaves
from sparkperso.segments.hierarchy.linkage_tree import Tree, draw_tree, merge_points
from sparkperso.segments.kmeans.build import named, require_users


@dataclass(frozen=True)
class Level:
    """One cut of the tree."""

    number: int
    """1 is the coarsest."""
    clusters: NDArray[np.int64]
    """The cluster of each leaf, 0 up, the largest first."""
    centres: Sequence[tuple[float, ...]]
    """Mean point of each cluster's users."""
    lineage: Lineage
    members: DataFrame | Members
    """(user_id, segment_id, distance)."""


def build_hierarchical(
    population: Population,
    plan: HierarchicalSegmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns the levels of a hierarchy as one segmentation: a user is in one segment of each.

    1. Leaves: the users themselves where there are at most `max_exact`, else a cluster for each of
       many groups of them.
    2. A tree of merges over the leaves (`linkage_tree`), cut once for each level.
    3. Each level's clusters get centres, members and the ids of those before that they follow.
    4. The finest level is compared with bisecting k-means: the adjusted Rand index of the two.

    Raises ConfigError for features that are not there and QualityGateError when there are too few
    users.
    """
    population.require(plan.profiled)
    require_users(population.size, plan.name, plan.levels[-1], settings)
    with population.points(plan, settings) as points:
        leaves = find_leaves(points, population.size, plan, settings)
        if isinstance(leaves.users, DataFrame):
            leaves = replace(leaves, users=keep_cached(leaves.users))
        tree = merge_points(leaves.points, plan.linkage)
        levels = [
            _level(number + 1, tree.cut(size), leaves, population, (plan, settings))
            for number, size in enumerate(plan.levels)
        ]
        profiles = _profiles(levels, population, plan)
        bisected = bisect(leaves.sample, plan.levels[-1], settings.seed)
        agreement = _agreement(levels[-1].clusters[leaves.leaf_of_sample], bisected)
        drawn = _draw(points, tree, levels, profiles, (plan, settings))
    spark = population.raw.sparkSession
    frames = [as_frame(level.members, spark) for level in levels]
    return SegmentationResult(
        segmentation=plan.name,
        kind=plan.kind,
        exclusive=plan.exclusive,
        members=reduce(DataFrame.unionByName, frames),
        profiles=profiles,
        figures={
            "leaves": tree.n_leaves,
            "levels": len(levels),
            "agreement_with_bisecting": round(agreement, DECIMALS),
        },
        document={
            "features": list(plan.features),
            "linkage": plan.linkage,
            "leaves_are_users": leaves.are_users,
            "merges": tree.merges.round(DECIMALS).tolist(),
        },
        pictures=drawn,
        lineage=levels[-1].lineage,
    )


def _level(
    number: int,
    cut: NDArray[np.int64],
    leaves: LeafClusters,
    population: Population,
    plans: tuple[HierarchicalSegmentation, SegmentsConfig],
) -> Level:
    plan, settings = plans
    clusters = _by_size(cut, leaves)
    centres, members = _divided(clusters, leaves, population, plan)
    prefix = f"{plan.name}-{number}"
    ids = [str(n) for n in range(len(centres))]
    # Each level follows itself: its ids begin with the segmentation's name and its number.
    previous = population.previous.of(prefix) if population.previous else None
    new = Clusters(prefix, ids, members, population.scaled, plan.features)
    lineage = follow(previous, new, settings.stability)
    return Level(number, clusters, centres, lineage, named(members, lineage.ids))


def _divided(
    clusters: NDArray[np.int64],
    leaves: LeafClusters,
    population: Population,
    plan: HierarchicalSegmentation,
) -> tuple[list[Centre], DataFrame | Members]:
    """The mean point of each cluster's users, and the users with it as segment and distance."""
    if isinstance(leaves.users, DataFrame):
        users = leaves.users.withColumn("cluster", _lookup(clusters.tolist()))
        rows = cluster_means(users, POINT, "cluster").orderBy("cluster").collect()
        centres = [_rounded(row["mean"]) for row in rows]
        centre = _lookup([list(one) for one in centres], "cluster")
        members = users.select(
            USER_ID,
            F.col("cluster").cast("string").alias(SEGMENT_ID),
            distance_to(vector_to_array(F.col(POINT)), centre).alias(DISTANCE),
        )
        return centres, members
    assert population.users is not None
    own, n_clusters = clusters[leaves.users], int(clusters.max()) + 1
    points = population.users.points(plan.features)
    centres = [_rounded(mean) for mean in group_means(points, own, n_clusters).tolist()]
    apart = ((points - np.array(centres)[own]) ** 2).sum(axis=1)
    names = [str(n) for n in range(n_clusters)]
    everyone = np.arange(len(own))
    return centres, Members(population.users, everyone, own, names, rounded_roots(apart))


def _rounded(mean: Sequence[float]) -> Centre:
    return tuple(round(x, DECIMALS) for x in mean)


def _by_size(cut: NDArray[np.int64], leaves: LeafClusters) -> NDArray[np.int64]:
    """Numbers the clusters by the users in them, the largest first; equals by their first leaf."""
    # scipy numbers clusters as its tree has them; this order depends on the users alone.
    sizes = np.bincount(cut, leaves.sizes)
    first = [int(np.flatnonzero(cut == n)[0]) for n in range(len(sizes))]
    order = sorted(range(len(sizes)), key=lambda n: (-sizes[n], first[n]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[cut]


def _lookup(values: Sequence[object], column: str = LEAF) -> Column:
    """The value at the place that a column of whole numbers holds."""
    return F.get(F.array(*[F.lit(value) for value in values]), F.col(column))


def _profiles(
    levels: Sequence[Level], population: Population, plan: HierarchicalSegmentation
) -> list[SegmentProfile]:
    every: list[SegmentProfile] = []
    above: Level | None = None
    for level in levels:
        centres = {
            name: dict(zip(plan.features, centre, strict=True))
            for name, centre in zip(level.lineage.ids, level.centres, strict=True)
        }
        # Segment id → the segment of the level above that holds all of it.
        parents = {}
        if above is not None:
            pairs = set(zip(level.clusters.tolist(), above.clusters.tolist(), strict=True))
            parents = {level.lineage.ids[own]: above.lineage.ids[parent] for own, parent in pairs}
        profiles = profile_segments(
            level.members,
            population,
            plan.profiled,
            plan.naming,
            centres,
            labels=level.lineage.labels,
        )
        every += [replace(one, parent_id=parents.get(one.segment_id)) for one in profiles]
        above = level
    return every


def _agreement(own: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """The adjusted Rand index of two partitions of the same users."""
    counts = np.zeros((own.max() + 1, other.max() + 1))
    np.add.at(counts, (own, other), 1)
    return adjusted_rand_index(counts)


def _draw(
    points: DataFrame | UserPoints,
    tree: Tree,
    levels: Sequence[Level],
    profiles: Sequence[SegmentProfile],
    plans: tuple[HierarchicalSegmentation, SegmentsConfig],
) -> dict[str, Figure]:
    plan, settings = plans
    finest = levels[-1]
    drawn = [one for one in profiles if one.segment_id in finest.lineage.ids]
    centres = [list(one.centre_scaled.values()) for one in drawn]
    projection = project(points, finest.members, centres, settings.picture_points)
    return {
        "dendrogram.png": draw_tree(tree, plan.levels, plan.name),
        "profiles.png": plots.draw_profiles(drawn, plan.naming, plan.name),
        "scatter.png": plots.draw_scatter(projection, drawn, plan.features, plan.name),
    }
