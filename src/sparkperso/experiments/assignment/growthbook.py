"""Running experiments as GrowthBook's features, so that its SDKs assign as we do.

An experiment is a feature of one rule: key, seed, variations, weights, coverage, namespace for the
layer, and the condition in GrowthBook's language (that of MongoDB's queries). Its attributes have
the names that ours have: `user_id`, `anonymous_id`, `segments`, those of profile and request.
Testers are not in it: the document is read by pages, and their ids are nobody's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.rules import conditions as c
from sparkperso.rules.context import CLOCK, SIZES

HASH_VERSION = 2
ATTRIBUTE_OF = {"user": "user_id", "anonymous_id": "anonymous_id"}
BOUNDS = {"at_least": "$gte", "at_most": "$lte", "above": "$gt", "below": "$lt"}


class NoEquivalentError(ValueError):
    """A condition asks for what GrowthBook's language has no word for."""


def no_equivalent(experiment: Experiment) -> str | None:
    """Returns what of an experiment GrowthBook's language has no word for; None without such."""
    if experiment.bandit and experiment.bandit.by:
        return "its shares differ by segment (bandit.by)"
    try:
        if experiment.where is not None:
            condition_of(experiment.where)
    except NoEquivalentError as error:
        return str(error)
    return None


def feature_of(experiment: Experiment, shares: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Returns an experiment as a feature, as JSON's values.

    `shares` are a bandit's by variant, in place of its weights. Raises NoEquivalentError for a
    condition that has no equivalent, and for a bandit whose shares differ by segment.
    """
    if reason := no_equivalent(experiment):
        raise NoEquivalentError(f"GrowthBook's SDKs are not given it: {reason}")
    names = list(experiment.arms)
    rule: dict[str, Any] = {
        "key": experiment.key,
        "seed": experiment.hash_seed,
        "hashAttribute": ATTRIBUTE_OF[experiment.unit],
        "hashVersion": HASH_VERSION,
        "variations": [experiment.value(name) for name in names],
        "weights": [shares[name] for name in names] if shares else list(experiment.weights),
        "coverage": experiment.coverage,
        "meta": [{"key": name} for name in names],
        "phase": str(experiment.version - 1),
    }
    if experiment.layer is not None:
        rule["namespace"] = [experiment.layer.name, *experiment.layer.range]
    if experiment.where is not None:
        rule["condition"] = condition_of(experiment.where)
    return {"defaultValue": experiment.value(experiment.control), "rules": [rule]}


def condition_of(condition: c.Condition) -> dict[str, Any]:
    """Returns a condition in GrowthBook's language; raises NoEquivalentError.

    >>> condition_of(c.Context(context="device_type", one_of=("mobile",)))
    {'device_type': {'$in': ['mobile']}}
    """
    if isinstance(condition, c.All):
        return {"$and": [condition_of(part) for part in condition.all]}
    if isinstance(condition, c.Either):
        return {"$or": [condition_of(part) for part in condition.any]}
    if isinstance(condition, c.Not):
        return {"$not": condition_of(condition.not_)}
    if isinstance(condition, c.InSegment):
        return {"segments": {"$elemMatch": {"$eq": condition.segment}}}
    if isinstance(condition, c.Attribute):
        return {condition.attribute: _compared(condition)}
    if isinstance(condition, c.Context) and condition.context not in (*CLOCK, *SIZES):
        return {condition.context: _compared(condition)}
    name = condition.context if isinstance(condition, c.Context) else type(condition).__name__
    raise NoEquivalentError(f"'where' asks for {name}")


def _compared(condition: c.ValueCondition) -> dict[str, Any]:
    if condition.exists is not None:
        return {"$exists": condition.exists}
    found: dict[str, Any] = {}
    if condition.one_of is not None:
        found["$in"] = list(condition.one_of)
    if condition.none_of is not None:
        found["$nin"] = list(condition.none_of)
    if isinstance(condition, c.Context) and condition.begins_with is not None:
        found["$regex"] = f"^({'|'.join(map(_escaped, condition.begins_with))})"
    if condition.bounds:
        low, high = condition.between or (None, None)
        bounds = {BOUNDS[n]: v for n, v in condition.bounds.items() if n in BOUNDS}
        between = {} if low is None else {"$gte": low, "$lte": high}
        # Their SDKs read what is missing as 0.
        found |= {"$exists": True, **between, **bounds}
    return found


def _escaped(text: str) -> str:
    """A text as a pattern that Python's and JavaScript's expressions read alike."""
    return re.sub(r"[.*+?^${}()|\[\]\\/]", r"\\\g<0>", text)
