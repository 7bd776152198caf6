"""The forms of conf/segments/<name>.yaml, by their `kind`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, model_validator

from sparkperso.config.features import own_features
from sparkperso.config.load import load_named
from sparkperso.config.own_features import load_own_features
from sparkperso.config.segments import NAME, FeatureSegmentation, KMeansSegmentation, Naming
from sparkperso.core.section import Section
from sparkperso.rules.attributes import invalid_references
from sparkperso.rules.conditions import Attribute, Condition
from sparkperso.rules.traverse import order_of

NEW = "new"
"""The segment of those that too little is known of."""


class RuleSegment(Section):
    """One segment and who is in it."""

    label: str | None = Field(default=None, min_length=1)
    """Its name in words; without one, its key."""
    description: str = ""
    """What it is for."""
    when: Condition
    """Who is in it; the forms are in src/sparkperso/rules/conditions.py."""


class RuleSegmentation(Section):
    """A segmentation by rules: a person is in every segment whose rule holds.

    Raises ValueError (pydantic's ValidationError is one) for rules that ask for unknown columns,
    refer to unknown segments or to each other in a circle.
    """

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name; segments are called `<name>-<key>`."""
    kind: Literal["rules"] = "rules"
    """How segments are found."""
    description: str = ""
    """What the segmentation is for."""
    min_events: int = Field(default=0, ge=0)
    """Whoever has fewer events is in the segment `new`; 0: there is none."""
    segments: dict[str, RuleSegment] = Field(min_length=1)
    """Key → rule."""
    described_by: tuple[str, ...] = ("recency_days", "frequency", "monetary")
    """Features that profile the segments."""
    naming: Naming = Field(default_factory=Naming)
    """Words and units of the features."""

    @model_validator(mode="after")
    def _refers_to_what_there_is(self, info: ValidationInfo) -> RuleSegmentation:
        faults = [
            f"{k}: {fault}"
            for k, rule in self.rules.items()
            for fault in invalid_references(rule.when, own=own_features(info))
        ]
        if NEW in self.segments and self.min_events:
            faults.append(f"'{NEW}' is the segment of min_events: choose another key")
        if faults:
            raise ValueError("; ".join(faults))
        # Raises for a cycle of references.
        order_of({key: rule.when for key, rule in self.rules.items()})
        return self

    @property
    def rules(self) -> dict[str, RuleSegment]:
        """Returns all segments: those given, and `new`."""
        if not self.min_events:
            return self.segments
        few = Attribute(attribute="n_events", below=self.min_events)
        label = f"people of fewer than {self.min_events} events"
        return {**self.segments, NEW: RuleSegment(label=label, when=few)}

    @property
    def profiled(self) -> tuple[str, ...]:
        """Returns all features of the profiles."""
        return self.described_by

    @property
    def exclusive(self) -> bool:
        """Returns whether a user has one segment of this segmentation at most."""
        return False


class HierarchicalSegmentation(FeatureSegmentation):
    """Levels of nested segments: every segment of a level lies within one of the level above."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name; segments are called `<name>-<level>-<number>`, level 1 is the coarsest."""
    kind: Literal["hierarchical"] = "hierarchical"
    """How segments are found."""
    levels: tuple[int, ...] = Field(default=(3, 8), min_length=1)
    """Numbers of segments, from coarse to fine."""
    linkage: Literal["ward", "average", "complete", "single"] = "ward"
    """How the distance of two groups is measured when they are merged."""
    max_exact: int = Field(default=3_000, ge=2, le=10_000)
    """Up to so many users the tree is built over the users themselves."""
    leaves: Literal["kmeans", "bisecting"] = "kmeans"
    """What the tree is built over when there are more users."""
    n_leaves: int = Field(default=300, ge=2, le=2_000)
    """How many of them."""

    @model_validator(mode="after")
    def _consistent(self) -> HierarchicalSegmentation:
        if list(self.levels) != sorted(set(self.levels)) or self.levels[0] < 2:
            raise ValueError(f"levels should grow, from 2 segments up: {list(self.levels)}")
        if self.levels[-1] >= self.n_leaves:
            raise ValueError("n_leaves should be more than the segments of the finest level")
        return self

    @property
    def exclusive(self) -> bool:
        """Returns whether a user has one segment of this segmentation at most."""
        return len(self.levels) == 1


Segmentation = KMeansSegmentation | RuleSegmentation | HierarchicalSegmentation
KINDS: dict[str, type[Segmentation]] = {
    "kmeans": KMeansSegmentation,
    "rules": RuleSegmentation,
    "hierarchical": HierarchicalSegmentation,
}


class _Kind(Section):
    model_config = ConfigDict(extra="ignore")
    kind: Literal["kmeans", "rules", "hierarchical"] = "kmeans"


def load_segmentation(
    name: str, conf_dir: Path | None = None, own: Sequence[str] | None = None
) -> Segmentation:
    """Returns conf/segments/<name>.yaml as the model of its kind.

    It may name `own` features, without them those of conf/features. Raises ConfigError when there
    is no such file, and for what cannot be carried out.
    """
    kind = load_named("segments", name, _Kind, conf_dir).kind
    if own is None:
        own = [feature.name for feature in load_own_features(conf_dir)]
    return load_named("segments", name, KINDS[kind], conf_dir, {"own_features": own})
