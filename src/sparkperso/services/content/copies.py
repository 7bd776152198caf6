"""The last good copy of each source, in files of this machine that its processes share."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sparkperso.config import Settings
from sparkperso.config.content.assets import Content
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.locks import try_lock
from sparkperso.core.places import sync_folder
from sparkperso.decisions.assets import CmsContent
from sparkperso.services.content.mapping import Mapped

FORMAT = 1


class State(BaseModel):
    """What became of asking a source, the last times."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tried_at: AwareDatetime | None = None
    """When it was asked last."""
    good_at: AwareDatetime | None = None
    """When it last gave what is shown now."""
    error: str | None = None
    """Why its last answer is not shown; None where it is."""
    failures: int = 0
    """How often that was so, since it was good."""
    problems: tuple[str, ...] = ()
    """Entries of its last answer that are left out, and why."""
    settings: str = ""
    """Hash of the source's configuration then."""


class Copies:
    """Reads and writes the copies. A file is replaced as a whole, or not at all."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError where there is no folder of this machine."""
        self._settings = settings
        self.folder = copies_folder(settings)

    def read(self, source: str) -> dict[str, CmsContent] | None:
        """Returns the content of a source by name; None where there is no copy that can be read.

        Whether its HTML is trusted is a matter of the configuration of now, not of then.
        """
        try:
            kept = orjson.loads(self._path(source).read_bytes())
            if kept["format"] != FORMAT:
                return None
            return {
                name: CmsContent(self._content(source, name, one["content"]), one["place"])
                for name, one in kept["contents"].items()
            }
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            # Cut off, of another version, or edited: the next answer replaces it.
            return None

    def identity(self, source: str) -> tuple[int, ...] | None:
        """Returns what differs from one copy to the next; None where there is none."""
        try:
            stat = self._path(source).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def write(self, source: str, contents: Mapping[str, CmsContent]) -> None:
        """Replaces a copy, unless it says the same; raises JobError where it cannot."""
        kept = {
            name: {
                "place": one.place,
                "content": one.content.model_dump(
                    mode="json", by_alias=True, exclude_defaults=True, exclude={"name", "trusted"}
                ),
            }
            for name, one in contents.items()
        }
        text = json.dumps({"format": FORMAT, "contents": kept}, ensure_ascii=False, indent=1)
        if not self._says(source, text):
            self._replace(self._path(source), text.encode())

    def state(self, source: str) -> State:
        """Returns what is noted of a source; nothing where nothing is."""
        try:
            return State.model_validate_json(self._state_path(source).read_bytes())
        except (OSError, ValidationError):
            return State()

    def write_state(self, source: str, state: State) -> None:
        """Notes what became of asking a source; raises JobError where it cannot."""
        self._replace(self._state_path(source), state.model_dump_json(indent=1).encode())

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """Waits for, and holds, the right to replace copies: one process at a time has it."""
        with self._lock_file("accept") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def asking(self, source: str) -> Iterator[bool]:
        """Takes the right to ask a source, and gives whether it is free: nobody waits here."""
        with self._lock_file(source) as file:
            yield try_lock(file)

    def _content(self, source: str, name: str, document: dict[str, Any]) -> Content:
        trusted = self._settings.cms.sources[source].trusted
        context = {"trusted_content": self._settings.serving.trusted_content}
        return Content.model_validate(
            {**document, "name": name, "trusted": trusted}, context=context
        )

    @contextmanager
    def _lock_file(self, name: str) -> Iterator[int]:
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield file
        finally:
            os.close(file)  # which lets go of the lock

    def _says(self, source: str, text: str) -> bool:
        try:
            return self._path(source).read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError):
            return False

    def _replace(self, path: Path, data: bytes) -> None:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with self._writing():
            try:
                with draft.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
                sync_folder(path.parent)
            finally:
                draft.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JobError(
                f"Copies of a CMS's content should be kept in {self.folder}",
                f"That is not possible: {error}",
                "Make room there, or name another folder: cms.folder",
            ) from error

    def _path(self, source: str) -> Path:
        return self.folder / f"{source}.json"

    def _state_path(self, source: str) -> Path:
        return self.folder / f"{source}.state.json"


def copies_folder(settings: Settings) -> Path:
    """Returns the folder of the copies: `cms.folder`, or `_content` beside the lake's tables.

    Raises ConfigError when neither is on this machine.
    """
    folder = settings.cms.folder or settings.beside_tables("_content")
    if folder is None:
        raise ConfigError(
            "Copies of a CMS's content should be in a folder of this machine",
            f"lake.root is '{settings.lake.root}', and cms.folder is not set",
            "Set cms.folder",
        )
    return Path(folder)


def as_cms_contents(source: str, mapped: Mapped) -> dict[str, CmsContent]:
    """Returns what a source answered as content that knows where it stands."""
    return {
        name: CmsContent(content, f"cms {source}, entry {mapped.entry_ids[name]}")
        for name, content in mapped.contents.items()
    }
