"""Names and sentences of segments, from what distinguishes them: plain Python.

1. A segment's traits are ordered by how far they stand from all users.
2. Each trait that is far enough gives a word of the naming tables: a noun, a phrase or adjectives.
3. A label takes the first words; equal labels take more, and at last a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparkperso.config.segments import FeatureWords, Naming, Word


@dataclass(frozen=True)
class Trait:
    """How one feature of a segment stands against all users."""

    feature: str
    difference: float
    """Mean of the segment less mean of all, in standard deviations of all (scaled feature)."""
    value: float
    """Mean of the segment, in the feature's own unit."""
    average: float
    """Mean of all users, in the feature's own unit."""


@dataclass(frozen=True)
class Lift:
    """How much more of a category a segment's members have than all users have."""

    category: str
    share: float
    """Mean share of the members' events, 0 to 1."""
    average: float
    """Mean share of all users' events, 0 to 1."""

    @property
    def lift(self) -> float:
        """Returns share by average: 2 is twice as much as all users have."""
        return self.share / self.average


def most_telling(traits: Sequence[Trait]) -> list[Trait]:
    """Returns the traits by size of their difference, largest first; equals by name."""
    return sorted(traits, key=lambda t: (-round(abs(t.difference), 6), t.feature))


def name_segments(
    segments: Mapping[str, Sequence[Trait]], naming: Naming, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns a unique label for each segment id; those in `kept` keep theirs.

    A label takes the words of the most telling traits, `max_words` of them. Segments whose labels
    would be equal take further words; where they run out of words, a number in the order given.
    """
    earlier = {name: label for name, label in (kept or {}).items() if name in segments}
    words = {
        name: _words(traits, naming) for name, traits in segments.items() if name not in earlier
    }
    taken = {name: min(naming.max_words, len(choice)) for name, choice in words.items()}
    while True:
        named = {name: _compose(words[name][: taken[name]], naming) for name in words}
        labels = {**earlier, **named}
        counts = Counter(labels.values())
        shared = [name for name, label in labels.items() if counts[label] > 1]
        longer = [name for name in shared if name in words and taken[name] < len(words[name])]
        if not longer:
            numbered = _numbered(labels)
            return {name: numbered[name] for name in segments}
        for name in longer:
            taken[name] += 1


def describe_segment(
    size: int,
    share: float,
    traits: Sequence[Trait],
    naming: Naming,
    lifts: Sequence[Lift] = (),
) -> str:
    """Returns one sentence: the segment's size and its most telling figures against the average.

    The first figure always stands in it, further ones where they differ enough to give a word, and
    the category that its people have most times as much of as others. `share` is that of all users,
    0 to 1; at least one trait is needed.
    """
    first, *others = most_telling(traits)[: naming.max_facts]
    named_traits = [first, *(t for t in others if abs(t.difference) >= naming.min_difference)]
    opening, *rest = [_fact(trait, naming.features.get(trait.feature)) for trait in named_traits]
    liking = [f"{lift.share:.0%} {lift.category} against {lift.average:.0%}" for lift in lifts[:1]]
    facts = "; ".join([f"{opening} on average", *rest, *liking])
    return f"{size:,} {naming.noun} ({share:.0%}): {facts}."


def in_words(feature: str, value: float, words: FeatureWords | None) -> str:
    """Returns a value as it is printed: `12`, `35`, `1,024`, or `0.42` without a word table.

    >>> in_words("recency_days", 1234.5678, None)
    '1,234.57'
    """
    if words is None:
        return f"{value:,.2f}"
    number = round(value * words.times, words.decimals)
    # Adding 0.0 makes 0 of the -0 that a small negative number is rounded to.
    return f"{number + 0.0:,.{words.decimals}f}"


def _fact(trait: Trait, words: FeatureWords | None) -> str:
    unit = words.unit if words and words.unit else trait.feature
    value = in_words(trait.feature, trait.value, words)
    average = in_words(trait.feature, trait.average, words)
    # A percentage is written without a space, and its unit with both numbers.
    if unit.startswith("%"):
        return f"{value}{unit} against {average}%"
    return f"{value} {unit} against {average}"


def _words(traits: Sequence[Trait], naming: Naming) -> list[Word]:
    """Returns the words that a segment could carry: one noun, one phrase, any adjectives."""
    words: list[Word] = []
    for trait in most_telling(traits):
        feature = naming.features.get(trait.feature)
        if feature is None or abs(trait.difference) < naming.min_difference:
            continue
        word = feature.high if trait.difference > 0 else feature.low
        if word is None or word in words:
            continue
        if word.place == "adjective" or word.place not in {other.place for other in words}:
            words.append(word)
    return words


def _compose(words: Sequence[Word], naming: Naming) -> str:
    adjectives = [word.text for word in words if word.place == "adjective"]
    nouns = [word.text for word in words if word.place == "noun"] or [naming.noun]
    phrases = [word.text for word in words if word.place == "phrase"]
    return " ".join([*(adjectives if words else [naming.plain]), *nouns, *phrases])


def _numbered(labels: Mapping[str, str]) -> dict[str, str]:
    numbered: dict[str, str] = {}
    for name, label in labels.items():
        number, used = 1, label
        while used in numbered.values():
            number += 1
            used = f"{label} ({number})"
        numbered[name] = used
    return numbered
