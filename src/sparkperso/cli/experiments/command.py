"""`sparkperso experiments`: lint, list, plan, start. None of them starts Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from sparkperso.cli.content.shown import shown_assets
from sparkperso.cli.options import CONF_DIR, DEBUG, ENV, SET, SETTINGS_OPTIONS, with_options
from sparkperso.config import Settings, load_settings
from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import record_start
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso, now, read_time
from sparkperso.decisions.assets import read_files
from sparkperso.experiments.assignment.growthbook import no_equivalent
from sparkperso.experiments.assignment.load import Experiments, read_experiments

YEARS = range(1970, 2200)
"""Those that events may have."""
FILES = (ENV, CONF_DIR, SET, DEBUG)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.group("experiments", help="Checks, lists, plans and starts experiments.")
def command() -> None:
    """Groups what can be done with experiments."""


@command.command("lint")
@click.argument("names", nargs=-1)
@with_options(FILES)
def lint(names: Sequence[str], env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
    """Look for faults in conf/experiments: of NAMES, else of all.

    Lines with ! are faults (exit status 2); those with · may be meant.
    """
    found = _read(load_settings(env, conf_dir, assignments), conf_dir)
    wanted = set(names) or {*found.experiments, *found.faults}
    if unknown := sorted(wanted - found.experiments.keys() - found.faults.keys()):
        load_experiment(unknown[0], conf_dir)
    faults = [text for name in sorted(wanted) for text in found.faults.get(name, ())]
    for name in sorted(wanted):
        for text in found.notes.get(name, ()):
            click.echo(visible(f"· {text}"))
    for text in faults:
        click.echo(visible(f"! {text}"))
    if faults:
        n = len(faults)
        raise ConfigError(
            f"conf/{EXPERIMENTS} should be sound",
            f"It has {n} fault{'s' if n > 1 else ''}, named above",
        )
    n = len(wanted)
    click.echo(f"{n} experiment{'' if n == 1 else 's'}, no fault")


@command.command("list")
@JSON
@with_options(FILES)
def list_all(*, as_json: bool, env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
    """List all experiments: what they are now, and who is shown what."""
    found, at = _read(load_settings(env, conf_dir, assignments), conf_dir), now()
    for one in found.experiments.values():
        row = _row(one, at, found.faults.get(one.name, []))
        click.echo(json.dumps(row) if as_json else visible(_line(row)))
    for name in found.faults.keys() - found.experiments.keys():
        click.echo(visible(f"{name:<24} cannot be read: see 'sparkperso experiments lint'"))


@command.command("start")
@click.argument("name")
@with_options(FILES)
def start(name: str, env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
    """Write down what the experiment NAME is, from when on it may not be changed.

    It has to say 'status: running' and a start. The file, conf/experiments/started/NAME.yaml, goes
    where the experiment's own goes: services read both.
    """
    settings = load_settings(env, conf_dir, assignments)
    one, path = load_experiment(name, conf_dir), None
    faults = [
        text for text in _read(settings, conf_dir).faults.get(name, []) if not _is_of_start(text)
    ]
    if faults:
        raise ConfigError(
            f"An experiment should be sound when it starts (conf/{EXPERIMENTS}/{name}.yaml)",
            "; ".join(faults),
        )
    path = record_start(one, now(), conf_dir)
    click.echo(visible(f"{path}: keep it beside the experiment; whoever serves reads both"))


@command.command("plan")
@click.argument("names", nargs=-1)
@click.option("--days", type=click.IntRange(2, 366), default=28, show_default=True, help="Past.")
@click.option("--as-of", "as_of", metavar="TIME", help="Where the past ends; the latest event.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Part of the units that `where` lets in.",
)
@click.option(
    "--power",
    type=click.FloatRange(0.5, 0.999),
    default=0.8,
    show_default=True,
    help="Chance of finding the effect.",
)
@click.option(
    "--level",
    type=click.FloatRange(0.0001, 0.5),
    default=0.05,
    show_default=True,
    help="Share of false alarms.",
)
@click.option("--sequential", is_flag=True, help="For looking every day.")
@JSON
@with_options((*SETTINGS_OPTIONS, DEBUG))
def plan(
    *,
    names: Sequence[str],
    days: int,
    as_of: str | None,
    share: float,
    power: float,
    level: float,
    sequential: bool,
    as_json: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Say how many units NAMES need, and how long they take, by the shop's own past.

    Of each goal: its value and spread in the last DAYS, the units that show a lift of `mde`, and
    the days until so many have come. Without NAMES, all that have a goal.
    """
    # Here: statistics take a second to import.
    from sparkperso.cli.experiments.plans import Asked, plans_of

    settings = load_settings(env, conf_dir, assignments, lake)
    found = _read(settings, conf_dir)
    for name in names:
        if name not in found.experiments:
            load_experiment(name, conf_dir)
    chosen = [one for n, one in found.experiments.items() if (n in names or not names)]
    chosen = [one for one in chosen if one.goals]
    if not chosen:
        raise UsageError(
            "A plan needs an experiment with goals",
            "There is none" if not names else f"{', '.join(names)} names no metric",
            "Write 'goals: [NAME]', a metric of conf/metrics",
        )
    end = _moment(as_of) if as_of else None
    asked = Asked(days, end, share, power, level, sequential)
    for row in plans_of(chosen, settings, asked, conf_dir):
        click.echo(json.dumps(row.record()) if as_json else visible(row.text()))


