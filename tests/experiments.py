"""Experiments and the shop that they run in, in memory; the hash over many ids at once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tests.shop_rules import CONTENTS, SLOTS, rule, show

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import record_start
from sparkperso.core.hashing import BUCKETS, LAYER_PARTS, PRIME, fnv32a
from sparkperso.core.package import shipped
from sparkperso.decisions.assets import Assets
from sparkperso.decisions.facts import Facts
from sparkperso.experiments.assignment.assign import Units

NOW = datetime(2026, 12, 10, 12, tzinfo=timezone.utc)
UNITS = [
    "",
    "a",
    "u1",
    "Ümlaut",
    "漢字",
    "😀",
    "a😀b",
    "\x00",
    "x" * 300,
    "user@example",
    "1e5",
    "\u2028",
]
"""Ids with code units of every kind."""


def experiment(name: str = "hero", **fields: Any) -> Experiment:
    """Returns a running experiment of two equal variants, but for `fields`."""
    usual = {"status": "running", "start": "2026-12-01", "variants": {"a": 1, "b": 1}}
    if "factors" in fields:
        del usual["variants"]
    return Experiment.model_validate({"name": name, **usual, **fields})


def shop() -> Assets:
    """Returns slots, content and rules that experiments may change."""
    rules = [
        rule("offers-for-all", show=show("offers"), enabled=False),
        rule("vip-offers", {"segment": "vip"}, show=show("offers")),
        rule("no-candles", block={"category": "candles"}),
        rule("row-boost", boost={"category": "lamps", "by": 2}, slots=["row"]),
    ]
    return Assets(
        {one.name: one for one in SLOTS},
        {one.name: one for one in CONTENTS},
        {one.name: one for one in rules},
    )


def facts_of(user: str = "u1", **fields: Any) -> tuple[Facts, Units]:
    """Returns what is known of a request of somebody who agreed, and its ids."""
    usual = {"at": NOW, "unit": user, "may_personalise": True}
    return Facts(**{**usual, **fields}), Units(user, user)


def hashes(before: str, ids: np.ndarray, after: str = "") -> np.ndarray:
    """Returns the hashes of `before`, each of the `ids`, which are of one length, and `after`."""
    units = ids.astype("U").view(np.uint32).reshape(len(ids), -1).astype(np.uint64)
    value = np.full(len(ids), fnv32a(before), np.uint64)
    for place in range(units.shape[1]):
        value = (value ^ units[:, place]) * np.uint64(PRIME) & np.uint64(0xFFFFFFFF)
    for unit in after.encode("utf-16-le")[::2]:
        value = (value ^ np.uint64(unit)) * np.uint64(PRIME) & np.uint64(0xFFFFFFFF)
    return value


def shares(seed: str, ids: np.ndarray) -> np.ndarray:
    """Returns what `core.hashing.share_of` does of many ids of one length, in buckets."""
    first = hashes(seed, ids)
    found = np.zeros(len(ids), np.int64)
    for length in range(1, 11):
        own = (first >= 10 ** (length - 1)) & (first < 10**length)
        if own.any():
            found[own] = hashes("", first[own].astype(f"U{length}")) % BUCKETS
    return found


def layer_parts(layer: str, ids: np.ndarray) -> np.ndarray:
    """Returns what `core.hashing.layer_share` does of many ids of one length, in thousandths."""
    return (hashes("", ids, f"__{layer}") % LAYER_PARTS).astype(np.int64)


def many_ids(n: int) -> np.ndarray:
    """Returns ids of seven digits, one after the other, as a shop gives them."""
    return np.array([f"{number:07d}" for number in range(n)])


def conf_of(folder: Path, **experiments: Mapping[str, Any]) -> Path:
    """Writes a conf/ of the shipped slots, content and rules with these experiments, started."""
    conf = folder / "conf"
    for kind in ("slots", "content", "rules"):
        shutil.copytree(shipped("conf") / kind, conf / kind, dirs_exist_ok=True)
    (conf / "experiments").mkdir(exist_ok=True)
    for name, fields in experiments.items():
        usual = {"status": "running", "start": "2026-01-01", "hypothesis": "It helps."}
        arms = {} if "factors" in fields else {"variants": {"a": 1, "b": 1}}
        text = yaml.safe_dump({**usual, **arms, **fields}, sort_keys=False)
        (conf / "experiments" / f"{name}.yaml").write_text(text, encoding="utf-8")
        one = load_experiment(name, conf)
        if one.status == "running":
            record_start(one, NOW, conf)
    return conf
