"""Channels as monitoring.alerts has them, held against hosts and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sparkperso.config import Settings
from sparkperso.config.monitoring.delivery import ChannelConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.services.http.outbound import OutboundError, check_url
from sparkperso.services.triggers.signature import read_key


@dataclass(frozen=True)
class ReadyChannel:
    """A channel that messages can be sent by."""

    config: ChannelConfig
    url: str = field(default="", repr=False)
    """Of webhooks and chats."""
    host: str = ""
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Of webhooks: what messages are signed with, the current one first."""


def ready_channels(settings: Settings, environ: Mapping[str, str]) -> list[ReadyChannel]:
    """Returns the channels; raises one ConfigError that lists all faults, without secrets."""
    found, faults = [], []
    for config in settings.monitoring.alerts.channels:
        try:
            found.append(_ready(config, settings, environ))
        except (ValueError, OutboundError, ConfigError) as error:
            faults.append(f"{config.name}: {error}")
    if faults:
        raise ConfigError(
            "Channels of monitoring.alerts should be sound",
            "; ".join(faults),
            "docs/monitoring.md says how one is written",
        )
    return found


def channel_named(channels: list[ReadyChannel], name: str) -> ReadyChannel:
    """Returns a channel; raises UsageError, with the nearest, for one that there is not."""
    for channel in channels:
        if channel.config.name == name:
            return channel
    names = [channel.config.name for channel in channels]
    raise UsageError(
        f"'{name}' should be a channel of monitoring.alerts: {', '.join(names) or 'none'}",
        "It is not",
        did_you_mean(name, names, "docs/monitoring.md says how one is written"),
    )


def _ready(config: ChannelConfig, settings: Settings, environ: Mapping[str, str]) -> ReadyChannel:
    if config.kind == "email":
        return ReadyChannel(config)
    url = config.url
    if config.url_env is not None:
        url = _secret(config.url_env, environ)
    try:
        host = check_url(url or "", settings.outbound).host
    except OutboundError as error:
        if config.url_env is None:
            raise
        # Its message may quote the address, which is a secret.
        raise ValueError(f"what {config.url_env} holds may not be called") from error
    variables = (config.secret_env, config.previous_secret_env)
    named = [name for name in variables if name is not None]
    secrets = [_secret(name, environ) for name in named[:1]]
    secrets += [one for name in named[1:] if (one := read_secret(name, environ))]
    return ReadyChannel(config, url or "", host, tuple(read_key(one) for one in secrets))


def _secret(variable: str, environ: Mapping[str, str]) -> str:
    secret = read_secret(variable, environ)
    if secret is None:
        raise ValueError(f"{variable} is not set")
    return secret
