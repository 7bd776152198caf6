"""The manifest of a version: what it holds, of when, and what is checked before it is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from secrets import token_hex

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from sparkperso.core.errors import JobError
from sparkperso.core.times import now
from sparkperso.services.stores.records import FORMAT

STAMP = "%Y%m%dT%H%M%S"
NAME = re.compile(r"(\d{8}T\d{6})Z-[0-9a-f]{6}")


class BrokenVersionError(JobError):
    """A version is not whole, or not of this code's format: it is not opened (exit status 1)."""


class FileCheck(BaseModel):
    """What a file must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bytes: int
    sha256: str


class Facts(BaseModel):
    """What a publication knows of the version that it makes."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    read_at: AwareDatetime
    """When its tables were read: what changed later is not in it."""
    segments_at: AwareDatetime | None = None
    """Time of the last change of segments that it knows, and all before (gold/segment_history's
    `assigned_at`); None where that is not known."""
    as_of: AwareDatetime | None = None
    """Time that its lists, features and segments look back from."""
    model_version: str | None = None
    """Model that made most of its lists."""
    candidate_version: str | None = None
    """Model that made the candidate's lists; None where it has none."""
    lists_at: AwareDatetime | None = None
    """When the lists were made, of several the last."""
    sessions: int = 0
    """Sessions of its session index; 0 where it has none."""
    shares: Mapping[str, Mapping[str, Mapping[str, float]]] = Field(default_factory=dict)
    """Key of a bandit → segment, or "" for everybody else → variant → share."""


class Manifest(Facts):
    """A version, as its writer left it. Written last: what has none is not whole."""

    name: str
    format: int = FORMAT
    created: AwareDatetime
    counts: Mapping[str, int]
    """Namespace → records."""
    files: Mapping[str, FileCheck] = Field(default_factory=dict)
    """Name → what the file must be. Records have one where the store keeps them in a file."""

    @property
    def models(self) -> frozenset[str]:
        """Returns the models that it has lists of, by their versions, and as experiments say."""
        champion = {"champion", self.model_version} if self.model_version else {"champion"}
        candidate = {"candidate", self.candidate_version} if self.candidate_version else set()
        return frozenset(name for name in champion | candidate if name)

    def sizes(self) -> Mapping[str, int]:
        """Returns what it holds that has a number: records by namespace, and sessions."""
        return {**self.counts, "sessions": self.sessions}


def read_manifest(text: str | bytes | None, name: str) -> Manifest:
    """Returns the manifest of the version `name`.

    Raises BrokenVersionError for one that is missing, cut off, another's, or of another format.
    """
    if text is None:
        raise _broken(name, "It has none")
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _broken(name, f"{where}: {first['msg']}" if where else str(first["msg"])) from None
    if manifest.name != name:
        raise _broken(name, f"It is that of version {manifest.name}")
    if manifest.format != FORMAT:
        raise _broken(name, f"It is of format {manifest.format}, and this code reads {FORMAT}")
    return manifest


def _broken(name: str, found: str) -> BrokenVersionError:
    return BrokenVersionError(
        f"Version {name} of the serving store should have a manifest of this format",
        found,
        "Publish anew, or go back with 'sparkperso publish --rollback'",
    )


def new_name(existing: list[str]) -> str:
    """Returns a name for a new version: by the clock, and after all `existing` ones in any case.

    A clock that was set back makes no version that seems older than the one before.
    """
    moment = now().replace(microsecond=0)
    stamps = [match[1] for name in existing if (match := NAME.fullmatch(name))]
    if stamps:
        latest = datetime.strptime(max(stamps), STAMP).replace(tzinfo=timezone.utc)
        moment = max(moment, latest + timedelta(seconds=1))
    return f"{moment:{STAMP}}Z-{token_hex(3)}"
