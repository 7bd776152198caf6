"""The section `segments`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.section import Section


class SegmentsConfig(Section):
    """How segmentations are built."""

    seed: int = Field(default=42, ge=0)
    """Seed of the first start; further starts count up from it."""
