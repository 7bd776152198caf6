"""Profiles of segments: means in original units and how far they stand from those of all users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.config.segments import Naming
from sparkperso.segments.naming import Trait, describe_segment, most_telling, name_segments
from sparkperso.segments.points import DECIMALS, SEGMENT_ID
from sparkperso.segments.population import Population
from sparkperso.segments.result import SegmentProfile

EVERYONE = None


def profile_segments(
    members: DataFrame,
    population: Population,
    features: Sequence[str],
    naming: Naming,
    centres: Mapping[str, Mapping[str, float]],
) -> list[SegmentProfile]:
    """Returns one profile per segment that has members, in the order of `centres`.

    `members` holds (user_id, segment_id); `centres` maps each segment id to its scaled centre.
    """
    summary = _summarise(members, population, features)
    everyone = summary.pop(EVERYONE)
    traits = {
        name: _traits(summary[name], everyone, features) for name in centres if name in summary
    }
    labels = name_segments(traits, naming)
    profiles = []
    for name, found in traits.items():
        size, share = summary[name]["size"], summary[name]["size"] / everyone["size"]
        sentence = describe_segment(size, share, found, naming)
        share = round(share, DECIMALS)
        profiles.append(
            SegmentProfile(name, labels[name], sentence, size, share, found, centres[name])
        )
    return profiles


def distinguishing(profile: SegmentProfile) -> list[Trait]:
    """Returns a segment's traits, the most telling first."""
    return most_telling(profile.traits)


def _summarise(
    members: DataFrame, population: Population, features: Sequence[str]
) -> dict[str | None, Row]:
    """Returns sizes, means and deviations by segment and, without one, of everyone: one pass."""
    raw = [F.col(name).cast("double").alias(f"raw_{name}") for name in features]
    scaled = [F.col(name).alias(f"scaled_{name}") for name in features]
    joined = (
        members.select(USER_ID, SEGMENT_ID)
        .join(population.raw.select(USER_ID, *raw), on=USER_ID, how="inner")
        .join(population.scaled.select(USER_ID, *scaled), on=USER_ID, how="inner")
    )
    measures = [
        F.avg(f"{kind}_{n}").alias(f"{kind}_{n}") for kind in ("raw", "scaled") for n in features
    ]
    measures += [F.stddev_pop(f"scaled_{name}").alias(f"std_{name}") for name in features]
    rows = joined.rollup(SEGMENT_ID).agg(F.count(F.lit(1)).alias("size"), *measures).collect()
    return {row[SEGMENT_ID]: row for row in rows}


def _traits(segment: Row, everyone: Row, features: Sequence[str]) -> tuple[Trait, ...]:
    return tuple(
        Trait(
            feature=name,
            difference=_difference(segment, everyone, name),
            value=round(segment[f"raw_{name}"], DECIMALS),
            average=round(everyone[f"raw_{name}"], DECIMALS),
        )
        for name in features
    )


def _difference(segment: Row, everyone: Row, name: str) -> float:
    deviation = everyone[f"std_{name}"]
    distance = segment[f"scaled_{name}"] - everyone[f"scaled_{name}"]
    return round(float(distance / deviation), DECIMALS) if deviation else 0.0
