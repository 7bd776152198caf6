"""Under which names the lake keeps whom a request names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sparkperso.config import Settings, load_named
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.privacy import Pseudonyms
from sparkperso.privacy.fields import PersonalFields, pseudonym_of
from sparkperso.privacy.mask import mask_identifier
from sparkperso.privacy.scan import may_find

CACHED = 10_000


class Identifiers:
    """Puts pseudonyms where the collector put them: in personal identifiers, and hidden ones."""

    def __init__(self, plan: TrackingPlan, pseudonyms: Pseudonyms) -> None:
        self._personal = PersonalFields(plan.personal, plan.public_traits)
        self._pseudonyms = pseudonyms
        # An e-mail address or a card number that serves as an id is known by its pseudonym alone.
        self._hidden = lru_cache(CACHED)(self._hidden_of)

    def known_as(self, name: str, identifier: str) -> str:
        """Returns the id that lists and profiles have; `name` is user_id or anonymous_id."""
        if self._personal.is_identifier(name) or may_find(identifier):
            return self._hidden(name, identifier)
        return identifier

    def _hidden_of(self, name: str, identifier: str) -> str:
        event = {name: identifier}
        self._personal.pseudonymise_identifiers(event, self._pseudonyms)
        if may_find(event[name]):
            event[name], _ = mask_identifier(name, event[name], self._pseudonym)
        return event[name]

    def _pseudonym(self, name: str, text: str) -> str:
        return pseudonym_of(name, text, self._pseudonyms)


def load_identifiers(
    settings: Settings, pseudonyms: Pseudonyms, conf_dir: Path | None
) -> Identifiers:
    """Returns the identifiers of the configured tracking plan; raises ConfigError without one."""
    plan = load_named("tracking_plans", settings.ingest.tracking_plan, TrackingPlan, conf_dir)
    return Identifiers(plan, pseudonyms)
