"""Decisions on a purpose in the overlay: each site's own, and what they come to together.

A record is a JSON object: `granted` (every site that was told anything was told yes), `decided_at`
(the latest, ISO 8601), and `sites` (site → [granted, decided_at]). Publications leave `sites` out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from sparkperso.core.consent import Decision
from sparkperso.core.times import now, read_time
from sparkperso.services.stores.overlay import Change, LiveRecord

KEPT = timedelta(days=400)
"""How long a decision stands in the overlay: longer than it takes until a version has it, and as
long as browsers keep the cookie of who decided."""


def with_decisions(decisions: Mapping[str, Decision]) -> Change:
    """Returns a change that adds what sites were told (site → decision) to a subject's record.

    Of two decisions of one site the later counts, of two at one moment the no: so it does not
    matter which of several collectors writes first, or twice.
    """

    def change(record: LiveRecord | None) -> LiveRecord:
        sites = _sites_of(record)
        for site, decision in decisions.items():
            sites[site] = max(decision, sites.get(site, decision), key=_order)
        granted = all(one.is_granted for one in sites.values())
        decided_at = max(one.decided_at for one in sites.values())
        own = {site: [*decision] for site, decision in sites.items()}
        state = {"granted": granted, "decided_at": decided_at, "sites": own}
        return LiveRecord(orjson.dumps(state), read_time(decided_at), now() + KEPT)

    return change


def later_decision(first: bytes, second: bytes) -> bytes:
    """Returns the later of two records; of two at the same time the no."""
    return max(first, second, key=lambda record: _order(_decision(orjson.loads(record))))


def _sites_of(record: LiveRecord | None) -> dict[str, Decision]:
    if record is None:
        return {}
    state = orjson.loads(record.value)
    sites = state.get("sites")
    # Without sites: as publications have it, which do not say whose it is.
    return {"": _decision(state)} if sites is None else {s: Decision(*d) for s, d in sites.items()}


def _decision(state: Mapping[str, Any]) -> Decision:
    return Decision(state["granted"], state["decided_at"])


def _order(decision: Decision) -> tuple[str, bool]:
    return decision.decided_at, not decision.is_granted