def _moment(text: str) -> datetime:
    try:
        moment = read_time(text, timezone.utc)
    except ValueError as error:
        raise UsageError(
            "--as-of is a time, such as 2026-03-01 or one with hours", str(error)
        ) from None
    if moment.year not in YEARS:
        raise UsageError(
            f"--as-of lies in the years {YEARS[0]} to {YEARS[-1]}, as events do", f"Found {text}"
        )
    return moment


def _read(settings: Settings, conf_dir: Path | None) -> Experiments:
    assets = shown_assets(settings, conf_dir)
    return read_experiments(settings, read_files(settings, conf_dir), assets, now(), conf_dir)


def _is_of_start(text: str) -> bool:
    """Says whether a fault is that of the missing or differing start, which is about to be told."""
    return "experiments start" in text or "would mix populations" in text


def _row(one: Experiment, at: datetime, faults: Sequence[str]) -> dict[str, Any]:
    layer = one.layer
    row: dict[str, Any] = {
        "experiment": one.key,
        "status": one.phase(at),
        "unit": one.unit,
        "variants": dict(zip(one.arms, (round(w, 4) for w in one.weights), strict=True)),
        "coverage": one.coverage,
        "layer": None if layer is None else [layer.name, *layer.range],
        "start": iso(one.start) if one.start else None,
        "end": iso(one.end) if one.end else None,
        "goals": list(one.goals),
        "guardrails": list(one.guardrails),
        "faults": len(faults),
    }
    row["growthbook"] = no_equivalent(one) is None
    if one.bandit is not None:
        row["bandit"] = one.bandit.model_dump(mode="json", exclude_none=True)
    return row


def _line(row: dict[str, Any]) -> str:
    weights = " ".join(f"{name}:{share:.0%}" for name, share in row["variants"].items())
    parts = [
        f"{row['experiment']:<24} {row['status']:<10} {row['unit']:<13} {weights}",
        f"coverage {row['coverage']:.0%}" if row["coverage"] < 1 else "",
        "layer {}[{:g}, {:g})".format(*row["layer"]) if row["layer"] else "",
        f"from {row['start'][:16]}" if row["start"] else "",
        f"until {row['end'][:16]}" if row["end"] else "",
        f"goals {', '.join(row['goals'])}" if row["goals"] else "",
        _bandit_text(row["bandit"]) if "bandit" in row else "",
        "" if row["growthbook"] else "not for GrowthBook's SDKs",
        f"{row['faults']} faults" if row["faults"] else "",
    ]
    return "  ".join(part for part in parts if part)


def _bandit_text(bandit: dict[str, Any]) -> str:
    by = f" by {bandit['by']}" if "by" in bandit else ""
    return f"bandit of {bandit['metric']}{by}, shares at the start"
