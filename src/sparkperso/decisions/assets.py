"""Slots, content and rules as they stand in conf/: read, brought to one spelling, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from sparkperso.config import Settings, load_named
from sparkperso.config.content.assets import CONTENT, Content
from sparkperso.config.content.rules import RULES, ItemFilter, Rule
from sparkperso.config.content.slots import SLOTS, Slot
from sparkperso.config.layers import own_files
from sparkperso.config.own_features import load_own_features
from sparkperso.config.segmentation import Segmentation, load_segmentation
from sparkperso.core.errors import ConfigError
from sparkperso.core.spellings import snake_case
from sparkperso.core.times import now
from sparkperso.decisions.lint import findings
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.decisions.segment_names import SegmentNames
from sparkperso.rules.conditions import Attribute, Condition, InSegment
from sparkperso.rules.context import invalid_at_request
from sparkperso.rules.spelling import speller
from sparkperso.rules.traverse import rewrite

Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Assets:
    """What conf/ holds; segments are named by their ids, values are spelled as ingest spells."""

    slots: dict[str, Slot] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    faults: dict[str, None] = field(default_factory=dict)
    """What keeps them from being used, a sentence each with file and key."""
    notes: dict[str, None] = field(default_factory=dict)
    """What to look at: it may be meant."""


def load_rulebook(
    settings: Settings, conf_dir: Path | None = None, at: datetime | None = None
) -> Rulebook:
    """Returns what is decided by; raises one ConfigError that lists all faults of conf/.

    `at` is the time that ended windows are told for, the clock's without it.
    """
    assets = read_assets(settings, conf_dir, at=at)
    if assets.faults:
        raise ConfigError(
            "Slots, content and rules of conf/ should be sound",
            "; ".join(assets.faults),
            "'sparkperso config check' lists them one by one",
        )
    language = settings.serving.default_language
    return Rulebook(assets.slots, assets.contents, assets.rules, language)


def read_assets(
    settings: Settings,
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
    own: tuple[str, ...] | None = None,
    at: datetime | None = None,
) -> Assets:
    """Returns what conf/ holds, with all its faults: one file's keeps no other from being read.

    `segmentations` and the `own` features of conf/features are read, unless they are given.
    """
    assets = Assets()
    context = {"trusted_content": settings.serving.trusted_content}
    read = _Reader(conf_dir, assets.faults)
    if own is None:
        own = tuple(one.name for one in read.attempt(load_own_features, conf_dir) or ())
    if segmentations is None:
        segmentations = {
            name: read.attempt(load_segmentation, name, conf_dir, own)
            for name in settings.segments.segmentations
        }
    assets.slots = read.all(SLOTS, Slot)
    assets.contents = read.all(CONTENT, Content, context)
    assets.rules = read.all(RULES, Rule)
    spelled = _Spelling(settings, SegmentNames(segmentations), own, assets)
    assets.contents = {name: spelled.content(one) for name, one in assets.contents.items()}
    assets.rules = {name: spelled.rule(one) for name, one in assets.rules.items()}
    language = settings.serving.default_language
    found = findings(assets.slots, assets.contents, assets.rules, language, at or now())
    for one in found:
        # What could not be read is not to be missed as well.
        if one.missing not in read.broken:
            (assets.faults if one.is_fault else assets.notes)[one.text] = None
    return assets


class _Reader:
    """Reads files; of one that does not fit, the fault is noted."""

    def __init__(self, conf_dir: Path | None, faults: dict[str, None]) -> None:
        self._conf_dir, self._faults = conf_dir, faults
        self.broken: set[str] = set()
        """Files that could not be read: `<kind>/<name>`."""

    def attempt(self, look: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return look(*arguments)
        except ConfigError as error:
            text = f"{error.expected}: {error.found}" if error.found else error.expected
            self._faults[text] = None
            return None

    def all(
        self, kind: str, model: type[Model], context: Mapping[str, Any] | None = None
    ) -> dict[str, Model]:
        names = self.attempt(own_files, kind, self._conf_dir) or ()
        read = {
            name: self.attempt(load_named, kind, name, model, self._conf_dir, context)
            for name in names
        }
        self.broken |= {f"{kind}/{name}" for name, one in read.items() if one is None}
        return {name: one for name, one in read.items() if one is not None}


class _Spelling:
    """Brings conditions to one spelling, and notes what cannot be asked."""

    def __init__(
        self, settings: Settings, names: SegmentNames, own: tuple[str, ...], assets: Assets
    ) -> None:
        self._aliases = settings.ingest.country_aliases
        self._names, self._own, self._assets = names, own, assets

    def rule(self, rule: Rule) -> Rule:
        """Returns a rule whose condition and items are spelled."""
        place = f"conf/{RULES}/{rule.name}.yaml"
        spelled: dict[str, Any] = {}
        if rule.if_ is not None:
            spelled["if_"] = self._condition(rule.if_, f"{place}, if")
        for action in ("block", "available", "boost", "max_per_category"):
            wanted: ItemFilter | None = getattr(rule, action)
            if wanted is not None and wanted.category is not None:
                categories = tuple(snake_case(text) for text in wanted.category)
                spelled[action] = wanted.model_copy(update={"category": categories})
        return rule.model_copy(update=spelled)

    def content(self, content: Content) -> Content:
        """Returns content whose tags are spelled."""
        place, tags = f"conf/{CONTENT}/{content.name}.yaml, tags", content.tags
        spelled: dict[str, Any] = {
            "behaviours": tuple(
                self._condition(one, f"{place}.behaviours") for one in tags.behaviours
            ),
            "preferences": {
                name: self._preference(name, texts, f"{place}.preferences")
                for name, texts in tags.preferences.items()
            },
        }
        if tags.segments is not None:
            spelled["segments"] = tuple(
                self._segment_id(name, f"{place}.segments") for name in tags.segments
            )
        return content.model_copy(update={"tags": tags.model_copy(update=spelled)})

    def _preference(self, name: str, texts: tuple[str, ...], place: str) -> tuple[str, ...]:
        spelled = self._condition(Attribute(attribute=name, one_of=texts), place)
        assert isinstance(spelled, Attribute)
        return spelled.one_of or texts

    def _condition(self, condition: Condition, place: str) -> Condition:
        spelling = speller(self._aliases)
        spelled = rewrite(
            spelling.condition(condition),
            lambda part: (
                InSegment(segment=self._segment_id(part.segment, place))
                if isinstance(part, InSegment)
                else part
            ),
        )
        self._assets.notes |= {f"{place}: {change}": None for change in spelling.changes}
        for fault in (*spelling.faults, *invalid_at_request(spelled, self._own)):
            self._assets.faults[f"{place}: {fault}"] = None
        return spelled

    def _segment_id(self, name: str, place: str) -> str:
        try:
            return self._names.id_of(name)
        except ValueError as error:
            self._assets.faults[f"{place}: {error}"] = None
            return name
