"""The section `collect`: sites and their keys, limits, sinks and cookies of the collector."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sparkperso.config.connections import ConnectionLimits
from sparkperso.core.event import Channel
from sparkperso.core.section import Section

PROXIES = ("127.0.0.0/8", "::1")
"""Proxies on the same machine, which are trusted unless the configuration says otherwise."""
PUBLIC_URL = r"^https?://[A-Za-z0-9.-]+(:\d{1,5})?$"


class SiteConfig(Section):
    """One web site, app or server that sends events, and the keys that it sends with.

    A write key stands in pages and apps, so that it proves nobody; a server key is a secret.
    """

    write_key: str | None = None
    """The key itself; only for `--env local`, where it is no secret."""
    write_key_env: str | None = None
    """Environment variable that holds the key; with `_FILE` after it, one that names a file."""
    server_key: str | None = None
    """The key of the site's own servers itself; only for `--env local`."""
    server_key_env: str | None = None
    """Variable (or, with `_FILE`, file) of the key of the site's own servers: a secret, which may
    also read decisions, and agree for a user_id. A write key in a page or an app may neither."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may send: `https://shop.example`, `http://localhost:*`. A request that
    names no origin comes from a server or an app, and needs the key alone."""
    consent: str = Field(default="required", pattern=r"^(required|assumed: .+)$")
    """`required`: an event is taken when its person agreed to its purpose;
    `assumed: <legal basis>`: every event is taken."""
    channel: Channel = "web"
    """Channel of events that name none."""

    @model_validator(mode="after")
    def _has_keys(self) -> SiteConfig:
        pairs = ((self.write_key, self.write_key_env), (self.server_key, self.server_key_env))
        # Each kind is written or named by a variable, not both; and there is one of either kind.
        if any(None not in pair for pair in pairs) or not any(any(pair) for pair in pairs):
            raise ValueError("give one of write_key and write_key_env, or of server_key and …_env")
        return self


class LimitsConfig(ConnectionLimits):
    """What one request, one event and one key may ask for. Times are seconds, sizes bytes."""

    max_events: int = Field(default=500, ge=1)
    """Events per request."""
    max_event_bytes: int = Field(default=65_536, ge=256)
    """Bytes of an event as JSON; ingest.max_payload_bytes refuses longer ones."""
    max_recording_bytes: int = Field(default=1_048_576, ge=256)
    """Bytes of an event of type session_recording."""
    max_depth: int = Field(default=16, ge=2, le=64)
    """Levels of nesting within metadata or context."""
    max_values: int = Field(default=10_000, ge=1)
    """Keys and elements of lists in metadata and context of one event, at all levels."""
    events_per_second: float = Field(default=50_000.0, gt=0)
    """Events per second and site, on the average; more are answered with 429."""
    events_per_second_and_address: float = Field(default=5_000.0, gt=0)
    """Of these, events per second from one address; a server's key (server_key) is not counted."""
    decisions_per_second_and_address: float = Field(default=20.0, gt=0)
    """Decisions on consent per second from one address; those count for no site's events."""


class SpoolConfig(Section):
    """The local sink: lines appended to files, which are handed over when full or old."""

    path: str | None = None
    """Folder; None means `<lake.root>/_spool`."""
    fsync: Literal["group", "each", "none"] = "group"
    """`group`: requests that wait together share one fsync; `each`: one per request; `none`: left
    to the operating system, so that a power failure may lose what was accepted."""
    rotate_seconds: float = Field(default=5.0, gt=0)
    """A file is handed over when it is this old."""
    rotate_bytes: int = Field(default=67_108_864, ge=1024)
    """A file is handed over when it is this long."""
    max_pending_bytes: int = Field(default=33_554_432, ge=1024)
    """Bytes that may wait for the disk; more are answered with 503."""


class KafkaConfig(Section):
    """The sink for scale: one topic of events, keyed by user."""

    bootstrap: str = "127.0.0.1:9092"
    """Brokers to begin with, `host:port,host:port`."""
    topic: str = "sparkperso.events"
    """Topic of the events."""
    recordings_topic: str = "sparkperso.recordings"
    """Topic of session recordings, which are stored apart."""
    decisions_topic: str = "sparkperso.decisions"
    """Topic of what the personalisation API decided."""
    delivery_seconds: float = Field(default=10.0, gt=0)
    """How long the brokers may take; then the request is answered with 503."""
    max_pending_bytes: int = Field(default=33_554_432, ge=1024)
    """Bytes that may wait for the brokers; more are answered with 503."""


