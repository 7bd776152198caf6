"""Content of all sources together: of one name there is one, and each knows where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkperso.config import Settings
from sparkperso.config.segmentation import Segmentation
from sparkperso.decisions.assets import Assets, CmsContent, put_together, read_files
from sparkperso.services.content.copies import Copies

Contents = Mapping[str, Mapping[str, CmsContent]]
"""Source → name → content."""


@dataclass
class Collection:
    """Content of all sources by name."""

    contents: dict[str, CmsContent] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Name → source."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Source → what another source has too."""


def merge(answers: Contents) -> Collection:
    """Returns content of all sources; of two of one name that of the first source."""
    merged = Collection()
    for source, contents in answers.items():
        for name, one in contents.items():
            if name in merged.contents:
                text = f"source {merged.sources[name]} has the name '{name}' too, and comes first"
                merged.left_out.setdefault(source, []).append(f"{one.place}: {text}")
                continue
            merged.contents[name], merged.sources[name] = one, source
    return merged


def sources_of(assets: Assets, merged: Collection) -> dict[str, str]:
    """Returns name → source of the content that is shown."""
    return {n: source for n, source in merged.sources.items() if n not in assets.left_out}


def problems_of(source: str, merged: Collection, assets: Assets) -> list[str]:
    """Returns what of a source is left out: another source has it, or it lacks something."""
    found = list(merged.left_out.get(source, ()))
    for name, why in assets.left_out.items():
        if merged.sources[name] == source:
            found.append(f"{merged.contents[name].place} ({name}): {why}")
    return found


def read_shown(
    settings: Settings,
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
    own: tuple[str, ...] | None = None,
) -> Assets:
    """Returns what conf/ and the copies hold, with all faults; no other machine is asked.

    Where a source has no copy yet, what names content that is not there waits (`Assets.waiting`).
    `segmentations` and the `own` features of conf/features are read, unless they are given.
    """
    files = read_files(settings, conf_dir, segmentations, own)
    if not settings.cms.sources:
        return put_together(settings, files)
    copies = Copies(settings)
    kept = {name: copies.read(name) for name in settings.cms.sources}
    merged = merge({name: copy or {} for name, copy in kept.items()})
    return put_together(settings, files, merged.contents, waits=None in kept.values())
