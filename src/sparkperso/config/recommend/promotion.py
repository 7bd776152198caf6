"""What a candidate must keep to become champion: `recommend.promotion`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.core.section import Section


class PromotionConfig(Section):
    """Floors of promote-model, beside a gain over popularity and over the champion."""

    in_run: bool = True
    """Whether `run` carries it out. Without, candidates stay candidates until `promote-model` or
    `refresh` decides: where an experiment is to say first which lists are better."""
    min_coverage: float = Field(default=0.01, ge=0, le=1)
    """Share of the catalogue that must stand in anybody's first k places on the test."""
    worst_bucket_share: float = Field(default=0.9, ge=0, le=2)
    """In every history bucket the candidate's metric must reach this share of the best
    popularity's. 1 would refuse for noise: with 50 users in a bucket, a tenth is chance."""
    min_bucket_users: int = Field(default=50, ge=1)
    """History buckets with fewer judged users say too little and do not count."""
    max_age_days: float = Field(default=30, gt=0)
    """Age of the training data (its as-of) at the as-of of promote-model, the latest event."""
