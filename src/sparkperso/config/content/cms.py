"""The section `cms`: content from content management systems, and which field holds what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sparkperso.config.content.section import Language
from sparkperso.config.segments import NAME
from sparkperso.core.event import Channel
from sparkperso.core.section import Section
from sparkperso.core.urls import read_url

PATH = r"^[A-Za-z_$][\w$-]*(\.([\w$-]+|\*))*$"
FieldPath = Annotated[str, Field(pattern=PATH, max_length=200)]
"""A field of an entry, and fields within it: `image.file.url`; `*` is each of a list:
`segments.*.key`, a number one of them."""
BodyMap = FieldPath | dict[str, FieldPath]
"""A field that holds a body, or an object of JSON that is made of several: `{title: headline}`."""
BodyMaps = dict[Channel | Literal["any"], BodyMap]
QUERY_NAME = r"^[A-Za-z_][A-Za-z0-9_.\[\]$-]*$"


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


QueryText = Annotated[str, BeforeValidator(_text), Field(max_length=200)]


class VariantMap(Section):
    """Which field of a variant holds what, where an entry's variants are a list of entries."""

    name: FieldPath = "name"
    """Its name."""
    weight: FieldPath = "weight"
    """Its part of the people; 1, where the field is empty."""
    bodies: BodyMaps = Field(default={"any": "body"})
    """Channel → field of its body."""


class FieldMap(Section):
    """Which field of an entry holds what of content; what an entry has not counts as not said."""

    name: FieldPath = "name"
    """The content_id: small letters, digits, `-` and `_`."""
    description: FieldPath = "description"
    """What it is."""
    slots: FieldPath = "slots"
    """Names of slots: a list, or a text with commas."""
    segments: FieldPath = "segments"
    """Segments whom it is for: a list, or a text with commas."""
    behaviours: FieldPath = "behaviours"
    """Conditions, as JSON."""
    preferences: FieldPath = "preferences"
    """Attribute → values, as JSON."""
    priority: FieldPath = "priority"
    """A whole number."""
    valid_from: FieldPath = "valid_from"
    """From when it may be shown."""
    valid_until: FieldPath = "valid_until"
    """Until when."""
    items: FieldPath = "items"
    """A list that stands with it: its kind, or `{kind, n}` as JSON."""
    bodies: BodyMaps = Field(default={"any": "body"}, min_length=1)
    """Channel → field of its body."""
    variants: FieldPath = "variants"
    """Forms that are compared: entries, or JSON as in conf/content."""
    variant: VariantMap = Field(default_factory=VariantMap)
    """Of variants that are entries: which of their fields holds what."""


class WebhookConfig(Section):
    """How a content management system says that something changed."""

    secret_env: str
    """Environment variable that holds the secret, of 16 characters or more; with `_FILE` after it,
    one that names a file."""
    check: Literal["header", "contentful"] = "header"
    """`header`: the secret stands in a header; `contentful`: it signs the request (Contentful's
    request verification)."""
    header: str = Field(default="x-webhook-secret", pattern=r"^[a-z0-9-]+$")
    """The header of `check: header`, in lower case."""
    path: str | None = Field(default=None, pattern=r"^/[!-~]*$")
    """Of `check: contentful`: the path that is called, where a proxy between changes it."""
    max_age_seconds: float = Field(default=60.0, gt=0, le=3600)
    """Of `check: contentful`: a request that was signed earlier is refused."""
    delay_seconds: float = Field(default=1.0, ge=0, le=60)
    """How long to wait before the content is fetched: further calls within it are one."""


