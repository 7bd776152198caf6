"""The section `recommend`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.section import Section


class RecommendConfig(Section):
    """How recommenders are trained and their lists built."""

    seed: int = Field(default=42, ge=0)
    """Seed of factors, samples and the bootstrap."""
