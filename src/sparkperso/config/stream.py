"""The section `stream`: where `ingest-events --stream` reads, and in which bites."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.core.section import Section

TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
"""What Kafka takes for the name of a topic."""


class TopicConfig(Section):
    """The Kafka topic that the collector writes to."""

    bootstrap: str = "127.0.0.1:9092"
    """Addresses of brokers, separated by commas."""
    topic: str = Field(default="sparkperso.events", pattern=TOPIC)
    """The topic; its records are events, one JSON object each."""
    options: dict[str, str] = Field(default_factory=dict)
    """Other options of Spark for Kafka, such as kafka.security.protocol."""


class StreamConfig(Section):
    """How the stream reads and how often it writes."""

    input: Literal["files", "kafka"] = "files"
    """`files` follows the path of the source, the collector's spool; `kafka` a topic."""
    kafka: TopicConfig = Field(default_factory=TopicConfig)
    trigger_seconds: float = Field(default=2, ge=0)
    """Least time between the starts of two micro-batches."""
    max_records: int = Field(default=50_000, ge=1)
    """Most records of a micro-batch, from Kafka."""
    max_files: int = Field(default=100, ge=1)
    """Most files of a micro-batch."""
    late_minutes: float = Field(default=60, gt=0)
    """Events that arrive longer than this after they happened are counted as late."""
    compact_every: int = Field(default=200, ge=0)
    """After so many micro-batches small files are put together; 0 leaves that to others."""
    checkpoint_root: str | None = None
    """Folder or URI of checkpoints; None means `<lake.root>/_checkpoints`."""
