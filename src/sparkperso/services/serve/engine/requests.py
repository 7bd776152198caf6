"""What is asked for, in the same form for every protocol."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import NamedTuple

from sparkperso.config.content.slots import ListKind
from sparkperso.rules.context import RequestContext
from sparkperso.services.serve.engine.people import Subject

NOTHING: frozenset[str] = frozenset()


class ListRequest(NamedTuple):
    """A list of items for somebody, or for nobody in particular."""

    subject: Subject
    kind: ListKind = "new"
    n: int = 10
    exclude: Collection[str] = ()
    """Items that may not be listed."""
    category: str | None = None
    """The only category that may be listed, as ingest spells it."""
    context: RequestContext = MappingProxyType({})
    """What `decisions.read_context` returns: `in_view`, `cart`, `recent` and others."""
    explain: bool = False

    @property
    def in_view(self) -> str | None:
        """Returns the item that is looked at."""
        item: str | None = self.context.get("in_view")
        return item

    @property
    def own_items(self) -> frozenset[str]:
        """Returns the items that the request itself leaves out: dismissed, seen, carted."""
        if not self.context and not self.exclude:
            return NOTHING
        named = {*self.exclude, *self.context.get("cart", ()), *self.context.get("recent", ())}
        if self.in_view is not None:
            named.add(self.in_view)
        return frozenset(named)


class ExperimentsRequest(NamedTuple):
    """Which variants somebody is given."""

    subject: Subject
    names: tuple[str, ...] | None = None
    """Experiments; None for all that are running."""
    context: RequestContext = MappingProxyType({})


class SlotsRequest(NamedTuple):
    """What several slots of a page, an app or a mail show somebody."""

    subject: Subject
    slots: tuple[str, ...]
    context: RequestContext = MappingProxyType({})
    exclude: Collection[str] = ()
    explain: bool = False
