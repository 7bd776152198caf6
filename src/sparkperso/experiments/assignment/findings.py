"""Faults of experiments that show when they are held against each other and against other files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import get_args

from sparkperso.config.content.slots import SLOTS, ListKind
from sparkperso.config.content.window import BEGINNING, END
from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.core.hashing import BUCKETS
from sparkperso.core.suggest import nearest
from sparkperso.decisions.assets import Assets
from sparkperso.rules.context import is_personal
from sparkperso.rules.implication import excludes, is_impossible

STORED_LISTS = frozenset({"new", "again", "mixed"})
"""Kinds of lists that a model, or a strategy, has a say in."""


@dataclass(frozen=True)
class Finding:
    """Something that was found in a file of conf/experiments."""

    experiment: str
    text: str
    """File, field and what is wrong."""
    is_fault: bool = True
    """False for what may be meant."""


@dataclass(frozen=True)
class Reach:
    """What an experiment may change: of the same thing there cannot be two at a time."""

    contents: frozenset[str]
    """Slots whose content it sets."""
    rules: frozenset[str]
    """Rules that it switches."""
    lists: bool
    """Whether it changes who makes lists."""
    slots: frozenset[str]
    """All slots that may look otherwise by it, those of its rules too."""
    kinds: frozenset[str]
    """Kinds of lists that may look otherwise, wherever they stand."""

    def touches(self, slot: str, kind: str | None) -> bool:
        """Says whether a slot ("" for none) with a list of a kind may look otherwise by it."""
        return slot in self.slots or kind in self.kinds

    @property
    def is_empty(self) -> bool:
        """Says whether it changes nothing that is served: callers act on its flags."""
        return not (self.contents or self.rules or self.lists)


def file_of(experiment: Experiment) -> str:
    """Returns where an experiment is written, as findings begin."""
    if experiment.slot is not None:
        return f"conf/{SLOTS}/{experiment.slot}.yaml, bandit"
    return f"conf/{EXPERIMENTS}/{experiment.name}.yaml"


def reach_of(experiment: Experiment, assets: Assets) -> Reach:
    """Returns what an experiment may change; rules that are not there change nothing."""
    arms = experiment.arms.values()
    contents = frozenset(slot for arm in arms for slot in arm.content)
    rules = frozenset(n for arm in arms if arm.rules for n in (*arm.rules.on, *arm.rules.off))
    lists = any(arm.model or arm.strategy for arm in arms)
    slots: set[str] = set(contents)
    kinds: set[str] = set(STORED_LISTS if lists else ())
    for rule in (assets.rules[name] for name in rules if name in assets.rules):
        if rule.show is not None:
            slots.add(rule.show.slot)
        elif rule.slots:
            slots |= set(rule.slots)
        else:
            kinds.update(rule.lists or get_args(ListKind))
    return Reach(contents, rules, lists, frozenset(slots), frozenset(kinds))


def findings(
    experiments: Mapping[str, Experiment],
    assets: Assets,
    metrics: Collection[str],
    at: datetime,
) -> Iterator[Finding]:
    """Yields all that is wrong, or looks so, as of the time `at`.

    Conditions of `experiments` are spelled.
    """
    for name, one in experiments.items():
        place = file_of(one)
        for text in (*_unknown_metrics(one, metrics), *_unknown_changes(one, assets)):
            yield Finding(name, f"{place}, {text}")
        for text in _unreachable(one):
            yield Finding(name, f"{place}, {text}")
        for text in (*_notes_on_goals(one), *_notes(one, assets, at)):
            yield Finding(name, f"{place}, {text}", is_fault=False)
    yield from _clashes(experiments, assets, at)


def _clashes(
    experiments: Mapping[str, Experiment], assets: Assets, at: datetime
) -> Iterator[Finding]:
    """Yields pairs that cannot run at the same time; drafts are noted."""
    for one, other in combinations(experiments.values(), 2):
        clash = _clash(one, other, assets) if _meet(one, other, at) else None
        if clash is not None:
            names = sorted((one.name, other.name), key=lambda n: experiments[n].start or END)
            place = file_of(experiments[names[1]])
            is_on = one.status == other.status == "running"
            yield Finding(names[1], f"{place}, {clash.format(names[0])}", is_fault=is_on)


def _unknown_metrics(one: Experiment, metrics: Collection[str]) -> Iterator[str]:
    # The goal of a slot's bandit is its metric, which nobody wrote twice.
    named = {} if one.slot else {"goals": one.goals, "guardrails": one.guardrails}
    if one.bandit is not None:
        named["bandit.metric"] = (one.bandit.metric,)
    for field, names in named.items():
        for name in names:
            if name not in metrics:
                yield f"{field}: no metric '{name}' in conf/metrics{_near(name, metrics)}"


def _unknown_changes(one: Experiment, assets: Assets) -> Iterator[str]:
    for name, arm in one.arms.items():
        place = f"variants.{name}"
        for slot, content in arm.content.items():
            if slot not in assets.slots:
                yield f"{place}.content: no slot '{slot}'{_near(slot, assets.slots)}"
            elif content not in assets.contents:
                near = _near(content, assets.contents)
                yield f"{place}.content.{slot}: no content '{content}'{near}"
            elif slot not in assets.contents[content].slots:
                yield f"{place}.content.{slot}: '{content}' is not for that slot"
        for rule in (*arm.rules.on, *arm.rules.off) if arm.rules else ():
            if rule not in assets.rules:
                yield f"{place}.rules: no rule '{rule}'{_near(rule, assets.rules)}"


def _unreachable(one: Experiment) -> Iterator[str]:
    if one.where is not None and is_impossible(one.where):
        yield "where: the condition can never hold, it contradicts itself"
    for name, share in zip(one.arms, one.weights, strict=True):
        if share * one.coverage < 1 / BUCKETS:
            yield (
                f"variants.{name}: {share * one.coverage:.2g} of the units are fewer than one part "
                f"of {BUCKETS:,}, so that nobody may be given it"
            )


def _notes(one: Experiment, assets: Assets, at: datetime) -> Iterator[str]:
    if one.status == "running" and one.phase(at) == "ended":
        yield f"end: it is over since {one.end:%Y-%m-%d %H:%M} UTC: say 'status: stopped'"
    if one.unit == "anonymous_id" and one.where is not None and is_personal(one.where):
        yield "where: it asks for the person, and browsers of whom nothing is known are not in it"
    for name, arm in one.arms.items():
        for content in arm.content.values():
            if content in assets.contents and assets.contents[content].variants:
                yield (
                    f"variants.{name}.content: '{content}' has variants of its own, so that two "
                    "things are compared at once"
                )


def _notes_on_goals(one: Experiment) -> Iterator[str]:
    if not one.hypothesis:
        yield "hypothesis: there is none: say what is expected, and why"
    if one.bandit is None and not one.goals:
        yield "goals: there is none: no metric says whether it helped"
    if one.bandit is not None and one.slot is None and (*one.goals, *one.guardrails):
        yield "goals: a bandit follows its own metric; others are not tested of it, nor guarded"


def _meet(one: Experiment, other: Experiment, at: datetime) -> bool:
    """Says whether some unit may be in both, or would, were it not for their layers."""
    if any(each.phase(at) in ("ended", "stopped") for each in (one, other)):
        return False
    if one.where and other.where and excludes(one.where, other.where):
        return False
    start = max(one.start or BEGINNING, other.start or BEGINNING)
    return start < min(one.end or END, other.end or END)


def _clash(one: Experiment, other: Experiment, assets: Assets) -> str | None:
    """Why two experiments cannot run at the same time; `{}` stands for the earlier one's name."""
    if one.layer and other.layer and one.layer.name == other.layer.name:
        layer = one.layer.name
        is_apart = not one.layer.overlaps(other.layer)
        return None if is_apart else f"layer: its range overlaps that of '{{}}' in layer '{layer}'"
    shared = changed_by_both(reach_of(one, assets), reach_of(other, assets))
    if not shared:
        return None
    return (
        f"variants: it changes {shared[0]}, as '{{}}' does at the same time: give both a part of "
        "one layer"
    )


def changed_by_both(one: Reach, other: Reach) -> list[str]:
    """Returns what two experiments change, in words: of each there cannot be two at a time."""
    return [
        *(f"the content of slot {slot}" for slot in sorted(one.contents & other.contents)),
        *(f"rule {rule}" for rule in sorted(one.rules & other.rules)),
        *(["who makes lists"] if one.lists and other.lists else []),
    ]


def _near(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean '{near}'?)" if near else f": {', '.join(known) or 'there is none'}"
