"""The section `mail`: what holds for every mail, and the server that takes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from sparkperso.core.section import Section

URL = r"^https?://[^\s?#\"'<>\\]+$"
ITEM_ID = "{item_id}"


class SmtpConfig(Section):
    """The server that mails are handed to, and how fast."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Its name or address; `--smtp` names another."""
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`: plain at first, refused where the server offers no TLS; `tls`: from the first
    byte (port 465); `none`: for a server on this machine."""
    username: str | None = None
    """Name to log in with; None: without a login."""
    password_env: str = "SPARKPERSO_SMTP_PASSWORD"
    """Environment variable that holds the password; with `_FILE` after it, one that names a
    file."""
    per_second: float = Field(default=10.0, gt=0)
    """Mails per second, at most."""
    attempts: int = Field(default=3, ge=1, le=20)
    """How often a mail is tried that the server does not take for now (4xx, no connection)."""
    wait_seconds: float = Field(default=2.0, ge=0)
    """Before the second attempt; before each later one twice as long."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """How long to wait for an answer."""

    @model_validator(mode="after")
    def _keeps_its_password(self) -> SmtpConfig:
        if self.username is not None and self.security == "none":
            raise ValueError("with a username, security is starttls or tls: a password goes along")
        return self


class MailConfig(Section):
    """What mails look like to those who get them, and who gets them."""

    consent: str = Field(default="required", pattern=r"^(required|assumed: \S.*)$")
    """Whether marketing mails need a yes of their person to marketing (`required`), or which legal
    basis they have otherwise (`assumed: …`); a no holds in either case."""
    shop_url: str | None = Field(default=None, pattern=URL)
    """Where links without a host lead (`/sale`): they mean nothing in a mail."""
    item_url: str | None = Field(default=None, pattern=r"^https?://[^\s\"'<>\\]+$")
    """Address of an item's page, with `{item_id}` where its id stands."""
    picture_attributes: tuple[str, ...] = ("image_url", "picture")
    """Attributes of silver/items that hold the address of an item's picture, the first that is
    there; https alone."""
    max_html_bytes: int = Field(default=102_000, ge=1_000)
    """Gmail cuts off what is longer, with the link to unsubscribe; such mails are told of."""
    smtp: SmtpConfig = Field(default_factory=SmtpConfig)

    @field_validator("item_url")
    @classmethod
    def _names_the_item(cls, url: str | None) -> str | None:
        if url is not None and url.count(ITEM_ID) != 1:
            raise ValueError(f"should hold {ITEM_ID} once, where the item's id stands")
        return url
