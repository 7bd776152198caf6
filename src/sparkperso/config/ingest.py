"""The section `ingest`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.section import Section


class IngestConfig(Section):
    """Bounds of one ingest run."""

    max_rejected_share: float = Field(default=0.2, ge=0, le=1)
    """A run that rejects a larger share of its records stops before silver is touched (exit 3)."""
