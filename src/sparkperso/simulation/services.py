"""The real services as a shop front: lists and variants of the API, events to the collector."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import httpx

from sparkperso.client import Client, Options
from sparkperso.core.errors import JobError
from sparkperso.simulation.behaviour import HERO, LIST, Event, Shown
from sparkperso.simulation.calendar import Visit
from sparkperso.simulation.truth import CHECKOUT_TEST
from sparkperso.simulation.world import World

ANSWER_SECONDS, FLUSH_SECONDS = 10.0, 120.0
KNOWN_SECONDS = 10.0
"""Within this the API knows what the collector was told of consent."""
MOST_QUEUED: Final = 20_000
"""Events that wait for the collector before more are made."""
YES: Mapping[str, frozenset[str]] = {
    "all": frozenset({"analytics", "personalisation"}),
    "analytics": frozenset({"analytics"}),
    "nothing": frozenset(),
}
"""Answer to the banner → purposes that are agreed to."""
PURPOSES = ("analytics", "personalisation")
APP = "mobile"
"""The device whose visits are those of an app: it asks for lists by themselves."""


class Api:
    """The personalisation API as what shows people something."""

    def __init__(self, world: World, url: str, token: str) -> None:
        """Takes the API's address and its service token."""
        self._world = world
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,  # it is on loopback, or the address that was given
        )
        self.requests: Counter[str] = Counter()
        """Route → how often it was asked."""
        self.fallbacks: Counter[str] = Counter()
        """Why answers were not what they should be → how many."""

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def page(self, visit: Visit) -> Mapping[str, Shown]:
        """Returns what the page shows: an app's list is asked for by itself."""
        if visit.device == APP:
            return {**self._slots(visit, [HERO]), LIST: self._list(visit)}
        return self._slots(visit, [HERO, LIST])

    def checkout(self, visit: Visit) -> Shown | None:
        """Returns the variant of the checkout."""
        name = CHECKOUT_TEST.experiment
        body = {**self._subject(visit), "context": self._context(visit), "experiments": [name]}
        answer = self._ask("POST", "/v1/decide", json=body)
        decided = answer["experiments"][name]
        if not decided["is_counted"]:  # nor is the decision logged
            return Shown(content=str(decided["value"]))
        counted = {decided["experiment"]: decided["variant"]}
        return Shown(answer["decision_id"], str(decided["value"]), (), counted)

    def store_version(self) -> str | None:
        """Returns what was published last, as far as the API knows; None before anything was."""
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError:
            return None
        version: str | None = response.json().get("store_version")
        return version

    def allows(self, visit: Visit) -> bool:
        """Says whether the API knows that somebody agreed to personalisation."""
        return bool(self._read_list(visit)["strategy"] != "no_consent")

    def _slots(self, visit: Visit, names: Sequence[str]) -> dict[str, Shown]:
        body = {**self._subject(visit), "slots": names, "context": self._context(visit)}
        answer = self._ask("POST", "/v1/personalize", json=body)
        return {
            name: Shown(
                answer["decision_id"],
                slot["content_id"],
                _ids(slot.get("items", ())),
                slot["experiments"],
            )
            for name, slot in answer["slots"].items()
        }

    def _list(self, visit: Visit) -> Shown:
        answer = self._read_list(visit)
        return Shown(
            answer["decision_id"], answer["strategy"], _ids(answer["items"]), answer["experiments"]
        )

    def _read_list(self, visit: Visit) -> Mapping[str, Any]:
        query = {
            "n": self._world.config.list_length,
            "anonymous_id": visit.browser,
            **self._context(visit),
        }
        user_id = self._world.people.ids[visit.person]
        return self._ask("GET", "/v1/recommendations/{id}", params=query, name=user_id)

    def _subject(self, visit: Visit) -> dict[str, str]:
        return {
            "user_id": self._world.people.ids[visit.person],
            "anonymous_id": visit.browser,
        }

    def _context(self, visit: Visit) -> dict[str, str]:
        country = self._world.people.countries[visit.person]
        return {"device_type": visit.device, "country": country}

    def _ask(self, method: str, route: str, name: str = "", **request: Any) -> Mapping[str, Any]:
        """Returns an answer's JSON; raises JobError without one."""
        self.requests[route] += 1
        try:
            response = self._http.request(method, route.format(id=name), **request)
        except httpx.HTTPError as error:
            raise JobError(
                "The API should answer", f"{method} {route}: {error!r}", "Look at what it logs"
            ) from None
        if response.status_code != 200:
            found = f"{method} {route}: {response.status_code} {response.text[:300]}"
            raise JobError("The API should answer with what is to be shown", found)
        answer: Mapping[str, Any] = response.json()
        if answer.get("fallback"):
            self.fallbacks[answer["fallback"]] += 1
        return answer


