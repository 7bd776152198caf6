"""Slots, content and rules as they stand in conf/: read, brought to one spelling, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from sparkperso.config import Settings, load_named
from sparkperso.config.content.assets import CONTENT, Content
from sparkperso.config.content.rules import RULES, Rule
from sparkperso.config.content.slots import SLOTS, Slot
from sparkperso.config.layers import own_files
from sparkperso.config.own_features import load_own_features
from sparkperso.config.segmentation import Segmentation, load_segmentation
from sparkperso.core.errors import ConfigError
from sparkperso.core.times import now
from sparkperso.decisions.lint import Finding, Places, findings
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.decisions.segment_names import SegmentNames
from sparkperso.decisions.spelling import Spelling

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class CmsContent:
    """Content of a content management system: it stands in no file of conf/."""

    content: Content
    place: str
    """Where its editors find it, as findings begin: `cms shop, entry 17`."""


CmsContents = Mapping[str, CmsContent]
"""Name → content."""
NONE: CmsContents = MappingProxyType({})


@dataclass
class Files:
    """What files of conf/ hold, as they are written."""

    names: SegmentNames
    own: tuple[str, ...]
    """Features of conf/features."""
    slots: dict[str, Slot] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    faults: dict[str, None] = field(default_factory=dict)
    """Of those that could not be read."""
    broken: frozenset[str] = frozenset()
    """These: `<kind>/<name>`."""


@dataclass
class Assets:
    """What can be shown; segments are named by their ids, values are spelled as ingest spells."""

    slots: dict[str, Slot] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    faults: dict[str, None] = field(default_factory=dict)
    """What keeps them from being used, a sentence each with file and key."""
    notes: dict[str, None] = field(default_factory=dict)
    """What to look at: it may be meant."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Content of a CMS that does not fit → why; it keeps nothing else from being used."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Content that is not there → which rule or default was left out for it."""

    def rulebook(self, default_language: str) -> Rulebook:
        """Returns them compiled; raises one ConfigError that lists all faults."""
        if self.faults:
            raise ConfigError(
                "Slots, content and rules of conf/ should be sound",
                "; ".join(self.faults),
                "'sparkperso config check' lists them one by one",
            )
        return Rulebook(self.slots, self.contents, self.rules, default_language)


def load_rulebook(
    settings: Settings,
    conf_dir: Path | None = None,
    at: datetime | None = None,
    cms: CmsContents = NONE,
) -> Rulebook:
    """Returns what is decided by; raises one ConfigError that lists all faults of conf/.

    `at` is the time that ended windows are told for, the clock's without it.
    """
    assets = read_assets(settings, conf_dir, at=at, cms=cms)
    return assets.rulebook(settings.serving.default_language)


def read_assets(
    settings: Settings,
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
    own: tuple[str, ...] | None = None,
    *,
    at: datetime | None = None,
    cms: CmsContents = NONE,
) -> Assets:
    """Returns what conf/ holds, with all its faults: one file's keeps no other from being read.

    `segmentations` and the `own` features of conf/features are read, unless they are given.
    """
    return put_together(settings, read_files(settings, conf_dir, segmentations, own), cms, at)


def read_files(
    settings: Settings,
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
    own: tuple[str, ...] | None = None,
) -> Files:
    """Returns what the files hold, as they are written; see `read_assets`."""
    faults: dict[str, None] = {}
    context = {"trusted_content": settings.serving.trusted_content}
    read = _Reader(conf_dir, faults)
    if own is None:
        own = tuple(one.name for one in read.attempt(load_own_features, conf_dir) or ())
    if segmentations is None:
        segmentations = {
            name: read.attempt(load_segmentation, name, conf_dir, own)
            for name in settings.segments.segmentations
        }
    files = Files(SegmentNames(segmentations), own, faults=faults)
    files.slots = read.all(SLOTS, Slot)
    files.contents = read.all(CONTENT, Content, context)
    files.rules = read.all(RULES, Rule)
    files.broken = frozenset(read.broken)
    return files


def put_together(
    settings: Settings,
    files: Files,
    cms: CmsContents = NONE,
    at: datetime | None = None,
    *,
    waits: bool = False,
) -> Assets:
    """Returns files and content of a CMS, spelled, and held against each other as of `at`.

    1. Content of a CMS whose name a file has, or which has a fault of its own, is left out; each is
       told in `left_out`.
    2. With `waits`, rules and defaults that name content which is not there are left out too.
    3. Whatever is wrong then is in `faults`, or `notes`.
    """
    assets = Assets(dict(files.slots), faults=dict(files.faults))
    aliases = settings.ingest.country_aliases
    spelling = Spelling(aliases, files.names, files.own, assets.faults, assets.notes)
    for name, content in files.contents.items():
        assets.contents[name] = spelling.content(content, f"conf/{CONTENT}/{name}.yaml")
    assets.rules = {name: spelling.rule(rule) for name, rule in files.rules.items()}
    _add_cms(assets, cms, spelling)
    language = settings.serving.default_language
    places = {name: one.place for name, one in cms.items() if name not in assets.left_out}

    def find() -> list[Finding]:
        return findings(
            assets.slots, assets.contents, assets.rules, language, at=at or now(), places=places
        )

    found = find()
    while _leave_out(assets, found, places):
        found = find()
    if waits:
        # Whatever else a rule that waits says stays a fault.
        found = [one for one in found if not _let_wait(assets, one, files.broken)]
    for one in found:
        # What could not be read is not to be missed as well.
        if one.missing not in files.broken:
            (assets.faults if one.is_fault else assets.notes)[one.text] = None
    return assets


def _add_cms(assets: Assets, cms: CmsContents, spelling: Spelling) -> None:
    """Adds content of a CMS, but for what has a file's name, or tags that cannot be asked."""
    for name, one in cms.items():
        if name in assets.contents:
            assets.left_out[name] = f"conf/{CONTENT}/{name}.yaml has its name"
            continue
        own = replace(spelling, faults={})
        spelled = own.content(one.content, one.place)
        if own.faults:
            assets.left_out[name] = "; ".join(_without(one.place, text) for text in own.faults)
        else:
            assets.contents[name] = spelled


def _leave_out(assets: Assets, found: list[Finding], places: Places) -> bool:
    """Leaves content of a CMS out that has faults of its own; returns whether there was any."""
    own: dict[str, list[str]] = {}
    for one in found:
        if one.is_fault and one.content in places:
            own.setdefault(one.content, []).append(_without(places[one.content], one.text))
    for name, texts in own.items():
        assets.left_out[name] = "; ".join(texts)
        del assets.contents[name]
    return bool(own)


def _let_wait(assets: Assets, found: Finding, broken: frozenset[str]) -> bool:
    """Leaves a rule or default out where its content is not there; returns whether it is so."""
    kind, _, name = found.missing.partition("/")
    if kind != CONTENT or found.missing in broken:
        return False
    assets.waiting[name] = found.text
    for rule in list(assets.rules.values()):
        if rule.show and rule.show.content == name:
            del assets.rules[rule.name]
    for slot in assets.slots.values():
        if slot.default == name:
            assets.slots[slot.name] = slot.model_copy(update={"default": None})
    return True


def _without(place: str, text: str) -> str:
    return text.removeprefix(f"{place}, ").removeprefix(f"{place}: ")


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
