"""What a check of the doctor finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparkperso.config import Settings


@dataclass(frozen=True)
class Finding:
    """What one check found; only `missing` makes the doctor's exit status 1."""

    what: str
    status: str
    text: str


Check = Callable[[Settings], tuple[str, str]]
"""Returns status (ok or note) and what was found; raises SparkpersoError when it is missing."""


def existing(place: str) -> Path:
    """Returns the place, or the nearest folder above it that is there."""
    path = Path(place).resolve()
    return next(folder for folder in (path, *path.parents) if folder.exists())
