"""Why an item has its score for a user, or why it is not listed: worked out by the model itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkperso.recommend.arrays.histories import BUCKETS, Histories
from sparkperso.recommend.models.base import Fitted, scored
from sparkperso.recommend.models.hybrid import HybridModel, spreads
from sparkperso.recommend.scoring.eligibility import CountryRule
from sparkperso.recommend.scoring.lister import Lister
from sparkperso.recommend.scoring.top_n import Rule, mask


@dataclass(frozen=True)
class Part:
    """What one model of a blend adds to a score; a model that is no blend is its only part."""

    model: str
    weight: float
    """Of the blend, for histories of the user's length; 1 for a model on its own."""
    score: float | None
    """The model's own score; None where it knows nothing of the item for this user."""
    spread: float
    """What its scores are divided by: their standard deviation over all items for the user."""
    added: float
    """weight × score ÷ spread; 0 without a score."""


@dataclass(frozen=True)
class HistoryItem:
    """What an item that the user has adds to a score."""

    item_id: str
    title: str | None
    added: float


@dataclass(frozen=True)
class ItemExplanation:
    """Why an item has its score: `parts` add up to it, and so do `others` and `history`."""

    item_id: str
    title: str | None
    score: float | None
    """Of what lists it, else the champion's; None where that knows nothing of the item here."""
    rank: int | None
    """Its place in the user's list; None where it is not listed."""
    strategy: str
    """The model that lists it: popularity where that fills a list."""
    bucket: str
    """Length of the user's history, which a blend is weighted by: 0, 1-4, 5-19 or 20+."""
    parts: tuple[Part, ...]
    """What each model adds."""
    others: Mapping[str, float]
    """What does not come from the history: `popular:<scope>`, `profile` → what it adds."""
    history: tuple[HistoryItem, ...]
    """What the user's items add, largest first."""
    obstacles: tuple[str, ...]
    """Why it is not listed, in words; empty where it is."""

    def __str__(self) -> str:
        score = "no score" if self.score is None else f"score {self.score:.4f}"
        place = f"place {self.rank}" if self.rank else "not listed"
        lines = [f"{self.title or self.item_id}: {score}, {place}"]
        for part in self.parts:
            if part.score is not None:
                terms = f"{part.weight:g} × {part.score:.4g} ÷ {part.spread:.4g}"
                lines.append(f"  {part.model}: {part.added:+.4f} ({terms})")
        lines += [f"  {name}: {added:+.4f}" for name, added in self.others.items()]
        lines += [f"  because of {h.title or h.item_id}: {h.added:+.4f}" for h in self.history[:5]]
        return "\n".join([*lines, *(f"  not listed: {why}" for why in self.obstacles)])


def explain_item(
    lister: Lister,
    names: tuple[str, ...],
    user: Histories,
    place: int,
    listed: tuple[str, int | None],
) -> ItemExplanation:
    """Returns why an item (its position) has its score for a user (one row), and why it is listed.

    `names` are the models of the blend in their order, `listed` the strategy and place of the list
    that was made: where popularity filled the place, it is popularity's score that is explained.
    Titles are left to whoever knows them.
    """
    ids = lister.catalogue.ids
    model: Any = lister.model
    strategy, rank = listed
    if rank and strategy == lister.fallback_strategy != lister.strategy:
        model, names = lister.fallback, (strategy,)
    assert isinstance(model, Fitted)
    parts = parts_of(model, names, user, place)
    both = scored(model, user)
    value = float(both.scores[0, place])
    score = value if np.isfinite(value) else None
    history: list[HistoryItem] = []
    others: dict[str, float] = {}
    if score is not None:
        reasons = both.explain(0, np.array([place]))
        others = {name: float(own[0]) for name, own in reasons.named.items() if own[0]}
        added = reasons.contributions[:, 0].tolist()
        liked = user.liked(0).tolist()
        history = [
            HistoryItem(str(ids[i]), None, v) for i, v in zip(liked, added, strict=True) if v
        ]
        history.sort(key=lambda item: (-item.added, item.item_id))
    why = () if rank else tuple(obstacles(lister, user, place, score))
    bucket = list(BUCKETS)[int(user.buckets[0])]
    return ItemExplanation(
        str(ids[place]), None, score, rank, strategy, bucket, parts, others, tuple(history), why
    )


def parts_of(model: Any, names: tuple[str, ...], user: Histories, place: int) -> tuple[Part, ...]:
    """Returns what each model of a blend adds to a score, weighted by the user's bucket."""
    if not isinstance(model, HybridModel):
        score = float(model.scores(user)[0, place])
        known = bool(np.isfinite(score))
        own = Part(names[0], 1.0, score if known else None, 1.0, score if known else 0.0)
        return (own,)
    parts = []
    for name, part, weight in zip(
        names, model.parts, model.weights[user.buckets[0]].tolist(), strict=True
    ):
        scores = part.scores(user)
        spread, score = float(spreads(scores)[0]), float(scores[0, place])
        known = bool(np.isfinite(score))
        added = weight * score / spread if known and weight > 0 else 0.0
        parts.append(Part(name, weight, score if known else None, spread, added))
    return tuple(parts)


def obstacles(lister: Lister, user: Histories, place: int, score: float | None) -> list[str]:
    """Returns all that keeps an item from a user's list, in words; of a rule what it limits."""
    select, found = lister.select, []
    if place in user.pairs.indices:
        found.append("the user has it already")
    if select.allowed is not None and not select.allowed[place]:
        found.append(
            "nobody is shown it: it is blocked, or out of stock (recommend.lists.eligibility)"
        )
    found += [_limit(rule) for rule in select.rules if _forbids(rule, user, place)]
    if score is None:
        found.append("no model knows anything of it for this user")
    if found:
        return found
    scores = mask(lister.model.scores(user), user, select)[0]
    better = int((scores > scores[place]).sum())
    if better >= select.n:
        return [f"{better:,} items have a larger score, and a list has {select.n:,} places"]
    return ["the list's rules of diversity chose others (recommend.lists.diversity)"]


def _forbids(rule: Rule, user: Histories, place: int) -> bool:
    scores = np.zeros((1, user.n_items), dtype=np.float32)
    rule.forbid(scores, user)
    return bool(np.isneginf(scores[0, place]))


def _limit(rule: Rule) -> str:
    if isinstance(rule, CountryRule):
        return "it is not shown in the user's country, or that is not known"
    return "it has an age limit, and the user is not surely old enough"


def titled(explanation: ItemExplanation, title_of: Any) -> ItemExplanation:
    """Returns the explanation with the titles that a function of an item_id knows."""
    history = tuple(replace(item, title=title_of(item.item_id)) for item in explanation.history)
    return replace(explanation, title=title_of(explanation.item_id), history=history)
