"""The loop of a shop: people come day by day, and in between its batch jobs run."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from sparkperso.config.platform import LakeConfig
from sparkperso.core.commands import carry_out, running, wait_until_ready
from sparkperso.core.errors import JobError
from sparkperso.core.times import iso
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.simulation.behaviour import BareShop, visit_shop
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.files import CONF, FOLDER, ITEMS_SOURCE, end_experiments
from sparkperso.simulation.services import Api, Collector, require_alive, wait_for_consent
from sparkperso.simulation.truth import LISTS_TEST, Tally
from sparkperso.simulation.world import World

T = TypeVar("T")

HOST = "127.0.0.1"
VERDICTS = "gold/experiment_verdicts"
SOURCES = (ITEMS_SOURCE, "collector", "decisions")
"""What `run` takes in: what the shop sells, what was done, what was shown."""
GATE = 3
"""Exit status of a job whose quality gate failed: a shop goes on with what it has."""
HANDED_OVER_SECONDS, PUBLISHED_SECONDS = 60.0, 30.0


@dataclass(frozen=True)
class Addresses:
    """Where services are, and with which keys."""

    collector: str
    api: str
    server_key: str
    token: str


@dataclass(frozen=True)
class Plan:
    """What is simulated, on which lake."""

    world: World
    first_day: datetime
    """Midnight of the first day on which something is shown."""
    days: int
    lake: Path
    options: Sequence[str]
    """Options of all commands: lake, conf/, settings."""
    logs: Path
    """Folder for what services and jobs print."""
    analyses: Sequence[str] = ()
    """Commands that say in the end what came of it."""
    compares_lists: bool = True
    """Whether an experiment says which lists are better: until then nothing is promoted."""

    @property
    def end(self) -> datetime:
        """Returns the midnight that the last day ends at."""
        return self.first_day + timedelta(days=self.days)


@dataclass
class Report:
    """What came of it."""

    tally: Tally = field(default_factory=Tally)
    """Of the days on which something was shown."""
    history_visits: int = 0
    accepted: int = 0
    refused: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    """Route of the API → requests."""
    fallbacks: dict[str, int] = field(default_factory=dict)
    visit_seconds: float = 0.0
    """Time that visits took, with the services' answers."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """Experiment → what its analysis said in the end: ship, stop, keep_running or broken."""
    is_promoted: bool = False
    """Whether the new model became champion by its experiment."""


class Batch(Protocol):
    """What runs between days."""

    def refresh(self) -> None:
        """Takes in what happened, learns from it, and publishes."""

    def analyse(self) -> dict[str, str]:
        """Says what came of it all; returns each experiment's verdict."""

    def promote(self) -> bool:
        """Makes the new model champion, and publishes its lists; says whether the gate agreed."""


class BatchJobs:
    """The batch jobs of the suite, each a process as a scheduler starts it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.seconds, self.gates = 0.0, 0

    def refresh(self) -> None:
        """Carries out `run`, from raw events to what is published.

        A new model stays a candidate, whose lists are served beside the others, while an
        experiment compares them.
        """
        words = [word for name in SOURCES for word in ("--source", name)]
        if self._plan.compares_lists:
            words += ["--set", "recommend.promotion.in_run=false"]
        self._carry_out("run", words)

    def analyse(self) -> dict[str, str]:
        """Ends the experiments, and carries out what a plan names, as of that time."""
        end_experiments(self._plan.lake / FOLDER / CONF, self._plan.end)
        for name in self._plan.analyses:
            self._carry_out(name, ["--as-of", iso(self._plan.end)])
        verdicts = LakeReader(LakeConfig(root=str(self._plan.lake))).require(VERDICTS)
        rows = verdicts.to_pyarrow_table(columns=["experiment", "as_of", "verdict"]).to_pylist()
        return {r["experiment"]: r["verdict"] for r in rows if r["as_of"] == self._plan.end}

    def promote(self) -> bool:
        """Carries out the gate, and what makes the champion's lists served."""
        is_champion = self._carry_out("promote-model") == 0
        for name in ("build-recommendations", "publish"):
            self._carry_out(name)
        return is_champion

    def _carry_out(self, name: str, options: Sequence[str] = ()) -> int:
        begun = time.monotonic()
        words = [*options, *self._plan.options]
        status = carry_out(name, words, self._plan.logs / "jobs.log", (0, GATE))
        self.gates += status == GATE
        self.seconds += time.monotonic() - begun
        return status


def simulate(plan: Plan, at: Addresses, batch: Batch, say: Callable[[str], None]) -> Report:
    """Returns what came of the days of a plan, with services that run.

    1. History: people come to a shop that shows nothing; the batch jobs learn from it.
    2. Day by day people come to the shop of the API; every `refresh_days` the batch jobs run.
    3. After the last day they run once more; experiments end, and are analysed.
    4. If lists of a model are better than what is popular, that model becomes champion.
    """
    require_alive(at.collector, "collector")
    require_alive(at.api, "API")
    simulation = _Simulation(plan, at, batch, say)
    try:
        simulation.run()
    finally:
        simulation.close()
    return simulation.report


