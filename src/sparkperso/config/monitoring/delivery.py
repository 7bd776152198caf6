"""Who is told of alerts, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sparkperso.config.segments import NAME
from sparkperso.config.triggers import VARIABLE
from sparkperso.core.section import Section

Address = Annotated[str, Field(pattern=r"^[^@\s<>,]+@[^@\s<>,]+$", max_length=254)]


class ChannelConfig(Section):
    """One place that alerts are sent to."""

    name: str = Field(pattern=NAME, max_length=60)
    kind: Literal["webhook", "slack", "email"]
    """webhook: a signed message for each alert (Standard Webhooks); slack: one message in the form
    that Slack, Mattermost and others take; email: one mail to each of `to`, by mail.smtp."""
    severity: Literal["warning", "critical"] = "warning"
    """Alerts below it are not sent."""
    url: str | None = None
    """Where it is sent: a host of outbound.allowed_hosts."""
    url_env: str | None = Field(default=None, pattern=VARIABLE)
    """Environment variable that holds the address, in place of `url`: Slack's are secret."""
    secret_env: str | None = Field(default=None, pattern=VARIABLE)
    """Of a webhook: variable with the secret (`whsec_…`) that messages are signed with."""
    previous_secret_env: str | None = Field(default=None, pattern=VARIABLE)
    """Of a webhook: the variable of the secret before; while it is set, both sign."""
    to: tuple[Address, ...] = ()
    """Of e-mail: who gets it."""
    sender: Address | None = None
    """Of e-mail: whom it is from."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ChannelConfig:
        is_mail = self.kind == "email"
        if is_mail and not (self.to and self.sender):
            raise ValueError(f"channel {self.name}: email needs 'to' and 'sender'")
        if not is_mail and (self.url is None) == (self.url_env is None):
            raise ValueError(f"channel {self.name}: give url or url_env")
        if (self.kind == "webhook") != (self.secret_env is not None):
            raise ValueError(f"channel {self.name}: secret_env is for webhooks, which need it")
        return self


class AlertsConfig(Section):
    """Delivery of alerts by `sparkperso alerts send`."""

    channels: tuple[ChannelConfig, ...] = ()
    repeat_hours: float = Field(default=24.0, gt=0)
    """An alert that goes on is sent again after so long; one that becomes critical, at once."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often a message is tried; what fails is due at the next `send` again."""
    wait_seconds: float = Field(default=2.0, ge=0, le=60)
    """Before the second attempt; before each later one twice as long."""

    @field_validator("channels")
    @classmethod
    def _have_names(cls, channels: tuple[ChannelConfig, ...]) -> tuple[ChannelConfig, ...]:
        names = [channel.name for channel in channels]
        if len(set(names)) < len(names):
            raise ValueError("channels should have names of their own")
        return channels
