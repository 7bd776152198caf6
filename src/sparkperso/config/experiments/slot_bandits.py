"""Bandits of slots as the experiments that they are: one mechanism for both."""

from __future__ import annotations

from pathlib import Path

from sparkperso.config.content.slots import SLOTS, Slot
from sparkperso.config.experiments.bandit import Bandit
from sparkperso.config.experiments.experiment import SLOT_PREFIX, Experiment
from sparkperso.config.experiments.variants import Variant
from sparkperso.config.layers import own_files
from sparkperso.config.load import load_named, validate


def experiment_of(slot: Slot) -> Experiment | None:
    """Returns a slot's bandit as an experiment; None for a slot without one.

    Its variants are the contents, with equal weights until shares are published.
    """
    bandit = slot.bandit
    if bandit is None:
        return None
    values = {
        "name": f"{SLOT_PREFIX}{slot.name}",
        "hypothesis": f"Of {len(bandit.contents)} contents, one moves {bandit.metric} most.",
        "status": "running",
        "unit": bandit.unit,
        "variants": {name: Variant(content={slot.name: name}) for name in bandit.contents},
        "baseline": slot.default if slot.default in bandit.contents else None,
        "start": bandit.start,
        "end": bandit.end,
        "goals": (bandit.metric,),
        "version": bandit.version,
        "bandit": bandit.model_dump(include=set(Bandit.model_fields)),
    }
    return validate(Experiment, values, f"conf/{SLOTS}/{slot.name}.yaml, bandit", {})


def load_slot_bandit(slot: str, conf_dir: Path | None = None) -> Experiment | None:
    """Returns the bandit of conf/slots/<slot>.yaml; None without one, or without such a slot."""
    if slot not in own_files(SLOTS, conf_dir):
        return None
    return experiment_of(load_named(SLOTS, slot, Slot, conf_dir))
