"""Triggers as conf/triggers has them, held against segments, hosts and secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkperso.config import Settings
from sparkperso.config.layers import own_files
from sparkperso.config.load import config_hash, load_named
from sparkperso.config.own_features import load_own_features
from sparkperso.config.secret import read_secret
from sparkperso.config.segmentation import Segmentation, load_segmentation
from sparkperso.config.triggers import TRIGGERS, Trigger
from sparkperso.core.errors import ConfigError
from sparkperso.core.suggest import did_you_mean
from sparkperso.decisions.segment_names import SegmentNames
from sparkperso.services.http.outbound import OutboundError, check_url
from sparkperso.services.triggers.signature import LENGTHS, PREFIX, read_key

CHANGES = {"enter": ("entered",), "leave": ("left",), "both": ("entered", "left")}


@dataclass(frozen=True)
class ReadyTrigger:
    """A trigger that can fire."""

    config: Trigger
    segments: frozenset[str]
    """Ids."""
    host: str
    keys: tuple[bytes, ...] = field(repr=False)
    """What messages are signed with, the current one first."""

    @property
    def name(self) -> str:
        """Returns the file's name."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """Returns what changes with the file."""
        return config_hash(self.config)

    def fires(self, segment_id: str, change: str) -> bool:
        """Says whether a change is one of its own; `change` is entered or left."""
        return segment_id in self.segments and change in CHANGES[self.config.on]


@dataclass(frozen=True)
class Triggers:
    """All of conf/triggers, and what is wrong with them."""

    configs: Mapping[str, Trigger]
    """Those that could be read."""
    ready: Mapping[str, ReadyTrigger]
    """Those that are enabled and sound."""
    faults: Sequence[str]


def load_triggers(
    settings: Settings, environ: Mapping[str, str], conf_dir: Path | None = None
) -> Triggers:
    """Returns the triggers of a conf/ folder; raises one ConfigError that lists all faults."""
    triggers = read_triggers(settings, environ, conf_dir)
    require_sound(triggers)
    return triggers


def require_sound(triggers: Triggers) -> None:
    """Raises one ConfigError that lists all faults, if there are any."""
    if triggers.faults:
        raise ConfigError(
            "Triggers should be sound",
            "; ".join(triggers.faults),
            "'sparkperso config check' looks at all of a configuration",
        )


def require_trigger(triggers: Triggers, name: str) -> Trigger:
    """Returns a trigger by its name; raises ConfigError, with the nearest, for one of none."""
    if name not in triggers.configs:
        known = list(triggers.configs)
        raise ConfigError(
            f"A trigger is one of conf/{TRIGGERS}: {', '.join(known) or 'none'}",
            f"There is no {name}.yaml",
            did_you_mean(name, known, "'sparkperso triggers list' shows them"),
        )
    return triggers.configs[name]


def read_triggers(
    settings: Settings,
    environ: Mapping[str, str],
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
) -> Triggers:
    """Returns the triggers with all their faults: one file's keeps no other from being read.

    `segmentations` are read, unless they are given; None stands for one that could not be.
    """
    faults: list[str] = []
    configs: dict[str, Trigger] = {}
    ready: dict[str, ReadyTrigger] = {}
    for name in own_files(TRIGGERS, conf_dir):
        try:
            configs[name] = load_named(TRIGGERS, name, Trigger, conf_dir)
        except ConfigError as error:
            faults.append(_text(error))
    if configs and segmentations is None:
        segmentations = _segmentations(settings, conf_dir, faults)
    names = SegmentNames(segmentations or {})
    for name, config in configs.items():
        check = _Check(f"conf/{TRIGGERS}/{name}.yaml", faults)
        segments = check.segments(config, names)
        host = check.host(config, settings)
        # One that is switched off needs none, and fires for nobody.
        keys = check.keys(config, environ) if config.enabled else ()
        if config.enabled and not check.has_faults:
            ready[name] = ReadyTrigger(config, segments, host, keys)
    return Triggers(configs, ready, faults)


def _segmentations(
    settings: Settings, conf_dir: Path | None, faults: list[str]
) -> dict[str, Segmentation | None]:
    found: dict[str, Segmentation | None] = {}
    try:
        own = tuple(one.name for one in load_own_features(conf_dir))
    except ConfigError as error:
        faults.append(_text(error))
        own = ()
    for name in settings.segments.segmentations:
        try:
            found[name] = load_segmentation(name, conf_dir, own)
        except ConfigError as error:
            faults.append(_text(error))
            found[name] = None
    return found


class _Check:
    """Looks at one trigger, and notes what is wrong with it."""

    def __init__(self, place: str, faults: list[str]) -> None:
        self._place, self._faults, self._before = place, faults, len(faults)

    @property
    def has_faults(self) -> bool:
        return len(self._faults) > self._before

    def segments(self, config: Trigger, names: SegmentNames) -> frozenset[str]:
        ids = set()
        for name in config.segments:
            try:
                ids.add(names.id_of(name))
            except ValueError as error:
                self._note(f"segments: {error}")
        return frozenset(ids)

    def host(self, config: Trigger, settings: Settings) -> str:
        try:
            return check_url(config.url, settings.outbound).host
        except OutboundError as error:
            # Not the URL itself: receivers put secrets into paths.
            self._note(f"url: {str(error).replace(repr(config.url[:100]), 'another')}")
            return ""

    def keys(self, config: Trigger, environ: Mapping[str, str]) -> tuple[bytes, ...]:
        found = [self._key("secret_env", config.secret_env, environ, is_required=True)]
        if config.previous_secret_env:
            key = self._key("previous_secret_env", config.previous_secret_env, environ)
            found.append(key)
        return tuple(key for key in found if key is not None)

    def _key(
        self, what: str, variable: str, environ: Mapping[str, str], *, is_required: bool = False
    ) -> bytes | None:
        form = f"{PREFIX} and {LENGTHS[0]} to {LENGTHS[-1]} bytes as base64"
        try:
            secret: Any = read_secret(variable, environ)
            if secret is None and not is_required:
                return None
            if secret is None:
                raise ValueError(f"It is not set, nor is {variable}_FILE")
            return read_key(secret)
        except ConfigError as error:
            self._note(f"{what}: {_text(error)}")
        except ValueError as error:
            self._note(f"{what}: {variable} should hold a secret, {form}. {error}")
        return None

    def _note(self, fault: str) -> None:
        self._faults.append(f"{self._place}, {fault}")


def _text(error: ConfigError) -> str:
    return f"{error.expected}: {error.found}" if error.found else error.expected
