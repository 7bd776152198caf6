"""Values of a rule as ingest spells them, and those that no event and no profile can hold.

A rule that names `UK`, `Home Decor` or `Mobile` means what silver holds as `GB`, `home_decor` and
`mobile`; one that names a channel `app` would find nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sparkperso.core.event import CHANNELS
from sparkperso.core.spellings import DEVICES, country_codes, snake_case
from sparkperso.core.suggest import nearest
from sparkperso.rules import conditions as c
from sparkperso.rules.context import WEEKDAYS
from sparkperso.rules.traverse import rewrite

CATEGORY = "category"
OTHER_WORDS = {
    "app": "mobile",
    "phone": "mobile",
    "smartphone": "mobile",
    "ios": "mobile",
    "android": "mobile",
    "computer": "desktop",
    "pc": "desktop",
    "laptop": "desktop",
    "ipad": "tablet",
    "browser": "web",
    "site": "web",
    "website": "web",
    "online": "web",
    "mail": "email",
    "e-mail": "email",
    "newsletter": "email",
    "api": "server",
    "backend": "server",
}
"""What people call channels and devices → what silver calls them: for suggestions."""


@dataclass
class Speller:
    """Spells the values of one rule; what it changed and what cannot occur is noted by name.

    >>> from sparkperso.rules.conditions import Attribute
    >>> one = speller({"ENGLAND": "GB"})
    >>> one.condition(Attribute(attribute="country", one_of=("England", "Narnia"))).one_of
    ('GB', 'Narnia')
    >>> one.changes, len(one.faults)
    (["country 'England' is read as 'GB'"], 1)
    """

    codes: Mapping[str, str]
    """Names and codes of countries, in capitals → alpha-2 code."""
    changes: list[str] = field(default_factory=list)
    """`country 'UK' is read as 'GB'`."""
    faults: list[str] = field(default_factory=list)
    """`no channel 'app' …`."""

    def condition(self, condition: c.Condition) -> c.Condition:
        """Returns the condition with all its values as ingest spells them.

        What was changed is added to `changes`, what cannot occur to `faults`, a sentence each.
        """
        return rewrite(condition, self._leaf)

    def _leaf(self, part: c.Condition) -> c.Condition:
        if isinstance(part, c.Attribute | c.Context):
            return self._value(part)
        if isinstance(part, c.SequenceCondition):
            return part.model_copy(update={"sequence": self._filters_in(part.sequence)})
        spelled: c.Condition = self._filters_in(part)
        return spelled

    def _filters_in(self, holder: Any) -> Any:
        """A condition or a sequence, each kind of events in it spelled."""
        values = {name: getattr(holder, name) for name in type(holder).model_fields}
        spelled = {n: self._filter(v) for n, v in values.items() if isinstance(v, c.EventFilter)}
        return holder.model_copy(update=spelled) if spelled else holder

    def _filter(self, events: c.EventFilter) -> c.EventFilter:
        spell: Mapping[str, Callable[[str], str]] = {
            "event_type": str.lower,
            "channel": partial(self._one_of, "channel", known=CHANNELS),
            # Of events any kind may be asked for; features count those of DEVICES alone.
            "device_type": str.lower,
            "country": self._country,
        }
        named = {n: values for n in spell if (values := getattr(events, n)) is not None}
        changed: dict[str, Any] = {n: self._all(n, v, spell[n]) for n, v in named.items()}
        if CATEGORY in events.metadata:
            own = self._all(CATEGORY, events.metadata[CATEGORY], self._category)
            changed["metadata"] = {**events.metadata, CATEGORY: own}
        return events.model_copy(update=changed) if changed else events

    def _value(self, part: c.Attribute | c.Context) -> c.Condition:
        spell: Mapping[str, Callable[[str], str]] = {
            "country": self._country,
            "device_type": partial(self._one_of, "device_type", known=DEVICES),
        }
        if isinstance(part, c.Context):
            name = part.context
            spell = {
                **spell,
                "channel": partial(self._one_of, "channel", known=CHANNELS),
                "weekday": partial(self._one_of, "weekday", known=WEEKDAYS),
                "category": self._category,
                "language": str.lower,
            }
        else:
            name, spell = part.attribute, {**spell, "top_category": self._category}
        own = spell.get(name)
        if own is None:
            return part
        spelled = {n: self._all(name, values, own) for n, values in part.texts.items()}
        return part.model_copy(update=spelled)

    def _all(
        self, name: str, values: Collection[str], spell: Callable[[str], str]
    ) -> tuple[str, ...]:
        spellings = []
        for value in values:
            spelled = spell(value.strip())
            if spelled != value:
                self.changes.append(f"{name} '{value}' is read as '{spelled}'")
            spellings.append(spelled)
        return tuple(dict.fromkeys(spellings))

    def _country(self, text: str) -> str:
        code = self.codes.get(text.upper())
        if code is None:
            near = nearest(text.upper(), self.codes, cutoff=0.7)
            meant = f" (did you mean '{self.codes[near]}', {near}?)" if near else ""
            self.faults.append(
                f"no country '{text}'{meant}: give a code or a name of ISO 3166, or one of "
                "ingest.country_aliases"
            )
        return code or text

    def _one_of(self, name: str, text: str, known: Collection[str]) -> str:
        word = text.lower()
        if word not in known:
            other = OTHER_WORDS.get(word)
            near = other if other in known else nearest(word, known)
            meant = f" (did you mean '{near}'?)" if near else ""
            self.faults.append(f"no {name} '{text}'{meant}: there are {', '.join(known)}")
        return word

    def _category(self, text: str) -> str:
        spelled = snake_case(text)
        if not spelled:
            self.faults.append(f"no category '{text}': it holds neither letters nor digits")
        return spelled


def speller(aliases: Mapping[str, str]) -> Speller:
    """Returns a speller that knows ISO 3166 and these names of countries."""
    return Speller(country_codes(aliases))
