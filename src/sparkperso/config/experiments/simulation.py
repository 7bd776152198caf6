"""The section `simulation`: the people of `sparkperso simulate`, and what is known of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sparkperso.core.section import Section

Probability = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weights = Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
LARGEST_EFFECT = 1.0


class EffectsConfig(Section):
    """What the variants of experiments really do: lifts, 0.2 is a fifth more than the baseline."""

    hero: float = Field(default=0.3, ge=-0.9, le=LARGEST_EFFECT)
    """Of the offers in the hero on the probability of a click on it."""
    hero_countries: dict[str, Annotated[float, Field(ge=-0.9, le=LARGEST_EFFECT)]] = Field(
        default_factory=dict
    )
    """Country → the same of its people, in place of `hero`: what works differently in segments."""
    checkout: float = Field(default=0.15, ge=-0.9, le=LARGEST_EFFECT)
    """Of the short checkout on the probability that a checkout becomes an order."""


class TastesConfig(Section):
    """What people like. The logit of a click grows by each of the strengths times its part."""

    dimensions: int = Field(default=8, ge=1, le=100)
    """Length of the hidden vectors of people and items."""
    categories: int = Field(default=10, ge=1, le=1000)
    """Items of a category lie near each other."""
    affinity: float = Field(default=1.4, ge=0, le=10)
    """Strength of the affinity of person and item, whose standard deviation is 1."""
    popularity: float = Field(default=0.5, ge=0, le=10)
    """Strength of what everybody likes about an item, whose standard deviation is 1."""


class ProbabilitiesConfig(Section):
    """What somebody of average taste does with an average item, given that it is seen."""

    click: Probability = 0.012
    """An item of a list is clicked."""
    hero: Probability = 0.15
    """The hero is clicked."""
    cart: Probability = 0.1
    """An item that is looked at is put into the cart."""
    order: Probability = 0.5
    """A checkout becomes an order."""
    looks_down: float = Field(default=0.12, ge=0, le=10)
    """How fast attention falls down a list: place r is seen with probability 1 / (1 + this (r - 1))
    (the position-based model; Craswell and others 2008)."""


class ConsentShares(Section):
    """What people answer a banner at their first visit. The rest never answers."""

    all: Share = 0.75
    """Analytics and personalisation."""
    analytics: Share = 0.1
    """Analytics alone."""
    nothing: Share = 0.1
    """A no to both."""

    @model_validator(mode="after")
    def _are_shares(self) -> ConsentShares:
        if self.all + self.analytics + self.nothing > 1 + 1e-9:
            raise ValueError("all, analytics and nothing add up to 1 at most")
        return self


class SimulationConfig(Section):
    """How people of the simulated shop live, and when its batch jobs run."""

    visits_per_day: float = Field(default=0.25, gt=0, le=20)
    """Visits of a person and day, on the average."""
    visits_spread: float = Field(default=0.6, ge=0, le=3)
    """Standard deviation of the logarithm of that, among people."""
    own_views: float = Field(default=2.0, ge=0, le=50)
    """Items that a visit finds by itself, by search and menus, on the average."""
    list_length: int = Field(default=8, ge=1, le=50)
    """Places of the list of the shop's page."""
    history_days: int = Field(default=14, ge=1, le=365)
    """Days before the first one on which anything is shown: what models first learn from."""
    refresh_days: int = Field(default=7, ge=1, le=365)
    """After so many days the batch jobs run again, and publish."""
    tastes: TastesConfig = Field(default_factory=TastesConfig)
    probabilities: ProbabilitiesConfig = Field(default_factory=ProbabilitiesConfig)
    effects: EffectsConfig = Field(default_factory=EffectsConfig)
    consent: ConsentShares = Field(default_factory=ConsentShares)
    devices: Weights = Field(
        default_factory=lambda: {"mobile": 0.55, "desktop": 0.37, "tablet": 0.08}
    )
    """Type of device → weight. A person has one or two."""
    countries: Weights = Field(
        default_factory=lambda: {"GB": 0.5, "DE": 0.2, "FR": 0.1, "US": 0.15, "BR": 0.05}
    )
    """Country → weight."""
