"""The keys of pseudonyms, with their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sparkperso.config.privacy import PrivacyConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError

LOCAL = "local"
MIN_CHARACTERS = 32


@dataclass(frozen=True)
class Keys:
    """Secrets by key id, and for every key the chain of keys that a value goes through.

    A chain is the ids of a key and of all before it, the oldest first. Secrets are left out of what
    is printed.
    """

    secrets: Mapping[str, bytes] = field(repr=False)
    chains: Mapping[str, tuple[str, ...]]
    current: str


def load_keys(config: PrivacyConfig, env: str, environ: Mapping[str, str]) -> Keys:
    """Returns all configured keys with their secrets, from the environment or a file it names.

    In the environment `local` a key may bring its own. Raises ConfigError for a secret that is
    missing or shorter than MIN_CHARACTERS, and for two keys that share one.
    """
    secrets = {key_id: _secret(config, key_id, env, environ) for key_id in config.keys}
    if len(set(secrets.values())) < len(secrets):
        raise ConfigError(
            "Every key of privacy.keys should have a secret of its own",
            "Two keys share one",
            "Make another, for example by: openssl rand -hex 32",
        )
    return Keys(secrets, {key_id: config.chain(key_id) for key_id in config.keys}, config.current)


def _secret(config: PrivacyConfig, key_id: str, env: str, environ: Mapping[str, str]) -> bytes:
    key = config.keys[key_id]
    secret = read_secret(key.from_env, environ)
    if secret is None and env == LOCAL:
        secret = key.secret
    if secret is None or len(secret) < MIN_CHARACTERS:
        raise ConfigError(
            f"{key.from_env} should hold the secret of the pseudonym key '{key_id}', of "
            f"{MIN_CHARACTERS} characters or more",
            "It is not set" if secret is None else f"It has {len(secret)} characters",
            f"Set it, or {key.from_env}_FILE to a file that holds it "
            "(openssl rand -hex 32 makes one); without it, people cannot be recognised again",
        )
    return secret.encode()
