"""The key `bandit` of an experiment, or of a slot: shares of variants that follow a metric."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparkperso.config.content.window import Moment
from sparkperso.config.experiments.variants import Name
from sparkperso.core.section import Section

DEFAULT_FLOOR = 0.05


class Bandit(Section):
    """Shares that `analyze-experiments` sets anew by Thompson sampling, and `publish` hands on."""

    metric: Name
    """Metric of conf/metrics that shares follow: a proportion, or a ratio of two counts."""
    by: Name | None = None
    """Segmentation of segments.segmentations: each of its segments has shares of its own."""
    floor: float = Field(default=DEFAULT_FLOOR, ge=0.001, lt=0.5)
    """Least share of a variant: tastes change, and what is never shown is never known."""
    recent_days: float | None = Field(default=None, gt=0, le=365)
    """What was shown before that many days ago counts no more; all counts, if not given."""


class SlotBandit(Bandit):
    """A bandit on the content of a slot: the experiment `slot-NAME`, which no other file has."""

    contents: Annotated[tuple[Name, ...], Field(min_length=2, max_length=20)]
    """Contents of conf/content that it chooses from. The slot's default is the baseline, if it is
    one of them, else the first."""
    start: Moment
    """What was shown before does not count."""
    end: Moment | None = None
    """From then on rules say what the slot shows, as without the bandit."""
    unit: Literal["user", "anonymous_id"] = "user"
    """Which id is dealt out: the person's, or the browser's."""
    version: int = Field(default=1, ge=1, le=10_000)
    """Raised to begin anew: what was counted before counts no more."""

    @model_validator(mode="after")
    def _names_each_once(self) -> SlotBandit:
        if len(set(self.contents)) < len(self.contents):
            raise ValueError("contents: name each once")
        return self
