"""What lists that were shown tell of models that did not make them: `recommend.off_policy`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.core.section import Section


class OffPolicyConfig(Section):
    """Which decisions of silver/decisions judge the models of a training, and what they earned."""

    enabled: bool = True
    """Whether they are looked at. Without decisions nothing is looked at in any case."""
    rewards: tuple[str, ...] = Field(default=("click",), min_length=1)
    """Event types that a place earns 1 by, once: events that name the decision and the item."""
    slots: tuple[str, ...] = ()
    """Slots whose lists count beside lists of kind `new`, which are asked for by themselves."""
