"""What does worse than what it stands beside, and what to do about it: plain functions of counts.

A group is held against the rest of its place: the content of a rule against all else that its slot
showed, a segment against everybody else. The test is that of two proportions (pooled, one-sided),
p values corrected for the number of groups (Holm 1979).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sparkperso.experiments.statistics.multiplicity import holm


@dataclass(frozen=True)
class Group:
    """Successes among trials of one group: clicks of what a rule showed, for one."""

    what: str
    """What it is, for people: `rule`, `content`, `segment`."""
    name: str
    place: str
    """What it is compared in: a slot, or a segmentation's KPI."""
    n: float
    """Trials: how often it was shown."""
    k: float
    """Successes, of those."""

    @property
    def rate(self) -> float:
        """Returns successes by trials."""
        return self.k / self.n


@dataclass(frozen=True)
class Suggestion:
    """One finding: what it is about, the figures, what to do."""

    subject: str
    found: str
    action: str

    def __str__(self) -> str:
        """Returns it as one line."""
        return f"{self.subject}: {self.found}. {self.action}"


@dataclass(frozen=True)
class SlotRule:
    """A rule of conf/rules that is enabled and shows something."""

    name: str
    slot: str


ACTIONS: Mapping[str, str] = {
    "rule": "Show something else by it, or give it a lower priority ('sparkperso rules test' shows "
    "who meets it)",
    "content": "Change it, or put it against another in an experiment (a variant's 'content')",
    "segment": "Look at its row in gold/segment_profiles; try a rule or an experiment for it alone",
}


def one_sided_p(group: Group, rest_n: float, rest_k: float) -> float | None:
    """Returns how likely so low a rate, or a lower one, is by chance; None where nothing varies."""
    pooled = (group.k + rest_k) / (group.n + rest_n)
    variance = pooled * (1 - pooled) * (1 / group.n + 1 / rest_n)
    if not variance > 0:
        return None
    z = (group.rate - rest_k / rest_n) / math.sqrt(variance)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def underperforming(
    groups: Iterable[Group],
    level: float,
    min_n: float,
    wholes: Mapping[str, tuple[float, float]] | None = None,
) -> list[Suggestion]:
    """Returns the groups whose rate is lower than that of the rest by more than chance explains.

    `wholes`: place → trials and successes of all, where groups overlap or leave some out; else
    those of the place's groups. Groups with fewer than `min_n` trials, or whose rest has, are left
    out. The worst come first.
    """
    known = [group for group in groups if group.n > 0 and 0 <= group.k <= group.n]
    sums: dict[str, tuple[float, float]] = {}
    for group in known:
        n, k = sums.get(group.place, (0.0, 0.0))
        sums[group.place] = n + group.n, k + group.k
    sums |= wholes or {}
    compared = []
    for group in known:
        n, k = sums[group.place]
        rest_n, rest_k = n - group.n, k - group.k
        if min(group.n, rest_n) < min_n or not 0 <= rest_k <= rest_n:
            continue
        compared.append((group, rest_k / rest_n, one_sided_p(group, rest_n, rest_k)))
    corrected = holm([p for *_, p in compared])
    found = [
        (p, group, rest)
        for (group, rest, _), p in zip(compared, corrected, strict=True)
        if p is not None and p < level
    ]
    found.sort(key=lambda one: (one[0], one[1].place, one[1].name))
    return [_suggestion(group, rest, p) for p, group, rest in found]


def _suggestion(group: Group, rest: float, p: float) -> Suggestion:
    chance = "p 0.0001 or less" if p <= 0.0001 else f"p {p:.2g}"
    found = (
        f"{group.rate:.2%} of {group.n:,.0f} in {group.place}, and {rest:.2%} of all else there "
        f"({chance})"
    )
    return Suggestion(f"{group.what} {group.name}", found, ACTIONS[group.what])


def never_shown(
    rules: Sequence[SlotRule],
    decided: Collection[str],
    seen: Collection[str],
    n_by_slot: Mapping[str, int],
    days: float,
) -> list[Suggestion]:
    """Returns the enabled rules that nobody was shown anything by.

    `decided` are rules that decisions name, `seen` those of them whose exposure was logged;
    `n_by_slot` says how many decisions there were: a slot without any says nothing of its rules.
    """
    found = []
    for rule in sorted(rules, key=lambda one: one.name):
        n = n_by_slot.get(rule.slot, 0)
        if not n or rule.name in seen:
            continue
        if rule.name in decided:
            text = f"it was decided for {rule.slot} in {days:g} days, and never seen"
            action = "See that the page shows the slot, and sends its exposure"
        else:
            text = f"none of {n:,} decisions for {rule.slot} in {days:g} days came by it"
            action = (
                "Its condition may fit nobody, or another rule goes before: 'sparkperso rules "
                "test' says why; else take it away"
            )
        found.append(Suggestion(f"rule {rule.name}", text, action))
    return found
