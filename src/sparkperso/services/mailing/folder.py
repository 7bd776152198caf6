"""Mails as files: what would be sent, to be looked at, or to be fetched by another program."""

from __future__ import annotations

import os
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

from sparkperso.core.errors import JobError
from sparkperso.core.hashing import short_hash
from sparkperso.mail.message import Mail

LONGEST = 100
"""Characters of a file's name."""


class MailFolder:
    """A folder of `<user_id>.eml`; writing a mail again replaces it."""

    def __init__(self, folder: Path, *, with_html: bool = False) -> None:
        """Raises JobError for a folder that cannot be made."""
        self._folder, self._with_html = folder, with_html
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None

    def write(self, user_id: str, mail: Mail, message: EmailMessage) -> Path:
        """Writes one mail whole, and returns its file."""
        path = self._folder / f"{file_name(user_id)}.eml"
        try:
            _replace(path, message.as_bytes())
            if self._with_html:
                _replace(path.with_suffix(".html"), mail.html.encode())
        except OSError as error:
            raise _unwritable(path, error) from None
        return path


def file_name(user_id: str) -> str:
    """Returns a name that no other id has, and that is a file of its folder whatever the id is.

    >>> file_name("../u/1"), file_name("u-17")
    ('%2E.%2Fu%2F1', 'u-17')
    """
    name = quote(user_id, safe="", errors="surrogatepass")
    if len(name) > LONGEST:
        # Two percent signs: no id's own name has them.
        return f"%%{short_hash(user_id.encode('utf-8', 'surrogatepass'))}"
    return name.replace(".", "%2E", 1) if name.startswith(".") else name


def _replace(path: Path, data: bytes) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_bytes(data)
    half.replace(path)


def _unwritable(path: Path, error: OSError) -> JobError:
    return JobError(f"Mails should be written to '{path}'", error.strerror or str(error))
