"""Reads conf/experiments, each file on its own: `experiments.assignment` holds them together."""

from __future__ import annotations

from pathlib import Path

from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.config.layers import own_files
from sparkperso.config.load import load_named


def load_experiment(name: str, conf_dir: Path | None = None) -> Experiment:
    """Returns conf/experiments/<name>.yaml; raises ConfigError with the nearest name without it."""
    return load_named(EXPERIMENTS, name, Experiment, conf_dir)


def load_experiments(conf_dir: Path | None = None) -> dict[str, Experiment]:
    """Returns name → experiment of all files, by name; raises ConfigError for one that is broken.

    Of a conf/ of yours they are its own alone: the shipped ones are examples, and none runs.
    """
    names = own_files(EXPERIMENTS, conf_dir)
    return {name: load_experiment(name, conf_dir) for name in names}
