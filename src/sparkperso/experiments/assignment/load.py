"""Reads conf/experiments: each file, all together, and beside slots, content, rules, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from sparkperso.config import Settings
from sparkperso.config.experiments.experiment import EXPERIMENTS, SLOT_PREFIX, Experiment
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import STARTED, change_fault, started_forms
from sparkperso.config.layers import conf_files, own_files
from sparkperso.config.metrics.metric import METRICS, load_metrics
from sparkperso.core.errors import ConfigError
from sparkperso.core.suggest import nearest
from sparkperso.decisions.assets import Assets, Files, put_together, read_files
from sparkperso.decisions.spelling import Spelling
from sparkperso.experiments.assignment.book import ExperimentBook
from sparkperso.experiments.assignment.findings import file_of, findings
from sparkperso.experiments.assignment.shares import metric_fault

Result = TypeVar("Result")


@dataclass
class Experiments:
    """What conf/experiments holds; conditions name segments by their ids."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Experiment → what is wrong with it, a sentence each with file and field."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """The same of what may be meant."""

    def book(self, assets: Assets) -> ExperimentBook:
        """Returns those that are not drafts, compiled.

        Raises one ConfigError that lists the faults of those that are running; of others they are
        told by `experiments lint` alone.
        """
        running = {n for n, one in self.experiments.items() if one.status == "running"}
        # One that could not be read may be running.
        faulty = [n for n in self.faults if n in running or n not in self.experiments]
        if faulty:
            raise ConfigError(
                f"Experiments that run should be sound (conf/{EXPERIMENTS})",
                "; ".join(text for name in faulty for text in self.faults[name]),
                "'sparkperso experiments lint' lists what is wrong one by one",
            )
        return ExperimentBook(self.experiments, assets)


def read_experiments(
    settings: Settings, files: Files, assets: Assets, at: datetime, conf_dir: Path | None = None
) -> Experiments:
    """Returns the experiments of conf/ as of a time, with all their faults and notes.

    One file's fault keeps no other from being read. `files` and `assets` are what else conf/ says.
    """
    found = Experiments()
    forms = _attempt(found, STARTED, partial(started_forms, conf_dir)) or {}
    bandits = {f"{SLOT_PREFIX}{name}" for name, slot in files.slots.items() if slot.bandit}
    for name in sorted({*own_files(EXPERIMENTS, conf_dir), *bandits}):
        one = _attempt(found, name, partial(load_experiment, name, conf_dir))
        if one is None:
            continue
        # As it is written: how a country is spelled may change without it.
        fault = change_fault(one, forms) if one.phase(at) in ("scheduled", "running") else None
        if fault is not None:
            found.faults.setdefault(name, []).append(f"conf/{EXPERIMENTS}/{name}.yaml: {fault}")
        found.experiments[name] = _spelled(one, settings, files, found)
        for text in _bandit_faults(one, settings, conf_dir):
            found.faults.setdefault(name, []).append(f"{file_of(one)}, {text}")
    for finding in findings(found.experiments, assets, conf_files(METRICS, conf_dir), at):
        into = found.faults if finding.is_fault else found.notes
        into.setdefault(finding.experiment, []).append(finding.text)
    return found


def _bandit_faults(one: Experiment, settings: Settings, conf_dir: Path | None) -> Iterator[str]:
    """What is wrong with a bandit's metric, if it is there, and with its segmentation."""
    if one.bandit is None:
        return
    if one.bandit.metric in conf_files(METRICS, conf_dir):
        try:
            metric = load_metrics(conf_dir, [one.bandit.metric])[one.bandit.metric]
        except ConfigError as error:
            yield f"metric: {error.expected}"
        else:
            if fault := metric_fault(metric):
                yield f"metric: {fault}"
    by, known = one.bandit.by, settings.segments.segmentations
    if by is not None and by not in known:
        near = nearest(by, known)
        hint = f"did you mean '{near}'?" if near else ", ".join(known) or "there is none"
        yield f"by: '{by}' should be one of segments.segmentations ({hint})"


def load_book(settings: Settings, at: datetime, conf_dir: Path | None = None) -> ExperimentBook:
    """Returns the experiments of conf/ compiled, without content of a CMS; raises ConfigError."""
    files = read_files(settings, conf_dir)
    assets = put_together(settings, files, at=at)
    return read_experiments(settings, files, assets, at, conf_dir).book(assets)


def _attempt(found: Experiments, name: str, read: Callable[[], Result]) -> Result | None:
    try:
        return read()
    except ConfigError as error:
        text = f"{error.expected}: {error.found}" if error.found else error.expected
        found.faults.setdefault(name, []).append(text)
        return None


def _spelled(one: Experiment, settings: Settings, files: Files, found: Experiments) -> Experiment:
    if one.where is None:
        return one
    faults: dict[str, None] = {}
    notes: dict[str, None] = {}
    spelling = Spelling(settings.ingest.country_aliases, files.names, files.own, faults, notes)
    place = f"conf/{EXPERIMENTS}/{one.name}.yaml, where"
    where = spelling.condition(one.where, place)
    if faults:
        found.faults.setdefault(one.name, []).extend(faults)
    if notes:
        found.notes.setdefault(one.name, []).extend(notes)
    return one.model_copy(update={"where": where})
