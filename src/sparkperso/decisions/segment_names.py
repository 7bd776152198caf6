"""Segments as rules may name them: by id, by key, or by label."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sparkperso.config.segmentation import RuleSegmentation, Segmentation
from sparkperso.core.suggest import nearest


class SegmentNames:
    """The segments that segmentations make, by every name that they have before a run.

    Those of rules have an id (`audiences-new`), a key (`new`) and a label, which is compared
    without regard to case. Clusters have an id alone: a run finds out how many there are, and their
    labels.
    """

    def __init__(self, segmentations: Mapping[str, Segmentation | None]) -> None:
        """Takes name → segmentation; None for one that could not be read, whose ids all count."""
        self._ids: dict[str, dict[str, None]] = {}
        clustered = []
        for name, segmentation in segmentations.items():
            if not isinstance(segmentation, RuleSegmentation):
                # Of a hierarchy: level and number.
                clustered.append(rf"{re.escape(name)}-" + (r"\d+(-\d+)?" if segmentation else ".+"))
                continue
            for key, rule in segmentation.rules.items():
                for called in (f"{name}-{key}", key, rule.label or key):
                    self._ids.setdefault(called.lower(), {})[f"{name}-{key}"] = None
        self._clusters = re.compile("|".join(clustered) or r"(?!)")

    def id_of(self, name: str) -> str:
        """Returns the id of the segment that a name means.

        Raises ValueError for a name of none, with the nearest, and for one of several.
        """
        if self._clusters.fullmatch(name):
            return name
        ids = list(self._ids.get(name.lower(), ()))
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise ValueError(f"'{name}' is a segment of several files: say {' or '.join(ids)}")
        near = nearest(name.lower(), self._ids)
        all_ids = dict.fromkeys(one for ids in self._ids.values() for one in ids)
        known = f"did you mean '{near}'?" if near else f"by rules: {', '.join(all_ids) or 'none'}"
        raise ValueError(f"no segment '{name}' in conf/segments ({known})")