class CookieConfig(Section):
    """The first-party cookie that holds the anonymous id, set after consent only."""

    name: str = Field(default="sp_anon", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the cookie."""
    days: int = Field(default=180, ge=1, le=400)
    """Lifetime; browsers keep no cookie longer than 400 days."""
    same_site: Literal["Lax", "Strict", "None"] = "Lax"
    """SameSite; `None` lets pages of other sites send it."""
    domain: str | None = None
    """Domain that shares it; None: the collector's own host."""


class ShopConfig(Section):
    """The demo shop over the personalisation API: `sparkperso shop` fills it in."""

    api: str | None = Field(default=None, pattern=PUBLIC_URL)
    """Address of the API as browsers reach it; None: the shop shows its own content."""
    token: str | None = None
    """What its server asks the API with; only for `--env local`, where it is no secret."""
    customers: dict[str, str] = Field(default_factory=dict)
    """Users that a visitor of the demo may sign in as → what is shown for them."""
    products: str | None = None
    """File of what the shop sells, a JSON object per line, what sells most first: item_id, title,
    category, price. None: what the demo's own pages know."""
    currency: str = Field(default="GBP", pattern="^[A-Z]{3}$")
    """Of those prices (ISO 4217)."""


class RecentConfig(Section):
    """What people did a moment ago, as the collector tells the serving store (`collect.overlay`).

    Only of people who agreed to personalisation, or need not be asked.
    """

    event_types: tuple[str, ...] = (
        "item_view",
        "click",
        "add_to_cart",
        "remove_from_cart",
        "purchase",
        "dismiss",
    )
    """Types of events that are told, where they have an item_id."""
    items: int = Field(default=50, ge=1, le=200)
    """Events of one person, the latest ones."""
    hours: float = Field(default=6.0, gt=0, le=168)
    """How long they are kept."""
    flush_seconds: float = Field(default=0.2, ge=0.01, le=10)
    """How long an event waits for others, to be written with them; decisions on consent do not."""
    max_pending: int = Field(default=50_000, ge=1)
    """Events that may wait for the store; beyond, the oldest are dropped, and counted."""


class CollectConfig(Section):
    """The collector."""

    public_url: str | None = Field(default=None, pattern=PUBLIC_URL)
    """Address at which browsers reach the collector, such as `https://collect.shop.example`. The
    cookie is Secure unless it begins with `http:`; the demo's pages answer to its host, beside
    `localhost` and plain addresses. No header that a client or a proxy sends decides this."""

    sink: Literal["spool", "kafka"] = "spool"
    """Where accepted events go."""
    sites: dict[str, SiteConfig] = Field(default_factory=dict)
    """Name → site; `SPARKPERSO__COLLECT__SITES__<NAME>__WRITE_KEY_ENV` names a key's variable."""
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    spool: SpoolConfig = Field(default_factory=SpoolConfig)
    kafka: KafkaConfig = Field(default_factory=KafkaConfig)
    cookie: CookieConfig = Field(default_factory=CookieConfig)
    shop: ShopConfig = Field(default_factory=ShopConfig)
    overlay: bool | Literal["if_installed"] = False
    """Whether decisions on personalisation and recent events are told to the serving store
    (`store`), so that the API heeds them at once; `if_installed`: where the extra `serve` is."""
    recent: RecentConfig = Field(default_factory=RecentConfig)
    trusted_proxies: tuple[str, ...] = PROXIES
    """Addresses or networks (CIDR) of proxies whose X-Forwarded-For says who sends; limits per
    address are counted by it. A proxy that is missing here counts as one sender."""
    region_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """Header in which a trusted proxy gives the country (`CF-IPCountry`); None: the event's own
    context.country says, else nothing does and the strictest rule holds."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        return networks(proxies)


def networks(proxies: tuple[str, ...]) -> tuple[str, ...]:
    """Returns addresses and networks as they are; raises ValueError for what is neither."""
    for proxy in proxies:
        ip_network(proxy, strict=False)  # its message names what it found
    return proxies
