"""The segmentation of kind `hierarchical`: levels of nested segments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from sparkperso.evaluate.clustering import cluster_means
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.cluster_matching import adjusted_rand_index
from sparkperso.segments.base.lineage import Clusters, Lineage, follow
from sparkperso.segments.base.points import (
    DECIMALS,
    DISTANCE,
    POINT,
    SEGMENT_ID,
    cached_points,
    distance_to,
)
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.projection import project
from sparkperso.segments.base.result import SegmentationResult, SegmentProfile
from sparkperso.segments.describe import plots
from sparkperso.segments.describe.statistics import profile_segments
from sparkperso.segments.hierarchy.leaf_clusters import LEAF, LeafClusters, bisect, find_leaves
from sparkperso.segments.hierarchy.linkage_tree import Tree, draw_tree, merge_points
from sparkperso.segments.kmeans.build import require_users


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
    members: DataFrame
    """(user_id, segment_id, distance)."""


def build_hierarchical(
    population: Population,
    plan: HierarchicalSegmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns the levels of a hierarchy as one segmentation: a user is in one segment of each.

    The tree is built over all users where there are at most `max_exact`, else over the centres of
    a large k-means. Raises ConfigError for features that are not there and QualityGateError when
    there are too few users.
    """
    population.require(plan.profiled)
    require_users(population.size, plan.name, plan.levels[-1], settings)
    partitions = math.ceil(population.size / settings.users_per_partition)
    with cached_points(population.scaled, plan.features, partitions) as points:
        leaves = find_leaves(points, population.size, plan, settings.seed)
        leaves = replace(leaves, users=leaves.users.persist())
        tree = merge_points(leaves.points, plan.linkage)
        levels = [
            _level(number + 1, tree.cut(size), leaves, population, (plan, settings))
            for number, size in enumerate(plan.levels)
        ]
        profiles = _profiles(levels, population, plan)
        agreement = _agreement(levels[-1], bisect(points, plan.levels[-1], settings.seed))
        drawn = _draw(points, tree, levels, profiles, (plan, settings))
    return SegmentationResult(
        segmentation=plan.name,
        kind=plan.kind,
        exclusive=plan.exclusive,
        members=reduce(DataFrame.unionByName, [level.members for level in levels]),
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
        cached=(leaves.users,),
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
    cluster = _lookup(clusters.tolist())
    users = leaves.users.withColumn("cluster", cluster)
    means = cluster_means(users, POINT, "cluster").orderBy("cluster").collect()
    centres = [tuple(round(x, DECIMALS) for x in row["mean"]) for row in means]
    prefix = f"{plan.name}-{number}"
    ids = [str(n) for n in range(len(centres))]
    provisional = users.select(USER_ID, F.col("cluster").cast("string").alias(SEGMENT_ID))
    known = population.previous.of(prefix) if population.previous else None
    new = Clusters(prefix, ids, provisional, population.scaled, plan.features)
    lineage = follow(known, new, settings.stability)
    centre = _lookup([list(one) for one in centres], "cluster")
    members = users.select(
        USER_ID,
        _lookup(list(lineage.ids), "cluster").alias(SEGMENT_ID),
        distance_to(vector_to_array(F.col(POINT)), centre).alias(DISTANCE),
    )
    return Level(number, clusters, centres, lineage, members)


def _by_size(cut: NDArray[np.int64], leaves: LeafClusters) -> NDArray[np.int64]:
    """Numbers the clusters by the users in them, the largest first; equals by their first leaf."""
    sizes = np.bincount(cut, leaves.sizes)
    first = [int(np.flatnonzero(cut == n)[0]) for n in range(len(sizes))]
    order = sorted(range(len(sizes)), key=lambda n: (-sizes[n], first[n]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[cut]


def _lookup(values: Sequence[object], column: str = LEAF) -> Column:
    return F.get(F.array(*[F.lit(value) for value in values]), F.col(column))


def _profiles(
    levels: Sequence[Level], population: Population, plan: HierarchicalSegmentation
) -> list[SegmentProfile]:
    found: list[SegmentProfile] = []
    above: Level | None = None
    for level in levels:
        centres = {
            name: dict(zip(plan.features, centre, strict=True))
            for name, centre in zip(level.lineage.ids, level.centres, strict=True)
        }
        parents = _parents(level, above)
        profiles = profile_segments(
            level.members,
            population,
            plan.profiled,
            plan.naming,
            centres,
            labels=level.lineage.labels,
        )
        found += [replace(one, parent_id=parents.get(one.segment_id)) for one in profiles]
        above = level
    return found


def _parents(level: Level, above: Level | None) -> Mapping[str, str]:
    """Segment id → the id of the segment of the level above that holds all of it."""
    if above is None:
        return {}
    pairs = set(zip(level.clusters.tolist(), above.clusters.tolist(), strict=True))
    return {level.lineage.ids[child]: above.lineage.ids[parent] for child, parent in pairs}


def _agreement(level: Level, bisected: DataFrame) -> float:
    """The adjusted Rand index of a level and another partition of the same users."""
    both = level.members.select(USER_ID, SEGMENT_ID).join(bisected, on=USER_ID)
    rows = both.groupBy(SEGMENT_ID, LEAF).count().collect()
    names, others = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    counts = np.zeros((len(names), len(others)))
    for name, other, count in rows:
        counts[names.index(name), others.index(other)] = count
    return adjusted_rand_index(counts)


def _draw(
    points: DataFrame,
    tree: Tree,
    levels: Sequence[Level],
    profiles: Sequence[SegmentProfile],
    plans: tuple[HierarchicalSegmentation, SegmentsConfig],
) -> dict[str, Figure]:
    plan, settings = plans
    finest = levels[-1]
    mine = [one for one in profiles if one.segment_id in finest.lineage.ids]
    centres = [list(one.centre_scaled.values()) for one in mine]
    projection = project(points, finest.members, centres, settings.picture_points)
    return {
        "dendrogram.png": draw_tree(tree, plan.levels, plan.name),
        "profiles.png": plots.draw_profiles(mine, plan.naming, plan.name),
        "scatter.png": plots.draw_scatter(projection, mine, plan.features, plan.name),
    }
