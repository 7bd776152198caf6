"""The API's own spans: reads of the store, and decisions. In place of what they are within."""

from __future__ import annotations

from collections.abc import Sequence

from sparkperso.config.api import ApiConfig
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.experiments.assignment.book import ExperimentBook
from sparkperso.services.http.traces import Traces
from sparkperso.services.serve.engine.catalogue import Catalogue
from sparkperso.services.serve.engine.lists import ListAnswer, Lists
from sparkperso.services.serve.engine.next_items import NextItems
from sparkperso.services.serve.engine.people import People
from sparkperso.services.serve.engine.requests import ListRequest, SlotsRequest
from sparkperso.services.serve.engine.slots import Slots, SlotsAnswer
from sparkperso.services.serve.engine.store_access import StoreAccess, StoreUnavailable
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.readers import StoreReader


class TracedStore(StoreAccess):
    """The store, each read a span."""

    def __init__(self, reader: StoreReader, config: ApiConfig, traces: Traces) -> None:
        super().__init__(reader, config)
        self._traces = traces

    async def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none."""
        with self._traces.span("store.read", records=len(addresses)) as span:
            try:
                return await super().get_many(addresses)
            except StoreUnavailable as error:
                span.set_attribute("fallback", error.why)
                raise


class TracedLists(Lists):
    """Lists, each decision a span."""

    def __init__(
        self,
        store: StoreAccess,
        people: People,
        catalogue: Catalogue,
        next_items: NextItems,
        config: ApiConfig,
        *,
        experiments: ExperimentBook,
        traces: Traces,
    ) -> None:
        super().__init__(store, people, catalogue, next_items, config, experiments=experiments)
        self._traces = traces

    async def answer(self, request: ListRequest, book: Rulebook, slot: str = "") -> ListAnswer:
        """Returns the list for a request."""
        with self._traces.span("decide.list", kind=request.kind) as span:
            answer = await super().answer(request, book, slot)
            span.set_attribute("fallback", answer.fallback or "")
            return answer


class TracedSlots(Slots):
    """Slots, each decision a span."""

    def __init__(
        self, people: People, lists: Lists, experiments: ExperimentBook, traces: Traces
    ) -> None:
        super().__init__(people, lists, experiments)
        self._traces = traces

    async def answer(self, request: SlotsRequest, book: Rulebook) -> SlotsAnswer:
        """Returns what each slot shows."""
        with self._traces.span("decide.slots", slots=len(request.slots)) as span:
            answer = await super().answer(request, book)
            span.set_attributes({"strategy": answer.strategy, "fallback": answer.fallback or ""})
            return answer
