"""The settings of models of sessions: what comes next."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sparkperso.core.section import Section


class SessionKnnParams(Section):
    """VMIS-kNN (Kersbergen et al. 2022), and what came right after the last item."""

    model: Literal["session_knn"] = "session_knn"
    max_sessions: int = Field(default=1_000_000, ge=1)
    """Latest sessions that the index holds."""
    n_candidates: int = Field(default=2000, ge=1)
    """Latest sessions that are compared with one."""
    n_neighbours: int = Field(default=500, ge=1)
    """Most similar of them whose items count."""
    max_items: int = Field(default=50, ge=1)
    """Latest events of a session that count."""
    n_followers: int = Field(default=100, ge=1)
    """Items kept per item that came right after it."""
    transitions: float = Field(default=2.0, ge=0)
    """Weight of the share of the last item's followers, beside scores of at most 1."""


class ItemToItemParams(Section):
    """The items that are most often in the same sessions as the last one, by cosine."""

    model: Literal["item_to_item"] = "item_to_item"
    n_neighbours: int = Field(default=100, ge=1)
    """Neighbours kept per item."""


class PopularityParams(Section):
    """The items of the most sessions."""

    model: Literal["popularity"] = "popularity"
    n_items: int = Field(default=1000, ge=1)
    """Items that are kept."""


SessionParams = Annotated[
    SessionKnnParams | ItemToItemParams | PopularityParams, Field(discriminator="model")
]


class SessionsConfig(Section):
    """How models of sessions are chosen: on the latest of the sessions that they learn from."""

    space: tuple[SessionParams, ...] = Field(
        default=(
            *(
                SessionKnnParams(
                    n_candidates=candidates, n_neighbours=neighbours, transitions=transitions
                )
                for candidates, neighbours in ((500, 100), (2000, 500))
                for transitions in (0.0, 0.5, 2.0, 5.0)
            ),
            ItemToItemParams(),
            PopularityParams(),
        ),
        min_length=1,
    )
    """Candidates; of each model the best is reported."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the sessions, the latest, that candidates are judged by."""
    validation_events: int = Field(default=20_000, ge=1)
    """At most so many events are predicted in validation, those of the earliest sessions of it."""
    max_sessions: int = Field(default=2_000_000, ge=1)
    """Latest sessions of a benchmark's part, or of gold/session_index; one process holds them, with
    about 20 bytes for each of their events."""
    max_events: int = Field(default=1000, ge=2)
    """Latest events of a session that count; a longer one is hardly a person's."""
    served: SessionKnnParams = Field(default_factory=SessionKnnParams)
    """The model that a finished lake answers with (docs/python.md)."""
