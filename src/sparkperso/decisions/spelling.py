"""Conditions and items of rules and content, spelled as ingest spells; segments by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkperso.config.content.assets import Content
from sparkperso.config.content.rules import RULES, ItemFilter, Rule
from sparkperso.core.spellings import snake_case
from sparkperso.decisions.segment_names import SegmentNames
from sparkperso.rules.conditions import Attribute, Condition, InSegment
from sparkperso.rules.context import invalid_at_request
from sparkperso.rules.spelling import speller
from sparkperso.rules.traverse import rewrite


@dataclass(frozen=True)
class Spelling:
    """Brings conditions to one spelling, and notes what cannot be asked."""

    aliases: Mapping[str, str]
    """Names of countries → codes."""
    names: SegmentNames
    own: tuple[str, ...]
    """Features of conf/features."""
    faults: dict[str, None]
    """Gets what cannot be asked, a sentence each with its place."""
    notes: dict[str, None]
    """Gets what was spelled otherwise."""

    def rule(self, rule: Rule) -> Rule:
        """Returns a rule whose condition and items are spelled."""
        place = f"conf/{RULES}/{rule.name}.yaml"
        spelled: dict[str, Any] = {}
        if rule.if_ is not None:
            spelled["if_"] = self.condition(rule.if_, f"{place}, if")
        for action in ("block", "available", "boost", "max_per_category"):
            wanted: ItemFilter | None = getattr(rule, action)
            if wanted is not None and wanted.category is not None:
                categories = tuple(snake_case(text) for text in wanted.category)
                spelled[action] = wanted.model_copy(update={"category": categories})
        return rule.model_copy(update=spelled)

    def content(self, content: Content, place: str) -> Content:
        """Returns content whose tags are spelled; what is found in it begins with `place`."""
        place, tags = f"{place}, tags", content.tags
        spelled: dict[str, Any] = {
            "behaviours": tuple(
                self.condition(one, f"{place}.behaviours") for one in tags.behaviours
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
        spelled = self.condition(Attribute(attribute=name, one_of=texts), place)
        assert isinstance(spelled, Attribute)
        return spelled.one_of or texts

    def condition(self, condition: Condition, place: str) -> Condition:
        """Returns a condition that is spelled; what is found in it begins with `place`."""
        spelling = speller(self.aliases)
        spelled = rewrite(
            spelling.condition(condition),
            lambda part: (
                InSegment(segment=self._segment_id(part.segment, place))
                if isinstance(part, InSegment)
                else part
            ),
        )
        self.notes.update({f"{place}: {change}": None for change in spelling.changes})
        for fault in (*spelling.faults, *invalid_at_request(spelled, self.own)):
            self.faults[f"{place}: {fault}"] = None
        return spelled

    def _segment_id(self, name: str, place: str) -> str:
        try:
            return self.names.id_of(name)
        except ValueError as error:
            self.faults[f"{place}: {error}"] = None
            return name
