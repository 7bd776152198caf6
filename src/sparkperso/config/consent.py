"""The section `consent`: what people are asked, and what holds where nobody was asked."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from sparkperso.core.consent import PURPOSES, Purpose
from sparkperso.core.section import Section

Regime = Literal["opt_in", "opt_out"]
REGION = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"


class ConsentConfig(Section):
    """The consent policy: which regions need a yes (opt_in), and which a no ends (opt_out)."""

    policy_version: str = Field(default="1", pattern=r"^[\w.-]{1,32}$")
    """Version of the policy that people are shown; every decision is stored with it."""
    policy_url: str | None = None
    """Where the policy can be read."""
    purposes: dict[Purpose, str] = Field(default_factory=dict)
    """Purpose → what a banner says about it."""
    opt_in_regions: tuple[str, ...] = ()
    """Countries (ISO 3166-1: DE) or parts of them (ISO 3166-2: US-CA) where a purpose needs a yes;
    the part goes before the whole."""
    opt_out_regions: tuple[str, ...] = ()
    """Regions where it needs no yes, but a no, Global Privacy Control or Do Not Track ends it."""
    default: Regime = "opt_in"
    """What holds elsewhere, and where the region is not known."""

    @field_validator("purposes")
    @classmethod
    def _in_order(cls, texts: dict[Purpose, str]) -> dict[Purpose, str]:
        # All of them in one order, whatever is configured: a banner shows them so.
        return {purpose: texts.get(purpose, "") for purpose in PURPOSES}

    @field_validator("opt_in_regions", "opt_out_regions")
    @classmethod
    def _are_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [region for region in regions if not re.match(REGION, region)]
        if wrong:
            raise ValueError(f"no regions of ISO 3166: {wrong}")
        return regions

    def regime_of(self, region: str | None) -> Regime:
        """Returns which rule holds in a region (ISO 3166-1 or -2; None when it is not known).

        The rule of a part of a country goes before that of the country.
        """
        for name in (region, (region or "").partition("-")[0]):
            if name in self.opt_in_regions:
                return "opt_in"
            if name in self.opt_out_regions:
                return "opt_out"
        return self.default
