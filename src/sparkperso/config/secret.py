"""Secrets come from environment variables, or from files that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparkperso.core.errors import ConfigError


def read_secret(variable: str, environ: Mapping[str, str]) -> str | None:
    """Returns the secret in `variable`, or in the file that `<variable>_FILE` names.

    A file goes first, and loses the white space around its text. None when neither is set. Raises
    ConfigError for a file that cannot be read.

    >>> read_secret("KEY", {"KEY": "abc"}), read_secret("KEY", {})
    ('abc', None)
    """
    path = environ.get(f"{variable}_FILE")
    if not path:
        return environ.get(variable) or None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{variable}_FILE should name a file that holds a secret", str(error)
        ) from None
