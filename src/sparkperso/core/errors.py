"""One error tree. Every message says what was expected, what was found and what to do."""

from __future__ import annotations


class SparkpersoError(Exception):
    """Base of all errors that a user may see; `exit_status` is what the process returns.

    `expected`, `found` and `action` are joined into one paragraph.

    >>> str(JobError("A run needs events", "There are none", "Ingest some first"))
    'A run needs events. There are none. Ingest some first.'
    """

    exit_status = 1

    def __init__(self, expected: str, found: str = "", action: str = "") -> None:
        parts = (expected, found, action)
        texts = [part.strip() for part in parts if part]
        super().__init__(
            " ".join(t if t.endswith((".", "!", "?", ":")) else f"{t}." for t in texts)
        )
        self.expected, self.found, self.action = parts


class JobError(SparkpersoError):
    """A job could not do its work (exit status 1)."""


class WriteConflictError(JobError):
    """Another run wrote the same part of a table at the same moment (exit status 1)."""


class TrackingError(JobError):
    """The tracking server did not answer, or refused (exit status 1)."""


class UsageError(SparkpersoError):
    """Wrong arguments or configuration (exit status 2)."""

    exit_status = 2


class ConfigError(UsageError):
    """The configuration is not usable (exit status 2)."""


class QualityGateError(SparkpersoError):
    """A quality gate failed: what was made, or what there is to make it of (exit status 3)."""

    exit_status = 3
