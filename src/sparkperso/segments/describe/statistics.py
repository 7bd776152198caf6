"""Profiles of segments: means in original units and how far they stand from those of all users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import Naming
from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.naming import Trait, describe_segment, most_telling, name_segments
from sparkperso.segments.base.points import DECIMALS, SEGMENT_ID
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentProfile
from sparkperso.segments.describe.category_lift import category_lifts

EVERYONE = None
Figures = Mapping[str, Any]
"""Name of a figure → value."""
N_SAMPLES = 5
VALUE = "monetary"


def profile_segments(
    members: DataFrame,
    population: Population,
    features: Sequence[str],
    naming: Naming,
    centres: Mapping[str, Mapping[str, float]],
    *,
    labels: Mapping[str, str] | None = None,
) -> list[SegmentProfile]:
    """Returns one profile per segment that has members, in the order of `centres`.

    `members` holds (user_id, segment_id); `centres` maps each segment id to its scaled centre,
    which may be empty. Segments that `labels` do not name are named by what distinguishes them.
    """
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
    for name, found in traits.items():
        size, share = sizes[name], sizes[name] / everyone["size"]
        profiles.append(
            SegmentProfile(
                segment_id=name,
                label=labels[name],
                sentence=describe_segment(size, share, found, naming, lifts.get(name, ())),
                size=size,
                share=round(share, DECIMALS),
                traits=found,
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
    own += [F.min(_hash(number)).alias(f"hash_{number}") for number in range(N_SAMPLES)]
    common = [F.avg(f"scaled_{name}").alias(f"scaled_{name}") for name in features]
    spread = [F.stddev_pop(f"scaled_{name}").alias(f"std_{name}") for name in features]
    all_raw, all_scaled = raw.agg(*own).collect()[0], scaled.agg(*common, *spread).collect()[0]
    joined = members.select(USER_ID, SEGMENT_ID).join(raw, on=USER_ID).join(scaled, on=USER_ID)
    rows = joined.groupBy(SEGMENT_ID).agg(*own, *common).collect()
    everyone = all_raw.asDict() | all_scaled.asDict()
    return {EVERYONE: everyone, **{row[SEGMENT_ID]: row.asDict() for row in rows}}


def _hash(number: int) -> Column:
    return F.xxhash64(F.lit(number), USER_ID)


def _samples(
    members: DataFrame, summary: Mapping[str | None, Figures]
) -> dict[str | None, tuple[str, ...]]:
    """Returns a few members of each segment: those of the smallest hashes, the same in every run.

    What is collected is bounded by the square of the number of segments.
    """
    wanted = {row[f"hash_{n}"] for row in summary.values() for n in range(N_SAMPLES)}
    if not wanted:
        return {}
    is_one = reduce(Column.__or__, [_hash(n).isin(*sorted(wanted)) for n in range(N_SAMPLES)])
    found = members.where(is_one).select(SEGMENT_ID, USER_ID)
    samples: dict[str | None, tuple[str, ...]] = {}
    for row in sorted(found.distinct().collect()):
        samples[row[0]] = (*samples.get(row[0], ()), row[1])
    return {name: known[:N_SAMPLES] for name, known in samples.items()}


def _traits(segment: Figures, everyone: Figures, features: Sequence[str]) -> tuple[Trait, ...]:
    return tuple(
        Trait(
            feature=name,
            difference=_difference(segment, everyone, name),
            value=round(segment[f"raw_{name}"], DECIMALS),
            average=round(everyone[f"raw_{name}"], DECIMALS),
        )
        for name in features
    )


def _difference(segment: Figures, everyone: Figures, name: str) -> float:
    deviation = everyone[f"std_{name}"]
    distance = segment[f"scaled_{name}"] - everyone[f"scaled_{name}"]
    return round(float(distance / deviation), DECIMALS) if deviation else 0.0
