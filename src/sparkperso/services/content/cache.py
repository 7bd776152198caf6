"""What is shown: files of conf/ and the copies of all sources, compiled; replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from sparkperso.config import Settings, config_hash
from sparkperso.config.content.assets import Content
from sparkperso.config.content.window import BEGINNING
from sparkperso.core.times import now
from sparkperso.decisions.assets import Assets, CmsContent, Files, put_together, read_files
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.services.content.collection import (
    Collection,
    Contents,
    merge,
    problems_of,
    sources_of,
)
from sparkperso.services.content.copies import Copies, State, as_cms_contents
from sparkperso.services.content.mapping import Mapped


@dataclass(frozen=True)
class SourceStatus:
    """One source as it is now."""

    name: str
    kind: str
    contents: int
    """How many pieces of content it has that are shown."""
    state: State

    @property
    def age_seconds(self) -> float | None:
        """Returns how old what is shown may be; None where it never answered."""
        good_at = self.state.good_at
        return None if good_at is None else max((now() - good_at).total_seconds(), 0)


class ContentCache:
    """The rulebook that requests are answered by. Nothing here asks another machine.

    1. At the start files of conf/ are read, and the copies. A rule, or a slot's default, whose
       content no copy has waits, and says so; other faults end it.
    2. A new answer of a source is taken if all fits together: else everything stays as it was, and
       the source's state says why. What only one entry lacks leaves that one out.
    3. What another process of this machine took is taken as well (`reload`).

    `rulebook` is replaced in one assignment: a request reads it once.
    """

    def __init__(self, settings: Settings, conf_dir: Path | None = None) -> None:
        """Raises ConfigError that lists all faults of conf/."""
        self._settings = settings
        self._files = read_files(settings, conf_dir)
        self._sources = settings.cms.sources
        self._copies = Copies(settings) if self._sources else None
        self._lock = Lock()
        self._read: Contents = {}
        self._noted: dict[str, State] = {}
        self._identities = self._current_identities()
        self._read = self._read_copies()
        merged = merge(self._read)
        assets = self._assets(merged)
        self.rulebook: Rulebook = assets.rulebook(settings.serving.default_language)
        self.changes = 0
        """How often the rulebook was replaced."""
        self._assets_now, self._shown = assets, sources_of(assets, merged)
        self._statuses = self._look_up_statuses()

    @property
    def files(self) -> Files:
        """Returns what the files of conf/ hold."""
        return self._files

    @property
    def assets(self) -> Assets:
        """Returns all that can be shown now."""
        return self._assets_now

    @property
    def waiting(self) -> dict[str, str]:
        """Returns content that is not there → which rule or default waits for it."""
        return self._assets_now.waiting

    @property
    def statuses(self) -> list[SourceStatus]:
        """Returns the sources as of the last `reload` (about a second ago)."""
        return self._statuses

    def accept(self, source: str, mapped: Mapped, tried_at: datetime) -> SourceStatus:
        """Takes what a source answered, if all fits together; returns how it is then.

        Raises JobError where the copy cannot be written: it is shown until the process ends.
        """
        copies = self._require_copies()
        with copies.accepting(), self._lock:
            answers = self._in_order(
                {**self._read_copies(), source: as_cms_contents(source, mapped)}
            )
            merged = merge(answers)
            assets = self._assets(merged)
            problems = [str(one) for one in mapped.problems]
            problems += problems_of(source, merged, assets)
            if refusal := self._refusal(assets, answers):
                self._note(source, _failed(self.state(source), tried_at, refusal, problems))
                return self._status(source)
            self._take(assets, answers, merged)
            self._note(
                source,
                State(tried_at=tried_at, good_at=tried_at, problems=tuple(problems)),
                answers,
            )
            self._identities = self._current_identities()
            return self._status(source)

    def fail(self, source: str, error: str, tried_at: datetime) -> SourceStatus:
        """Notes that a source did not answer; returns how it is then. What is shown stays."""
        copies = self._require_copies()
        with copies.accepting(), self._lock:
            state = self.state(source)
            self._note(source, _failed(state, tried_at, error, state.problems))
            return self._status(source)

    def reload(self) -> bool:
        """Takes copies that another process wrote; returns whether the rulebook was replaced."""
        with self._lock:
            self._statuses = self._look_up_statuses()
            identities = self._current_identities()
            if identities == self._identities:
                return False
            self._identities = identities
            answers = self._read_copies()
            merged = merge(answers)
            assets = self._assets(merged)
            if self._refusal(assets, answers):
                return False
            self._take(assets, answers, merged)
            return True

    def preview(self, answers: Mapping[str, Mapped]) -> tuple[Assets, dict[str, list[str]]]:
        """Returns what there would be with these answers, and the entries that would be left out.

        Nothing is changed.
        """
        mapped = {name: as_cms_contents(name, one) for name, one in answers.items()}
        merged = merge(self._in_order({**self._read_copies(), **mapped}))
        assets = put_together(self._settings, self._files, merged.contents)
        problems = {
            name: [*map(str, one.problems), *problems_of(name, merged, assets)]
            for name, one in answers.items()
        }
        return assets, problems

    def state(self, source: str) -> State:
        """Returns what is noted of a source, by any process of this machine."""
        own, kept = self._noted.get(source, State()), self._require_copies().state(source)
        # Where the disk takes nothing, this process still knows what it did.
        return own if (own.tried_at or BEGINNING) > (kept.tried_at or BEGINNING) else kept

    def settings_of(self, source: str) -> str:
        """Returns a hash of a source's configuration: of another one its copy is not fresh."""
        return config_hash(self._sources[source])

    @property
    def copies(self) -> Copies:
        """Returns the copies; only where there are sources."""
        return self._require_copies()

    @property
    def shown_contents(self) -> list[Content]:
        """Returns all content that can be shown, by name."""
        return [self._assets_now.contents[name] for name in sorted(self._assets_now.contents)]

    def source_of(self, content: str) -> str | None:
        """Returns the source of content that is shown; None for that of conf/."""
        return self._shown.get(content)

    def place_of(self, content: str) -> str | None:
        """Returns where the editors of a source find content; None for that of conf/."""
        source = self._shown.get(content)
        return self._read[source][content].place if source else None

    def _require_copies(self) -> Copies:
        assert self._copies is not None, "there are no sources"
        return self._copies

    def _read_copies(self) -> dict[str, Mapping[str, CmsContent]]:
        """The copies that can be read; of one that is gone or broken, what it was before."""
        found: dict[str, Mapping[str, CmsContent]] = {}
        for name in self._sources:
            copy = self._require_copies().read(name) or self._read.get(name)
            if copy is not None:
                found[name] = copy
        return found

    def _in_order(self, answers: Contents) -> dict[str, Mapping[str, CmsContent]]:
        return {name: answers[name] for name in self._sources if name in answers}

    def _current_identities(self) -> dict[str, tuple[int, ...] | None]:
        return {name: self._require_copies().identity(name) for name in self._sources}

    def _assets(self, merged: Collection) -> Assets:
        # Without sources nothing is waited for: what is missing is a fault.
        return put_together(self._settings, self._files, merged.contents, waits=bool(self._sources))

    def _refusal(self, assets: Assets, answers: Contents) -> str | None:
        """Why what there would be is worse than what there is: None where it is not."""
        faults = list(assets.faults)
        if len(answers) == len(self._sources):
            faults += [t for name, t in assets.waiting.items() if name not in self.waiting]
        if not faults:
            return None
        return (
            f"What it has now does not fit, so that what was shown before is: {'; '.join(faults)}"
        )

    def _take(self, assets: Assets, answers: Contents, merged: Collection) -> None:
        book = assets.rulebook(self._settings.serving.default_language)
        self._read, self._assets_now = answers, assets
        self._shown = sources_of(assets, merged)
        self.rulebook = book
        self.changes += 1

    def _note(self, source: str, state: State, answers: Contents | None = None) -> None:
        copies = self._require_copies()
        state = state.model_copy(update={"settings": self.settings_of(source)})
        self._noted[source] = state
        try:
            if answers is not None:
                copies.write(source, answers[source])
            copies.write_state(source, state)
        finally:
            self._statuses = self._look_up_statuses()

    def _look_up_statuses(self) -> list[SourceStatus]:
        counts: dict[str, int] = {}
        for source in self._shown.values():
            counts[source] = counts.get(source, 0) + 1
        return [
            SourceStatus(name, one.kind, counts.get(name, 0), self.state(name))
            for name, one in self._sources.items()
        ]

    def _status(self, source: str) -> SourceStatus:
        return next(one for one in self._statuses if one.name == source)


def _failed(
    state: State, tried_at: datetime, error: str, problems: tuple[str, ...] | list[str]
) -> State:
    return state.model_copy(
        update={
            "tried_at": tried_at,
            "error": error,
            "failures": state.failures + 1,
            "problems": tuple(problems),
        }
    )
