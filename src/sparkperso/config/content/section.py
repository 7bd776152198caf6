"""The section `serving`: what holds for everything that is shown."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sparkperso.core.section import Section

ANY = "any"
"""Stands for every channel, or every language, that is not named."""
LANGUAGE = r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$"


def _small(tag: Any) -> Any:
    if tag is False:
        raise ValueError("YAML reads no as false: the language stands in quotes, 'no'")
    return tag.lower() if isinstance(tag, str) else tag


Language = Annotated[
    str,
    BeforeValidator(_small),
    Field(pattern=LANGUAGE, max_length=35),
]
"""A language tag (BCP 47) in small letters: `de`, `de-at`."""


class ServingConfig(Section):
    """What people are shown."""

    consent: str = Field(default="required", pattern=r"^(required|assumed: \S.*)$")
    """Whether personalisation needs a yes of its person (`required`), or which legal basis it has
    otherwise (`assumed: …`); a no holds in either case."""
    default_language: Language = "en"
    """The language that is shown where content has none of the reader's."""
    trusted_content: bool = False
    """Whether content may say `trusted: true`: its HTML is then shown as it is written, scripts and
    all. Without, such a file is refused."""
