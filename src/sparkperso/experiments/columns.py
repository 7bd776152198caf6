"""Assignments as Columns: what `experiments.assignment` says of a unit's id, for whole tables.

Of the person and the request nothing is asked: a table of exposures says who was in an experiment;
these Columns say which variant their ids should have seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.core.hashing import BUCKETS, LAYER_PARTS, PRIME, fnv32a

BITS_32 = 0xFFFFFFFF
DIGITS_OF_A_UNIT = "(.{4})"


def fnv32a_column(text: Column, before: str = "") -> Column:
    """Returns the FNV-1a hash of 32 bits of `before` and a text, a long; null for null.

    Over UTF-16 code units, as `core.hashing.fnv32a`; `before` is hashed here, once.
    """
    # Four hexadecimal digits are one code unit, big end first.
    units = F.regexp_extract_all(
        F.hex(F.encode(text, "UTF-16BE")), F.lit(DIGITS_OF_A_UNIT), F.lit(1)
    )
    return F.aggregate(units, F.lit(fnv32a(before)).cast("long"), _step)


def _step(value: Column, digits: Column) -> Column:
    unit = F.conv(digits, 16, 10).cast("long")
    # A hash has 32 bits and the prime 25: the product fits a long.
    return (value.bitwiseXOR(unit) * F.lit(PRIME)).bitwiseAND(F.lit(BITS_32))


def share_column(seed: str, unit: Column) -> Column:
    """Returns where units stand in [0, 1) for a seed, as `core.hashing.share_of`."""
    first = fnv32a_column(unit, seed).cast("string")
    return fnv32a_column(first) % BUCKETS / F.lit(float(BUCKETS))


def layer_share_column(layer: str, unit: Column) -> Column:
    """Returns where units stand in a layer, in [0, 1), as `core.hashing.layer_share`."""
    hashed = fnv32a_column(F.concat(unit, F.lit(f"__{layer}")))
    return hashed % LAYER_PARTS / F.lit(float(LAYER_PARTS))


def variant_column(
    experiment: Experiment, unit: Column, shares: Mapping[str, float] | None = None
) -> Column:
    """Returns the name of the variant that units are dealt out to, by layer, coverage and weights.

    In place of the weights a bandit has `shares`, by variant. Null where a unit is out of the
    layer's part or of the coverage, and for null. As `experiments.assignment.assign.place_of`.
    """
    bounds, start = [], 0.0
    weights = [shares[name] for name in experiment.arms] if shares else experiment.weights
    for name, weight in zip(experiment.arms, weights, strict=True):
        bounds.append((name, start, start + experiment.coverage * weight))
        start += weight

    def named(share: Column) -> Column:
        return F.coalesce(
            *(F.when((share >= low) & (share < high), F.lit(name)) for name, low, high in bounds)
        )

    # As an array of one, so that the hash is computed once, not for each bound.
    variant = F.transform(F.array(share_column(experiment.hash_seed, unit)), named)[0]
    if experiment.layer is None:
        return variant
    low, high = experiment.layer.range
    place = layer_share_column(experiment.layer.name, unit)
    return F.when((place >= low) & (place < high), variant)
