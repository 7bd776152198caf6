"""Secrets come from environment variables, or from files that they name, and are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkperso.core.errors import ConfigError

MASK = "********"
SECRET_KEY = re.compile(
    r"(secret|password|passwd|token|credential|(private|access|account).?key|jaas|\.sas\.|pgpass"
    r"|(write|server).?key$|(^|\.)key$|^privacy\.keys(\.\w+)?$)",
    re.I,
)
SECRET_IN_TEXT = re.compile(r"((?:password|secret|token)[^\s=]{0,64}=)[^\s;,]+", re.I)
LOGIN_IN_URI = re.compile(r"(?<=://)[^/@\s]+(?=@)")


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


def masked(keys: Sequence[str], value: Any) -> Any:
    """Returns the value, hidden when its name says that it is secret; logins in URIs as well.

    What a mapping or a list holds is looked at in the same way.

    >>> masked(("collect", "sites", "shop", "write_key"), "abc")
    '********'
    >>> masked(("tracking", "uri"), "https://anna:secret@mlflow.example")
    'https://********@mlflow.example'
    """
    if value is not None and SECRET_KEY.search(".".join(keys)):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked((*keys, str(key)), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(keys, inner) for inner in value]
    if not isinstance(value, str):
        return value
    return SECRET_IN_TEXT.sub(rf"\1{MASK}", LOGIN_IN_URI.sub(MASK, value))
