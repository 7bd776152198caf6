"""Which sinks the configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError
from sparkperso.core.places import local_path
from sparkperso.services.sinks.base import Sink
from sparkperso.services.sinks.spool import Spool


@dataclass(frozen=True)
class Sinks:
    """Where events go, and session recordings apart from them."""

    events: Sink
    recordings: Sink

    @property
    def all(self) -> tuple[Sink, Sink]:
        """Returns both."""
        return self.events, self.recordings


def make_sinks(settings: Settings) -> Sinks:
    """Returns the configured sinks, not started; Kafka's client is only imported for Kafka.

    Raises ConfigError for a spool without a local folder.
    """
    config = settings.collect
    if config.sink == "kafka":
        # Here: a collector that writes files needs no client of Kafka.
        from sparkperso.services.sinks.kafka import KafkaSink

        kafka = config.kafka
        return Sinks(KafkaSink(kafka.topic, kafka), KafkaSink(kafka.recordings_topic, kafka))
    folder = spool_folder(settings)
    return Sinks(Spool(folder, config.spool), Spool(folder / "recordings", config.spool))


def make_decision_sink(settings: Settings) -> Sink:
    """Returns the sink of what the API decided, not started: apart from events, as they are many.

    Raises ConfigError for a spool without a local folder.
    """
    config = settings.collect
    if config.sink == "kafka":
        from sparkperso.services.sinks.kafka import KafkaSink

        return KafkaSink(config.kafka.decisions_topic, config.kafka)
    return Spool(spool_folder(settings) / "decisions", config.spool)


def spool_folder(settings: Settings) -> Path:
    """Returns the folder of the spool: `collect.spool.path`, or `_spool` beside the lake's tables.

    Raises ConfigError when neither is on this machine.
    """
    if settings.collect.spool.path:
        return Path(settings.collect.spool.path)
    root = local_path(settings.lake.root)
    if root is None:
        raise ConfigError(
            "The spool, and beside it what people decided, should be in a folder of this machine",
            f"lake.root is '{settings.lake.root}', and collect.spool.path is not set",
            "Set collect.spool.path",
        )
    return Path(root) / "_spool"
