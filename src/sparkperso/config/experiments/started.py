"""What experiments were when they started: conf/experiments/started/<name>.yaml.

A unit that was given a variant has to keep it, or its outcome says nothing. So the form that
decides who is given what is written down beside the configuration when an experiment starts, where
everybody who reads the one reads the other, and reviews see both. A form that differs is refused,
unless `version` was raised.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from sparkperso.config.content.window import Moment
from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment, LayerRange, Unit
from sparkperso.config.experiments.variants import Name
from sparkperso.config.layers import conf_dirs, read_yaml, yaml_files
from sparkperso.config.load import validate
from sparkperso.core.errors import UsageError
from sparkperso.core.section import Section

STARTED = "started"
"""The folder in conf/experiments."""
TOLERANCE = 1e-12
HEAD = "# What {name} was when it started, by 'sparkperso experiments start': not to be edited.\n"


class StartedForm(Section):
    """Everything that decides which unit is given what."""

    name: Name
    version: int = Field(ge=1)
    start: Moment
    unit: Unit
    seed: str
    weights: dict[str, float] = Field(min_length=2)
    """Variant → share of the units, in their order."""
    changes: dict[str, dict[str, Any]]
    """Variant → what it changes."""
    coverage: float = Field(gt=0, le=1)
    where: dict[str, Any] | None = None
    """The condition as it is written."""
    layer: LayerRange | None = None
    is_bandit: bool = False
    """Whether its shares move; `weights` are then those before anything is known."""


def form_of(experiment: Experiment) -> StartedForm:
    """Returns the form of an experiment that has a start."""
    assert experiment.start is not None, experiment.name
    where = experiment.where
    return StartedForm(
        name=experiment.name,
        version=experiment.version,
        start=experiment.start,
        unit=experiment.unit,
        seed=experiment.hash_seed,
        weights=dict(zip(experiment.arms, experiment.weights, strict=True)),
        changes={
            name: arm.model_dump(mode="json", exclude={"weight", "description"}, exclude_none=True)
            for name, arm in experiment.arms.items()
        },
        coverage=experiment.coverage,
        where=where and where.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        layer=experiment.layer,
        is_bandit=experiment.bandit is not None,
    )


def mixing_changes(started: StartedForm, now: StartedForm) -> list[str]:
    """Returns which changes would mix populations, a sentence each; none for a newer version.

    Coverage may grow and the range of a layer may widen: whoever was in stays where they were.
    """
    if now.version > started.version:
        return [] if now.start > started.start else ["a new version begins after the one before"]
    if now.version < started.version:
        return [f"version was {started.version}, and is {now.version}"]
    found = [
        f"{name} was {was}, and is {now_is}"
        for name in ("start", "unit", "seed", "is_bandit")
        if (was := getattr(started, name)) != (now_is := getattr(now, name))
    ]
    if list(started.weights) != list(now.weights):
        found.append(f"variants were {_names(started)}, and are {_names(now)}")
    elif any(abs(share - now.weights[name]) > TOLERANCE for name, share in started.weights.items()):
        found.append("weights are others")
    else:
        found += [
            f"variant '{name}' changes something else"
            for name in started.changes
            if started.changes[name] != now.changes[name]
        ]
    if now.coverage < started.coverage:
        found.append(f"coverage was {started.coverage:g}, and is {now.coverage:g}")
    if started.where != now.where:
        found.append("'where' is another condition")
    if not _is_within(started.layer, now.layer):
        found.append("the range of the layer was moved")
    return found


def _names(form: StartedForm) -> str:
    return ", ".join(form.weights)


def _is_within(started: LayerRange | None, now: LayerRange | None) -> bool:
    if started is None or now is None:
        return started is now
    (start, end), (now_start, now_end) = started.range, now.range
    return started.name == now.name and now_start <= start and end <= now_end


def started_forms(conf_dir: Path | None = None) -> dict[str, StartedForm]:
    """Returns name → form of all experiments that started; raises ConfigError for a broken one."""
    folder = conf_dirs(conf_dir)[-1] / EXPERIMENTS / STARTED
    return {
        path.stem: validate(StartedForm, {"name": path.stem, **read_yaml(path)}, str(path), {})
        for path in yaml_files(folder)
    }


def change_fault(experiment: Experiment, forms: dict[str, StartedForm]) -> str | None:
    """Returns why an experiment that is running may not be dealt out as it is; None where it may.

    It has to be what it was when it started, or an older one with its version raised, and a start
    that was written down.
    """
    # What a bandit of a slot shows at any time, its slot says, and nothing is tested of it.
    if experiment.slot is not None:
        return None
    started = forms.get(experiment.name)
    start = f"run 'sparkperso experiments start {experiment.name}', and keep the file it writes"
    if started is None:
        return f"it is running, and nothing says what it was when it started: {start}"
    changes = mixing_changes(started, form_of(experiment))
    if changes:
        return (
            f"it was changed after it started, which would mix populations: {'; '.join(changes)}. "
            "Put it back, or raise its version"
        )
    if experiment.version > started.version:
        return f"version {experiment.version} has not been started: {start}"
    return None


def record_start(experiment: Experiment, at: datetime, conf_dir: Path | None = None) -> Path:
    """Writes down what an experiment is, and returns the file.

    What has not begun by the time `at` may be written anew. Raises UsageError for an experiment
    that has no start, or is not running by its status, and for a change that would mix populations.
    """
    if experiment.status != "running" or experiment.start is None:
        raise UsageError(
            "An experiment is started once it says 'status: running' and has a start",
            f"'{experiment.name}' is a {experiment.status}",
            f"Write both into conf/{EXPERIMENTS}/{experiment.name}.yaml",
        )
    form, before = form_of(experiment), started_forms(conf_dir).get(experiment.name)
    changes = mixing_changes(before, form) if before and before.start <= at else []
    if changes:
        raise UsageError(
            f"'{experiment.name}' should be what it was when it started, or have another version",
            "; ".join(changes),
            "Raise its version, and give it a new start: what was counted before counts no more",
        )
    folder = conf_dirs(conf_dir)[-1] / EXPERIMENTS / STARTED
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment.name}.yaml"
    values = form.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    if not form.is_bandit:
        del values["is_bandit"]
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(HEAD.format(name=experiment.name) + text, encoding="utf-8")
    return path