class Collector:
    """The collector, through our own client."""

    def __init__(self, world: World, url: str, server_key: str) -> None:
        """Takes its address, and the key of a site's servers: they may agree for its users."""
        self._world = world
        options = Options(batch_events=500, flush_seconds=0.2, max_queued=4 * MOST_QUEUED)
        self._client = Client(url, server_key, options=options)
        self._asked: set[int] = set()

    @property
    def accepted(self) -> int:
        """Returns how many events are durable."""
        return self._client.stats.accepted

    @property
    def refused(self) -> int:
        """Returns how many were not taken, since their people did not agree."""
        return self._client.stats.refused

    def send(self, events: Iterable[Event]) -> None:
        """Queues events; waits where the collector does not keep up."""
        for event in events:
            self._client.track(**event)
        if self._client.queued > MOST_QUEUED:
            self.flush()

    def ask(self, visits: Iterable[Visit]) -> list[Visit]:
        """Sends what people answer who were never asked before.

        Returns the visits of those who agreed to everything.
        """
        agreed = []
        for visit in visits:
            answer = self._world.people.answers[visit.person]
            if visit.person in self._asked or answer == "none":
                continue
            self._asked.add(visit.person)
            self.send([self._consent(visit, YES[answer])])
            if answer == "all":
                agreed.append(visit)
        if agreed:
            self.flush()
        return agreed

    def flush(self) -> None:
        """Returns when all events are durable or refused; raises JobError where that fails."""
        if not self._client.flush(FLUSH_SECONDS):
            raise JobError(
                "The collector should take all events",
                f"{self._client.queued} still wait after {FLUSH_SECONDS:.0f} seconds",
                "Look at what it logs",
            )
        stats = self._client.stats
        if stats.invalid or stats.dropped:
            raise JobError(
                "The collector should find no event invalid",
                f"{stats.invalid} were, and {stats.dropped} were dropped",
                "Look at what it logs",
            )

    def close(self) -> None:
        """Sends what waits, and ends."""
        self._client.close()

    def _consent(self, visit: Visit, agreed: frozenset[str]) -> Event:
        people = self._world.people
        purposes = {purpose: purpose in agreed for purpose in PURPOSES}
        return {
            "event_id": f"simulated-{self._world.seed}-{visit.person}-consent",
            "event_type": "consent",
            "timestamp": visit.at,
            "user_id": people.ids[visit.person],
            "anonymous_id": visit.browser,
            "context": {"country": people.countries[visit.person]},
            "metadata": {"purposes": purposes, "method": "banner"},
        }


def require_alive(url: str, name: str) -> None:
    """Raises JobError unless a service answers at an address."""
    try:
        httpx.get(f"{url}/healthz", timeout=ANSWER_SECONDS, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise JobError(f"The {name} should answer at {url}", str(error), "Start it") from None


def wait_for_consent(api: Api, agreed: Sequence[Visit]) -> None:
    """Returns when the API knows of the last one who agreed; raises JobError if it never does."""
    end = time.monotonic() + KNOWN_SECONDS
    while agreed and not api.allows(agreed[-1]):
        if time.monotonic() > end:
            raise JobError(
                "The API should know who agreed",
                f"It did not within {KNOWN_SECONDS:.0f} seconds",
                "Collector and API should share a store, and collect.overlay be on",
            )
        time.sleep(0.05)


def _ids(items: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(item["item_id"] for item in items)
