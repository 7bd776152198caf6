"""The settings of models of sessions: what comes next."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.core.section import Section


class SessionKnnParams(Section):
    """VMIS-kNN (Kersbergen et al. 2022), and what came right after the last item."""

    model: Literal["session_knn"] = "session_knn"
    max_sessions: int = Field(default=1_000_000, ge=1)
    """Latest sessions that the index holds."""
    n_candidates: int = Field(default=500, ge=1)
    """Latest sessions that are compared with one."""
    n_neighbours: int = Field(default=100, ge=1)
    """Most similar of them whose items count."""
    max_items: int = Field(default=50, ge=1)
    """Latest events of a session that count."""
    n_followers: int = Field(default=100, ge=1)
    """Items kept per item that came right after it."""
    transitions: float = Field(default=0.5, ge=0)
    """Weight of the share of the last item's followers, beside scores of at most 1."""
