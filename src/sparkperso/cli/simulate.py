"""`sparkperso simulate`: a shop whose truth is known, through the real services."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click

from sparkperso.cli.main import COMMANDS
from sparkperso.cli.options import DEBUG, SET, with_options
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import UsageError
from sparkperso.core.package import command_as_called
from sparkperso.core.places import local_path
from sparkperso.core.processes import interrupted_by_sigterm
from sparkperso.core.times import iso, now, read_time
from sparkperso.pipeline.registry import JOBS
from sparkperso.simulation.files import CONF, FOLDER, ITEMS, LOGS, TRUTH, write_conf, write_items
from sparkperso.simulation.loop import Addresses, BatchJobs, Plan, Report, own_services, simulate
from sparkperso.simulation.truth import truth_of
from sparkperso.simulation.world import World, make_world

ENV, SITE = "local", "local"
ANALYSES = ("analyze-experiments", "monitor")
"""Jobs that say what came of it."""
WITHOUT_EFFECT = 0.0


@click.command("simulate", help="Lives the days of a shop whose people's tastes are known.")
@click.option(
    "--lake", required=True, metavar="DIR", help="A folder of this machine for a new lake."
)
@click.option("--users", default=2000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--items", default=200, show_default=True, type=click.IntRange(2, 100_000))
@click.option(
    "--days",
    default=14,
    show_default=True,
    type=click.IntRange(1, 700),
    help="Days on which something is shown.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option(
    "--effect",
    type=click.FloatRange(-0.9, 1),
    help="True lift of both given effects; 0 makes every experiment an A/A test.",
)
@click.option("--start", metavar="DATE", help="The first of the days; they end today without it.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Write it here too.")
@click.option("--collector", metavar="URL", help="A collector that runs, over the same lake.")
@click.option("--api", metavar="URL", help="An API that runs, over the same lake.")
@click.option(
    "--prepare", is_flag=True, help="Write the shop's conf/ alone, for services of your own."
)
@with_options((SET, DEBUG))
def command(
    *,
    lake: str,
    users: int,
    items: int,
    days: int,
    seed: int,
    effect: float | None,
    start: str | None,
    truth: Path | None,
    collector: str | None,
    api: str | None,
    prepare: bool,
    assignments: tuple[str, ...],
) -> None:
    """Simulates; ends with what was, and what to look at next."""
    if (collector is None) != (api is None):
        raise UsageError("--collector and --api go together", "One of them is missing")
    folder = _new_folder(lake, is_prepared=collector is not None)
    effects = [] if effect is None else [f"hero={effect}", f"checkout={effect}"]
    settings_of = (*(f"simulation.effects.{one}" for one in effects), *assignments)
    first_day = _first_day(start, days)
    conf = folder / CONF
    with_lists = effect != WITHOUT_EFFECT
    if collector is None:
        write_conf(conf, first_day, with_lists=with_lists)
    settings = load_settings(ENV, conf, settings_of, lake)
    world = make_world(settings.simulation, users, items, seed)
    write_items(world, folder / ITEMS)
    options = ["--lake", lake, "--conf-dir", str(conf)]
    options += [word for one in settings_of for word in ("--set", one)]
    if prepare:
        _tell_of_services(options)
        return
    logs = folder / LOGS
    logs.mkdir(exist_ok=True)
    analyses = [name for name in ANALYSES if name in JOBS]
    plan = Plan(world, first_day, days, folder.parent, options, logs, analyses, with_lists)
    batch = BatchJobs(plan)
    with interrupted_by_sigterm():
        report = _simulate(plan, batch, settings, collector, api)
    known = {"first_day": first_day.date().isoformat(), "days": days}
    known |= truth_of(world, report.tally)
    for file in (folder / TRUTH, *((truth,) if truth else ())):
        file.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    _tell(world, report, batch, known)
    _tell_next(plan, folder)


def _new_folder(lake: str, *, is_prepared: bool) -> Path:
    """Returns the folder of the simulation's files; raises UsageError for a lake in use."""
    root = local_path(lake)
    if root is None:
        raise UsageError("A simulation is for a folder of this machine", f"Found --lake {lake}")
    folder = Path(root) / FOLDER
    beside = {path.name for path in Path(root).glob("*")} - {FOLDER}
    if is_prepared and not (folder / CONF).is_dir():
        raise UsageError(
            "Services of yours run with the conf/ of the simulated shop",
            f"There is none in {folder}",
            "Write it with --prepare, and start them with the commands that it prints",
        )
    if (folder / TRUTH).exists() or (beside and not is_prepared):
        raise UsageError(
            "A simulation fills a new lake, so that its truth is the truth of all that is in it",
            f"{root} is not empty",
            "Name another folder, or remove this one",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _first_day(start: str | None, days: int) -> datetime:
    """The midnight that the first day begins at; raises UsageError for days that are to come."""
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    latest = today - timedelta(days=days)
    if start is None:
        return latest
    try:
        first = read_time(start, timezone.utc)
    except ValueError as error:
        raise UsageError("--start should be a date such as 2026-03-01", str(error)) from None
    first = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if first > latest:
        raise UsageError(
            "All days should be over, since nothing is taken that happens in the future",
            f"The last of {days} from {first.date()} on is not",
            f"Start on {latest.date()} or before",
        )
    return first


def _simulate(
    plan: Plan, batch: BatchJobs, settings: Settings, collector: str | None, api: str | None
) -> Report:
    """Runs it on services that run, or on services of its own."""
    server_key = settings.collect.sites[SITE].server_key or ""
    token = settings.security.service_token or ""
    if collector is not None and api is not None:
        return simulate(plan, Addresses(collector, api, server_key, token), batch, click.echo)
    with own_services(plan) as (own_collector, own_api):
        click.echo(f"Collector at {own_collector}, API at {own_api}; they log in {plan.logs}")
        at = Addresses(own_collector, own_api, server_key, token)
        return simulate(plan, at, batch, click.echo)


def _tell(world: World, report: Report, batch: BatchJobs, known: Mapping[str, Any]) -> None:
    """Prints what was simulated, and what is true."""
    requests = sum(report.requests.values())
    click.echo(
        f"\n{len(world.people.ids):,} people and {len(world.catalogue.ids):,} items: "
        f"{report.history_visits:,} visits before anything was shown, then "
        f"{known['visits']:,} in {known['days']} days from {known['first_day']} on\n"
        f"{report.accepted:,} events accepted, {report.refused:,} refused for lack of consent; "
        f"{requests:,} requests answered\n"
        f"{report.visit_seconds:.0f} s of visits, {batch.seconds:.0f} s of batch jobs"
    )
    for why, count in sorted(report.fallbacks.items()):
        click.echo(f"  {count:,} answers with the fallback {why}")
    if batch.gates:
        click.echo(f"  a quality gate failed in {batch.gates} of the jobs")
    click.echo("What is true:")
    for name, test in known["experiments"].items():
        if test["lift"] is not None:
            words = f"{test['treated']} against {test['baseline']}, {test['metric']}"
            verdict = report.verdicts.get(name)
            outcome = f"; verdict of the analysis: {verdict}" if verdict else ""
            click.echo(f"  {name}: {words}: {test['lift']:+.1%} ({test['source']}){outcome}")
    if report.is_promoted:
        click.echo("The new model's lists won their experiment: it is champion")


def _tell_next(plan: Plan, folder: Path) -> None:
    options = plan.options
    click.echo(
        f"Truth: {folder / TRUTH}; what services and jobs printed: {folder / LOGS}\n"
        "What to look at next:"
    )
    mine = shlex.join(options)
    if "analyze-experiments" in COMMANDS:
        at = iso(plan.end)
        click.echo(f"  {command_as_called()} analyze-experiments {mine} --as-of {at}")
    if "dashboard" in COMMANDS:
        click.echo(f"  {command_as_called()} dashboard {mine}")
    lake = shlex.join(options[:2])
    click.echo(f"  {command_as_called()} tables show gold/recommendations {lake} --limit 5")


def _tell_of_services(options: Sequence[str]) -> None:
    called, mine = command_as_called(), shlex.join(options)
    click.echo(
        f"Start the services:\n  {called} collect {mine}\n  {called} serve {mine}\n"
        "Then simulate with the same options, without --prepare, and with\n"
        "  --collector http://127.0.0.1:8080 --api http://127.0.0.1:8090"
    )
