"""What is shown, as commands read it: files of conf/, and the copies of what a CMS says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparkperso.config import Settings
from sparkperso.config.segmentation import Segmentation
from sparkperso.decisions.assets import Assets, read_assets
from sparkperso.decisions.rulebook import Rulebook


def shown_assets(
    settings: Settings,
    conf_dir: Path | None = None,
    segmentations: Mapping[str, Segmentation | None] | None = None,
    own: tuple[str, ...] | None = None,
) -> Assets:
    """Returns slots, content and rules with all their faults, see `collection.read_shown`."""
    if not settings.cms.sources:
        return read_assets(settings, conf_dir, segmentations, own)
    # Here: it needs the extra that services need.
    from sparkperso.services.content.collection import read_shown

    return read_shown(settings, conf_dir, segmentations, own)


def shown_rulebook(settings: Settings, conf_dir: Path | None = None) -> Rulebook:
    """Returns what is decided by; raises one ConfigError that lists all faults."""
    return shown_assets(settings, conf_dir).rulebook(settings.serving.default_language)