class _Simulation:
    def __init__(self, plan: Plan, at: Addresses, batch: Batch, say: Callable[[str], None]) -> None:
        self.plan, self.batch, self.say, self.report = plan, batch, say, Report()
        self.world, self.config = plan.world, plan.world.config
        self.collector = Collector(plan.world, at.collector, at.server_key)
        self.api = Api(plan.world, at.api, at.token)

    def run(self) -> None:
        with self._visits("history"):
            self._live_history()
        self._publish(self.batch.refresh)
        every, days = self.config.refresh_days, self.plan.days
        for first in range(0, days, every):
            last = min(first + every, days)
            with self._visits(f"days {first + 1} to {last}"):
                for day in range(first, last):
                    self._live(day)
            self._publish(self.batch.refresh)
        report = self.report
        report.verdicts = self.batch.analyse()
        if report.verdicts.get(LISTS_TEST.experiment) == "ship":
            report.is_promoted = self._publish(self.batch.promote)
        report.accepted, report.refused = self.collector.accepted, self.collector.refused
        report.requests, report.fallbacks = dict(self.api.requests), dict(self.api.fallbacks)

    def close(self) -> None:
        """Ends the connections."""
        self.api.close()
        self.collector.close()

    def _live_history(self) -> None:
        """Days before the first one: people find what they look for by themselves."""
        for day in range(-self.config.history_days, 0):
            visits = visits_of_day(self.world, day, self.plan.first_day)
            self.collector.ask(visits)
            for visit in visits:
                self.collector.send(visit_shop(self.world, visit, BareShop()).events)
            self.report.history_visits += len(visits)

    def _live(self, day: int) -> None:
        visits = visits_of_day(self.world, day, self.plan.first_day)
        wait_for_consent(self.api, self.collector.ask(visits))
        for visit in visits:
            outcome = visit_shop(self.world, visit, self.api)
            self.report.tally.add(outcome)
            self.collector.send(outcome.events)

    def _publish(self, jobs: Callable[[], T]) -> T:
        """Runs batch jobs on all that the services have written, until the API answers from it."""
        self._wait_for_spool()
        before, begun = self.api.store_version(), time.monotonic()
        found = jobs()
        self._wait_for_version(before)
        self.say(f"  batch jobs: {time.monotonic() - begun:.0f} s")
        return found

    def _wait_for_spool(self) -> None:
        """Returns when all that was accepted or decided lies where jobs read it."""
        spool, end = self.plan.lake / "_spool", time.monotonic() + HANDED_OVER_SECONDS
        while any(spool.glob("open/*.jsonl")) or any(spool.glob("decisions/open/*.jsonl")):
            if time.monotonic() > end:
                raise JobError(
                    "Services should hand their files over within seconds",
                    f"After {HANDED_OVER_SECONDS:.0f} there are some in {spool}",
                    "Look at what they log",
                )
            time.sleep(0.05)

    def _wait_for_version(self, before: str | None) -> None:
        """Returns when the API answers from what was published."""
        end = time.monotonic() + PUBLISHED_SECONDS
        while self.api.store_version() in (before, None):
            if time.monotonic() > end:
                raise JobError(
                    "The API should answer from what was published",
                    f"It did not within {PUBLISHED_SECONDS:.0f} seconds",
                    f"{self.plan.logs} holds what services and jobs print",
                )
            time.sleep(0.1)

    @contextmanager
    def _visits(self, of: str) -> Iterator[None]:
        """Takes the time of visits until all their events are durable."""
        begun, before = time.monotonic(), self.collector.accepted
        yield
        self.collector.flush()
        seconds = time.monotonic() - begun
        self.report.visit_seconds += seconds
        self.say(f"{of}: {self.collector.accepted - before:,} events in {seconds:.0f} s")


@contextmanager
def own_services(plan: Plan) -> Iterator[tuple[str, str]]:
    """Runs collector and API on free ports of loopback until the block ends; gives addresses."""
    ports = _free_ports(2)
    urls = [f"http://{HOST}:{port}" for port in ports]
    with ExitStack() as stack:
        processes = []
        for name, port in zip(("collect", "serve"), ports, strict=True):
            options = ["--port", str(port), *plan.options]
            service = running(name, options, plan.logs / f"{name}.log")
            processes.append(stack.enter_context(service))
        for process, url in zip(processes, urls, strict=True):
            wait_until_ready(process, f"{url}/healthz")
        yield urls[0], urls[1]


def _free_ports(n: int) -> list[int]:
    """Ports that nobody listens on now; held together, so that they differ."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(n)]
        return [server.getsockname()[1] for server in servers]
