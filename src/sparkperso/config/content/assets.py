"""The form of conf/content/<name>.yaml: something that is shown, in its channels and languages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationInfo, model_validator

from sparkperso.config.content.html import sanitise
from sparkperso.config.content.section import ANY, Language
from sparkperso.config.content.slots import ItemList
from sparkperso.config.content.window import Window
from sparkperso.config.segments import NAME
from sparkperso.core.event import Channel
from sparkperso.core.section import Section
from sparkperso.rules.conditions import Attribute, Condition, Either, InSegment, Texts

CONTENT = "content"
"""The folder of conf/."""
Body = str | dict[str, Any] | list[Any]
"""A text is HTML, anything else JSON."""
BodyKey = tuple[str, str]
"""Channel and language, each possibly ANY."""
Bodies = dict[Channel | Literal["any"], dict[Language, Body]]
"""Channel → language → body."""


class Found(NamedTuple):
    """A body, and which one of the content's it is."""

    channel: str
    language: str
    body: Body


def format_of(body: Body) -> Literal["html", "json"]:
    """Returns what a body is."""
    return "html" if isinstance(body, str) else "json"


def size_of(body: Body) -> int:
    """Returns the length of a body as it is sent, in bytes of UTF-8."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return len(text.encode())


def places(channel: str, languages: Sequence[str], default_language: str) -> Iterator[BodyKey]:
    """Yields where a body is looked for, the first that is there is shown.

    The reader's languages in their order, each exactly and then without its region; then what is
    for every language; then the default language. Of each language the channel's own body goes
    before the one for every channel: who reads German is better served by it than by English.

    >>> list(places("web", ["de-at"], "en"))[:4]
    [('web', 'de-at'), ('any', 'de-at'), ('web', 'de'), ('any', 'de')]
    """
    exact = [part for language in languages for part in (language, language.partition("-")[0])]
    for language in dict.fromkeys([*exact, ANY, default_language]):
        yield (channel, language)
        yield (ANY, language)


class Variant(Section):
    """One of several forms of the same content, which people are divided between."""

    weight: float = Field(default=1, gt=0)
    """Its part of the people, compared with the others'."""
    bodies: Bodies = Field(default_factory=dict)
    """Bodies that it has instead of the content's own; the others it shares."""


class Tags(Section):
    """Whom content is for: it is shown to whoever fits all kinds of tags that are given.

    Within a kind any is enough.
    """

    segments: Texts | None = None
    """Segments by id, key or label."""
    behaviours: tuple[Condition, ...] = ()
    """Conditions, as in a rule."""
    preferences: dict[str, Texts] = Field(default_factory=dict)
    """Attribute → values: `top_category: [gifts]`."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Returns what must hold of whoever the content is for; () without tags."""
        liked = [Attribute(attribute=n, one_of=texts) for n, texts in self.preferences.items()]
        inside = [InSegment(segment=name) for name in self.segments or ()]
        kinds: tuple[Sequence[Condition], ...] = (inside, self.behaviours, liked)
        return tuple(
            kind[0] if len(kind) == 1 else Either(any=tuple(kind)) for kind in kinds if kind
        )


class Content(Section):
    """A content asset: a module, a banner, a block of a mail.

    Raises ValueError (pydantic's ValidationError is one) for a body that is empty, and for trusted
    HTML where the configuration allows none.
    """

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name: its content_id."""
    description: str = ""
    """What it is."""
    slots: Annotated[tuple[str, ...], Field(min_length=1)]
    """Where it may stand."""
    tags: Tags = Field(default_factory=Tags)
    """Whom it is for, without a rule; nobody in particular, where there are none."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Among the rules of its slots, for those whom its tags fit."""
    valid: Window = Field(default_factory=Window)
    """When it may be shown."""
    trusted: bool = False
    """Its HTML is shown as it is written; only where serving.trusted_content allows it."""
    bodies: Bodies = Field(default_factory=dict)
    """Channel → language → HTML (a text) or JSON; `any` stands for all that are not named."""
    items: ItemList | None = None
    """A list that stands with it."""
    variants: dict[Annotated[str, Field(pattern=NAME)], Variant] = Field(default_factory=dict)
    """Forms that are compared; the first is what people see who are in no comparison."""

    @model_validator(mode="after")
    def _has_bodies(self) -> Content:
        faults = [f"{key} is empty" for key, body in self._named() if _is_empty(self._clean(body))]
        if not faults and not all(self.bodies_of(name) for name in self.variants or (None,)):
            faults = ["there should be a body, in bodies or in every variant"]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _is_allowed(self, info: ValidationInfo) -> Content:
        if self.trusted and not (info.context or {}).get("trusted_content"):
            raise ValueError(
                "'trusted' is true, and serving.trusted_content is false: leave it out, or allow it"
            )
        return self

    @property
    def written(self) -> dict[str, str]:
        """Returns key → HTML as it is written, of every body that is HTML."""
        return {key: body for key, body in self._named() if isinstance(body, str)}

    def bodies_of(self, variant: str | None) -> dict[BodyKey, Body]:
        """Returns (channel, language) → body of a variant, None for the content's own.

        HTML is sanitised, but where it is trusted.
        """
        own = self.variants[variant].bodies if variant else {}
        return {
            (channel, language): self._clean(body)
            for bodies in (self.bodies, own)
            for channel, texts in bodies.items()
            for language, body in texts.items()
        }

    def _clean(self, body: Body) -> Body:
        return sanitise(body) if isinstance(body, str) and not self.trusted else body

    def _named(self) -> Iterator[tuple[str, Body]]:
        """Yields each body by its key: `bodies.web.en`, `variants.b.bodies.web.en`."""
        groups = [("bodies", self.bodies)]
        groups += [(f"variants.{n}.bodies", one.bodies) for n, one in self.variants.items()]
        for key, bodies in groups:
            for channel, texts in bodies.items():
                for language, body in texts.items():
                    yield f"{key}.{channel}.{language}", body


def _is_empty(body: Body) -> bool:
    return not (body.strip() if isinstance(body, str) else body)
