"""The form of conf/triggers/<name>.yaml, and the section `triggers`: calls when segments change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sparkperso.config.segments import NAME
from sparkperso.core.consent import Purpose
from sparkperso.core.section import Section

TRIGGERS = "triggers"
"""The folder of conf/."""
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Trigger(Section):
    """A webhook that is called when somebody enters or leaves a segment."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name."""
    description: str = ""
    """What it is for."""
    enabled: bool = True
    """Whether it is called at all."""
    on: Literal["enter", "leave", "both"] = "enter"
    """Which changes fire it."""
    segments: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """Whose changes fire it: segments as rules name them, by id, key or label."""
    url: str = Field(min_length=1)
    """Where it is sent: a host of `outbound.allowed_hosts`."""
    secret_env: str = Field(pattern=VARIABLE)
    """Environment variable that holds the secret (`whsec_…`) that messages are signed with; with
    `_FILE` after it, one that names a file."""
    previous_secret_env: str | None = Field(default=None, pattern=VARIABLE)
    """The variable of the secret before: while it is set, messages bear both signatures."""
    consent: Purpose = "personalisation"
    """What its person must have agreed to; `necessary`: nothing need be agreed to."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """Time for one attempt, from looking up the name to the last byte."""
    attempts: int = Field(default=8, ge=1, le=50)
    """How often a message is tried before it is a dead letter."""
    concurrency: int = Field(default=4, ge=1, le=20)
    """Attempts that are under way at a time."""


class TriggersConfig(Section):
    """How triggers are followed and delivered."""

    folder: str | None = None
    """Folder of this machine for the queue and the bookmark; None: `<lake.root>/_triggers`."""
    poll_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How often the history of segments is looked at."""
    wait_seconds: float = Field(default=5.0, gt=0)
    """Before the second attempt, at most; before each later one twice as long. Chance takes up to
    half of it."""
    most_wait_seconds: float = Field(default=3600.0, gt=0)
    """The longest wait between two attempts."""
    most_retry_after_seconds: float = Field(default=86_400.0, ge=0)
    """Up to so long a receiver's `Retry-After` is heeded."""
    max_waiting: int = Field(default=1_000_000, ge=1)
    """While more deliveries wait, no further version of the history is read."""
    lease_seconds: float = Field(default=15.0, ge=1, le=600)
    """With `store.kind: redis`: after so long another machine takes over from one that died."""
