"""The section `features`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.section import Section


class FeaturesConfig(Section):
    """How user features are computed."""

    session_gap_minutes: int = Field(default=30, ge=1)
    """Inactivity that ends a derived session."""
