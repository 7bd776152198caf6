"""Says in words which file could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from sparkperso.core.causes import cause_of
from sparkperso.core.errors import JobError

UNREADABLE = re.compile(r"FAILED_READ_FILE|CANNOT_READ_FILE_FOOTER|CANNOT_READ_FOOTER")
FILE = re.compile(
    r"(?:reading|read) (?:the )?(?:file|footer for file)[: ]+(.+?)"
    r"(?:\.? +SQLSTATE|\. +(?=(?-i:[A-Z]))|\.?$)",
    re.IGNORECASE | re.MULTILINE,
)


@contextmanager
def unreadable_files_named() -> Iterator[None]:
    """Turns Spark's error about a file that cannot be read into a JobError that names it."""
    try:
        yield
    except Exception as error:
        text = str(error)
        if not UNREADABLE.search(text):
            raise
        named = FILE.search(text)
        file = unquote(named[1]).rstrip(".,:") if named else "a file"
        raise JobError(
            "Every file should be readable, in the format that its name or its source says",
            f"{file} cannot be read: {cause_of(error)}",
            "No event was written; replace or remove the file and start again",
        ) from error
