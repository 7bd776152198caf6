"""Profiles of segments: means in original units and how far they stand from those of all users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import Naming
from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.arrays import DECIMALS, N_SAMPLES, Ints, Members, user_hash
from sparkperso.segments.base.naming import Trait, describe_segment, most_telling, name_segments
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentProfile
from sparkperso.segments.describe.category_lift import category_lifts

EVERYONE = None
"""Stands for all users beside the ids of segments: no segment has it as its id."""
Figures = Mapping[str, Any]
"""Name of a figure → value."""
VALUE = "monetary"
"""The feature whose sum is a segment's value, in currency."""


def profile_segments(
    members: DataFrame | Members,
    population: Population,
    features: Sequence[str],
    naming: Naming,
    centres: Mapping[str, Mapping[str, float]],
    *,
    labels: Mapping[str, str] | None = None,
) -> list[SegmentProfile]:
    """Returns one profile per segment that has members, in the order of `centres`.

    `members` holds (user_id, segment_id); `centres` maps each segment id to its scaled centre,
    which may be empty. Segments that `labels` do not name are named by what distinguishes them. A
    difference is the mean of a segment less that of all users, in their standard deviations (of the
    population, not of a sample). A row per segment is collected.
    """
    if isinstance(members, Members):
        summary = _summary_of(members, features)
    else:
        summary = _summarise(members, population, features)
    everyone = summary.pop(EVERYONE)
    traits = {
        name: _traits(summary[name], everyone, features) for name in centres if name in summary
    }
    labels = name_segments(traits, naming, labels or {})
    sizes = {name: int(summary[name]["size"]) for name in traits}
    lifts = category_lifts(members, population.raw, sizes, everyone["size"])
    samples = _samples(members, summary)
    profiles = []
    for name, own_traits in traits.items():
        size, share = sizes[name], sizes[name] / everyone["size"]
        profiles.append(
            SegmentProfile(
                segment_id=name,
                label=labels[name],
                sentence=describe_segment(size, share, own_traits, naming, lifts.get(name, ())),
                size=size,
                share=round(share, DECIMALS),
                traits=own_traits,
                centre_scaled=centres[name],
                value=round(summary[name]["value"] or 0.0, 2),
                lifts=lifts.get(name, ()),
                sample=samples.get(name, ()),
            )
        )
    return profiles


def distinguishing(profile: SegmentProfile) -> list[Trait]:
    """Returns a segment's traits, the most telling first."""
    return most_telling(profile.traits)


def _summarise(
    members: DataFrame, population: Population, features: Sequence[str]
) -> dict[str | None, Figures]:
    """Returns sizes, means and deviations by segment and, under EVERYONE, of all users."""
    raw = population.raw.select(
        USER_ID,
        F.col(VALUE).alias("_value"),
        *(F.col(name).cast("double").alias(f"raw_{name}") for name in features),
    )
    scaled = population.scaled.select(
        USER_ID, *(F.col(name).alias(f"scaled_{name}") for name in features)
    )
    own = [F.avg(f"raw_{name}").alias(f"raw_{name}") for name in features]
    own += [F.sum("_value").alias("value"), F.count(F.lit(1)).alias("size")]
    own += [F.min(user_hash(number)).alias(f"hash_{number}") for number in range(N_SAMPLES)]
    common = [F.avg(f"scaled_{name}").alias(f"scaled_{name}") for name in features]
    spread = [F.stddev_pop(f"scaled_{name}").alias(f"std_{name}") for name in features]
    # Apart from the members: users without a segment count among all users too.
    all_raw, all_scaled = raw.agg(*own).collect()[0], scaled.agg(*common, *spread).collect()[0]
    joined = members.select(USER_ID, SEGMENT_ID).join(raw, on=USER_ID).join(scaled, on=USER_ID)
    rows = joined.groupBy(SEGMENT_ID).agg(*own, *common).collect()
    everyone = all_raw.asDict() | all_scaled.asDict()
    return {EVERYONE: everyone, **{row[SEGMENT_ID]: row.asDict() for row in rows}}


def _summary_of(members: Members, features: Sequence[str]) -> dict[str | None, Figures]:
    """Returns what `_summarise` does, of members in memory."""
    users = members.users
    raw = np.column_stack([users.raw[name] for name in features])
    scaled = users.points(features)

    def figures(at: Ints) -> dict[str, Any]:
        sums: dict[str, Any] = {"size": len(at), "value": float(users.raw[VALUE][at].sum())}
        for kind, values in (("raw", raw), ("scaled", scaled)):
            means = zip(features, values[at].mean(axis=0).tolist(), strict=True)
            sums |= {f"{kind}_{name}": mean for name, mean in means}
        smallest = users.hashes[at, 1:].min(axis=0).tolist()
        return sums | {f"hash_{number}": one for number, one in enumerate(smallest)}

    spread = zip(features, scaled.std(axis=0).tolist(), strict=True)
    everyone = figures(np.arange(len(users))) | {f"std_{name}": std for name, std in spread}
    parts = {name: members.of(place) for place, name in enumerate(members.names)}
    summary: dict[str | None, Figures] = {EVERYONE: everyone}
    return summary | {name: figures(at) for name, at in parts.items() if len(at)}


def _samples(
    members: DataFrame | Members, summary: Mapping[str | None, Figures]
) -> dict[str, tuple[str, ...]]:
    """Returns a few members of each segment: those of the smallest hashes, the same in every run.

    What is collected is bounded by the square of the number of segments.
    """
    least = sorted({row[f"hash_{n}"] for row in summary.values() for n in range(N_SAMPLES)})
    samples: dict[str, tuple[str, ...]] = {}
    if isinstance(members, Members):
        is_least = np.isin(members.users.hashes[:, 1:], least).any(axis=1).reshape(-1)
        for place, name in enumerate(members.names):
            at = members.of(place)
            samples[name] = tuple(members.users.ids[at[is_least[at]]][:N_SAMPLES].tolist())
        return samples
    has_least = reduce(Column.__or__, [user_hash(n).isin(*least) for n in range(N_SAMPLES)])
    rows = members.where(has_least).select(SEGMENT_ID, USER_ID).distinct().collect()
    for row in sorted(rows):
        samples[row[0]] = (*samples.get(row[0], ()), row[1])
    return {name: ids[:N_SAMPLES] for name, ids in samples.items()}


def _traits(segment: Figures, everyone: Figures, features: Sequence[str]) -> tuple[Trait, ...]:
    traits = []
    for name in features:
        deviation = everyone[f"std_{name}"]
        distance = segment[f"scaled_{name}"] - everyone[f"scaled_{name}"]
        trait = Trait(
            feature=name,
            # A feature that is the same for all tells no segment from another.
            difference=round(float(distance / deviation), DECIMALS) if deviation else 0.0,
            value=round(segment[f"raw_{name}"], DECIMALS),
            average=round(everyone[f"raw_{name}"], DECIMALS),
        )
        traits.append(trait)
    return tuple(traits)
