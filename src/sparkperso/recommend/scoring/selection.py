"""How lists are selected by the settings of `recommend.lists`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.scoring.diversity import make_diversity
from sparkperso.recommend.scoring.eligibility import allowed_items, user_rules
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.users.facts import year_of


def list_selection(
    lists: ListsConfig, catalogue: Catalogue, as_of: datetime, aliases: Mapping[str, str]
) -> Selection:
    """Returns which items may be listed, and how lists are chosen; ages are those of `as_of`.

    `aliases` are names of countries beside those of ISO 3166 (ingest.country_aliases).
    """
    return Selection(
        lists.n_items,
        allowed_items(lists.eligibility, catalogue),
        rules=user_rules(lists.eligibility, catalogue, year_of(as_of), aliases),
        reranker=make_diversity(lists.diversity, catalogue),
    )
