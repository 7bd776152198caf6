"""Experiments that units were in beside another one, or before it, and what that means for it.

Experiments without a common layer are independent of each other: units in both are no fault. They
are one where both change the same thing, stand in one layer, or are dealt out by one seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.decisions.assets import Assets
from sparkperso.experiments.assignment.findings import changed_by_both, reach_of
from sparkperso.experiments.statistics.checks.independence import ALARM, independence
from sparkperso.experiments.statistics.verdict import MOST_MULTIPLE

Counts = Mapping[tuple[str, str], int]
"""(variant, variant of the other experiment) → units."""


@dataclass(frozen=True)
class Neighbour:
    """Another experiment whose units matter to one."""

    experiment: Experiment
    relation: str
    """Why they matter, after its name: a clause."""
    changes_the_same: bool = False
    """Whether what a unit saw may have been the other's doing, so that its variant says nothing."""
    is_earlier_version: bool = False
    """Whether it is what the experiment was before; nothing but its key is known of it."""


@dataclass(frozen=True)
class SharedUnits:
    """The units of an experiment that were in a neighbour too."""

    at_once: Counts = field(default_factory=dict)
    """Of those that saw both while both ran."""
    earlier: Counts = field(default_factory=dict)
    """Of those that saw the neighbour before the experiment began, and not since."""


def neighbours_of(one: Experiment, others: Sequence[Experiment]) -> list[Neighbour]:
    """Returns earlier versions of an experiment, and those of `others` that are its neighbours."""
    found = [
        Neighbour(
            one.model_copy(update={"version": version, "start": None, "end": None}),
            "is what it was before",
            is_earlier_version=True,
        )
        for version in range(1, one.version)
    ]
    # What both change stands in their own files; slots of rules are not asked for.
    nothing = Assets({}, {}, {})
    for other in others:
        if other.name == one.name or other.unit != one.unit:
            continue
        same = changed_by_both(reach_of(one, nothing), reach_of(other, nothing))
        layer = one.layer.name if one.layer is not None else None
        if same:
            found.append(Neighbour(other, f"changes {same[0]} too", changes_the_same=True))
        elif layer is not None and other.layer is not None and other.layer.name == layer:
            found.append(Neighbour(other, f"is in the layer '{layer}' too"))
        elif other.hash_seed == one.hash_seed:
            found.append(Neighbour(other, "is dealt out by the same seed"))
    return found


def overlap_findings(
    neighbours: Sequence[Neighbour], shared: Mapping[str, SharedUnits], n_units: int
) -> Iterator[tuple[str, bool]]:
    """Yields a sentence per neighbour that shared units at once, and whether that breaks it.

    It does where more than 1 % of the units saw two experiments that change the same, and where
    the variants of one are not spread evenly over those of the other. Else the other only adds
    noise, and may change what the variants do: a reason to be careful.
    """
    for each in neighbours:
        counts = shared.get(each.experiment.key, SharedUnits()).at_once
        n = sum(counts.values())
        if not n or each.is_earlier_version:
            continue
        p = independence(counts)
        is_uneven = p is not None and p < ALARM
        is_fault = is_uneven or (each.changes_the_same and n > MOST_MULTIPLE * n_units)
        said = f"{n:,} of {n_units:,} units were in '{each.experiment.key}' at the same time, "
        said += f"which {each.relation}"
        if is_uneven:
            said += f"; its variants are not spread evenly over these ones (p = {p:.2g})"
        yield f"{said}: give both a part of one layer.", is_fault


def earlier_notes(
    neighbours: Sequence[Neighbour], shared: Mapping[str, SharedUnits]
) -> Iterator[str]:
    """Yields a sentence per neighbour whose variants of before are not spread over those of now."""
    for each in neighbours:
        counts = shared.get(each.experiment.key, SharedUnits()).earlier
        p = independence(counts)
        if p is not None and p < ALARM:
            yield (
                f"{sum(counts.values()):,} units were in '{each.experiment.key}' before, and its "
                f"variants are not spread evenly over these ones (p = {p:.2g}): what it did to "
                "them may be taken for an effect. Take another seed."
            )
