"""The rules of all segmentations that are followed live, as one set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sparkperso.config.segmentation import RuleSegmentation
from sparkperso.core.hashing import short_hash
from sparkperso.rules.conditions import Attribute, Condition, Count, EventFilter, InSegment
from sparkperso.rules.traverse import rewrite
from sparkperso.segments.live.counters import Counters, counters_of
from sparkperso.segments.rules.build import segment_id

EVERY_EVENT = Count(count=EventFilter(), at_least=0)
"""Counted whatever the rules compare: it shows who is there, and how late it is."""


@dataclass(frozen=True)
class LiveRules:
    """What is followed."""

    rules: Mapping[str, Condition]
    """Segment id → condition; references are segment ids too."""
    labels: Mapping[str, str]
    """Segment id → name in words."""
    segmentations: Mapping[str, str]
    """Segment id → segmentation."""
    counted: Counters

    def fingerprint(self, *others: str | float) -> str:
        """Returns twelve hexadecimal digits of the rules and of what else counters depend on."""
        definitions = [(name, rule.model_dump_json()) for name, rule in self.rules.items()]
        return short_hash(json.dumps([*definitions, *others]), 12)


def live_rules(plans: Iterable[RuleSegmentation]) -> LiveRules:
    """Returns the rules of several segmentations as one set, by segment id.

    The number of events is counted live, where a rule compares the feature `n_events`.
    """
    named = [(plan, key, rule) for plan in plans for key, rule in plan.rules.items()]
    rules = {segment_id(p, key): rewrite(rule.when, _live_in(p)) for p, key, rule in named}
    return LiveRules(
        rules=rules,
        labels={segment_id(p, key): rule.label or key for p, key, rule in named},
        segmentations={segment_id(p, key): p.name for p, key, _ in named},
        counted=counters_of([*rules.values(), EVERY_EVENT]),
    )


def _live_in(plan: RuleSegmentation) -> Callable[[Condition], Condition]:
    def change(part: Condition) -> Condition:
        if isinstance(part, InSegment):
            return InSegment(segment=segment_id(plan, part.segment))
        if isinstance(part, Attribute) and part.attribute == "n_events" and part.bounds:
            # The feature is as old as the last build-features; the count is not.
            return Count(count=EventFilter(), **part.bounds)
        return part

    return change