class _Source(Section):
    """What all systems have in common."""

    base_url: str
    """Address of the system; its host stands in outbound.allowed_hosts too."""
    token_env: str | None = None
    """Environment variable that holds the token of its API, with `_FILE` after it one that names a
    file; None: it asks for none."""
    slots: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    """Slots of entries that name none."""
    fields: FieldMap = Field(default_factory=FieldMap)
    """Which field of an entry holds what."""
    languages: dict[str, Language | Literal["any"]] = Field(default_factory=dict)
    """The system's locale → language; others are taken as they are written: `de-DE` is `de-de`."""
    query: dict[Annotated[str, Field(pattern=QUERY_NAME)], QueryText] = Field(default_factory=dict)
    """Parameters that are added to its address."""
    trusted: bool = False
    """Whether its HTML is shown as it is written; only where serving.trusted_content allows it."""
    refresh_seconds: float | None = Field(default=None, gt=0)
    """How often it is asked; None: cms.refresh_seconds."""
    webhook: WebhookConfig | None = None
    """How it says that something changed; None: it does not."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        try:
            where = read_url(url)
        except ValueError as error:
            raise ValueError(f"the address {error}") from None
        if where.scheme not in ("https", "http") or {"?", "#"} & set(url):
            raise ValueError("should be https:// (or http://) with a host, and no query")
        return url.rstrip("/")


class ContentfulSource(_Source):
    """Contentful, by its Content Delivery API."""

    kind: Literal["contentful"]
    base_url: str = "https://cdn.contentful.com"
    space: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Id of the space."""
    environment: str = Field(default="master", pattern=r"^[\w.-]+$")
    """Id of the environment."""
    content_type: str = Field(pattern=r"^[\w.-]+$")
    """Id of the content type whose entries are content."""
    include: int = Field(default=2, ge=0, le=10)
    """How deep links to other entries and assets are followed."""
    page_size: int = Field(default=100, ge=1, le=1000)
    """Entries of one request."""


class WagtailSource(_Source):
    """Wagtail, by its API of version 2."""

    kind: Literal["wagtail"]
    path: str = Field(default="/api/v2/pages/", pattern=r"^/[\w./-]*$")
    """Path of the API's pages."""
    type: str = Field(pattern=r"^\w+\.\w+$")
    """Model of the pages that are content: `shop.ModulePage`."""
    page_size: int = Field(default=20, ge=1, le=1000)
    """Entries of one request; WAGTAILAPI_LIMIT_MAX of the site bounds it (20)."""


class AemSource(_Source):
    """Adobe Experience Manager: content fragments, by a persisted query of its GraphQL API."""

    kind: Literal["aem"]
    persisted_query: str = Field(pattern=r"^[\w.-]+/[\w./-]+$")
    """The query, by its configuration and name: `shop/modules`."""
    locales: tuple[Annotated[str, Field(pattern=r"^[\w-]+$")], ...] = ()
    """Locales that are asked for, one after the other, by the query's variable `locale`."""


class StrapiSource(_Source):
    """Strapi, by its REST API, of version 5 or 4."""

    kind: Literal["strapi"]
    collection: str = Field(pattern=r"^[\w-]+$")
    """Plural API id of the collection: `modules`."""
    locales: tuple[Annotated[str, Field(pattern=r"^[\w-]+$")], ...] = ()
    """Locales that are asked for; () for the system's default alone."""
    page_size: int = Field(default=100, ge=1, le=1000)
    """Entries of one request; api.rest.maxLimit of the system bounds it (100)."""


Source = Annotated[
    ContentfulSource | WagtailSource | AemSource | StrapiSource, Field(discriminator="kind")
]


class CmsConfig(Section):
    """Content management systems, and the copies that are kept of what they say."""

    sources: dict[Annotated[str, Field(pattern=NAME, max_length=60)], Source] = Field(
        default_factory=dict
    )
    """Name → system. Where several have content of one name, the first one's counts; conf/content
    goes before all."""
    folder: str | None = None
    """Folder of the last good copies; None: `<lake.root>/_content`."""
    refresh_seconds: float = Field(default=300.0, gt=0)
    """How often a system is asked for changes."""
    jitter: float = Field(default=0.2, ge=0, le=1)
    """By which part of that the time varies, so that servers do not ask all at once."""
    seconds: float = Field(default=30.0, gt=0, le=600)
    """Time for all requests of one refresh; each is bounded by outbound.seconds as well."""
    max_entries: int = Field(default=1_000, ge=1, le=100_000)
    """Entries of a system, at most: of more, none is taken."""

    @model_validator(mode="after")
    def _signatures_are_contentfuls(self) -> CmsConfig:
        for name, source in self.sources.items():
            check = source.webhook and source.webhook.check
            if check == "contentful" and source.kind != "contentful":
                raise ValueError(f"{name}: 'check: contentful' is of Contentful alone")
        return self
