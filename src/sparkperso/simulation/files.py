"""The files of a simulated shop: its conf/, of data/simulation, and what it sells."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import record_start
from sparkperso.config.layers import read_yaml
from sparkperso.core.package import DATA
from sparkperso.core.times import iso
from sparkperso.simulation.truth import LISTS_TEST
from sparkperso.simulation.world import World

SHIPPED = DATA / "simulation"
FOLDER = "_simulation"
"""The folder of the lake that holds them."""
CONF, ITEMS, LOGS, TRUTH = "conf", "items.jsonl", "logs", "truth.json"
ITEMS_SOURCE = "simulated_items"
"""The source of what the shop sells."""


def write_conf(folder: Path, start: datetime, *, with_lists: bool = True) -> dict[str, Experiment]:
    """Writes the conf/ of a simulated shop anew, and returns its experiments, which have begun.

    `start` is when they begin. Without `with_lists` there is no experiment on lists: its effect
    comes of people's tastes, and nobody can give it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHIPPED, folder)
    if not with_lists:
        (folder / EXPERIMENTS / f"{LISTS_TEST.experiment}.yaml").unlink()
    experiments = {}
    for path in sorted((folder / EXPERIMENTS).glob("*.yaml")):
        _write(path, {**read_yaml(path), "status": "running", "start": iso(start)})
        one = load_experiment(path.stem, folder)
        record_start(one, start, folder)
        experiments[one.name] = one
    return experiments


def end_experiments(folder: Path, end: datetime) -> None:
    """Writes into the experiments of a conf/ that they are over, as whoever ends one does."""
    for path in sorted((folder / EXPERIMENTS).glob("*.yaml")):
        _write(path, {**read_yaml(path), "end": iso(end)})


def _write(path: Path, values: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")


def shipped_experiments(start: datetime) -> dict[str, Experiment]:
    """Returns name → experiment of data/simulation as they run from `start` on, without files."""
    found = {}
    for path in sorted((SHIPPED / EXPERIMENTS).glob("*.yaml")):
        values: dict[str, Any] = {**read_yaml(path), "status": "running", "start": start}
        found[path.stem] = Experiment(name=path.stem, **values)
    return found


def write_items(world: World, path: Path) -> None:
    """Writes what the shop sells as JSON lines: item_id, title, category, price."""
    items = world.catalogue
    lines = [
        json.dumps(
            {
                "item_id": name,
                "title": f"Item {place} of category {category}",
                "category": f"category-{category:02d}",
                "price": float(price),
            }
        )
        for place, (name, category, price) in enumerate(
            zip(items.ids, items.categories, items.prices, strict=True)
        )
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
