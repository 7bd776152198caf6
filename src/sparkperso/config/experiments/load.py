"""Reads conf/experiments, each file on its own: `experiments.assignment` holds them together."""

from __future__ import annotations

from pathlib import Path

from sparkperso.config.content.slots import SLOTS
from sparkperso.config.experiments.experiment import EXPERIMENTS, SLOT_PREFIX, Experiment
from sparkperso.config.experiments.slot_bandits import load_slot_bandit
from sparkperso.config.layers import own_files, read_yaml
from sparkperso.config.load import load_named
from sparkperso.core.errors import ConfigError


def load_experiment(name: str, conf_dir: Path | None = None) -> Experiment:
    """Returns conf/experiments/<name>.yaml, or a slot's bandit by its name, `slot-<slot>`.

    Raises ConfigError with the nearest name without it.
    """
    if not name.startswith(SLOT_PREFIX):
        return load_named(EXPERIMENTS, name, Experiment, conf_dir)
    if name in own_files(EXPERIMENTS, conf_dir):
        raise ConfigError(
            f"Experiments whose names begin with '{SLOT_PREFIX}' are bandits of slots",
            f"conf/{EXPERIMENTS}/{name}.yaml",
            "Give the file another name",
        )
    found = load_slot_bandit(name.removeprefix(SLOT_PREFIX), conf_dir)
    return load_named(EXPERIMENTS, name, Experiment, conf_dir) if found is None else found


def experiment_names(conf_dir: Path | None = None) -> list[str]:
    """Returns the names of all experiments in order: files of conf/experiments, bandits of slots.

    Of a conf/ of yours they are its own alone: the shipped ones are examples, and none runs.
    """
    slots = own_files(SLOTS, conf_dir).items()
    # As it is written: what else is wrong with a slot is told elsewhere.
    bandits = (f"{SLOT_PREFIX}{slot}" for slot, path in slots if read_yaml(path).get("bandit"))
    return sorted({*own_files(EXPERIMENTS, conf_dir), *bandits})


def load_experiments(conf_dir: Path | None = None) -> dict[str, Experiment]:
    """Returns name → experiment of all, by name; raises ConfigError for one that is broken."""
    return {name: load_experiment(name, conf_dir) for name in experiment_names(conf_dir)}
