"""Lists that are not more of the same: a limit per category, and maximal marginal relevance.

A list is chosen from a shortlist, in one compiled walk per user; likeness is worked out for the
shortlist alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.lists import DiversityConfig
from sparkperso.config.recommend.models import ContentParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.numbers import Ints, Singles
from sparkperso.recommend.models.content import item_vectors
from sparkperso.recommend.scoring.rerank import walk, walk_marginal
from sparkperso.recommend.scoring.top_n import Lists

NONE: Ints = np.zeros(0, dtype=np.int64)


class Vectors(NamedTuple):
    """Rows of length 1 (CSR), items × terms."""

    indptr: Ints
    indices: Ints
    data: Singles
    width: int


@dataclass(frozen=True)
class Diversity:
    """How a list is chosen from a shortlist."""

    categories: Ints
    """Category of each item as a number, -1 where unknown."""
    vectors: Vectors
    """What likeness is the cosine of; without rows all items are unlike."""
    limit: int
    """Most items of one category; 0: no limit."""
    weight: float
    """Weight of the score against likeness (λ); 1: the plain order."""
    shortlist: int
    """Length of the shortlist over that of the list."""

    def reach(self, n: int) -> int:
        """Returns the length of the shortlist for a list of n: `shortlist` times as long."""
        return n * self.shortlist

    def choose(self, short: Lists, n: int) -> Lists:
        """Returns n of the shortlist, in the order in which they are chosen, with their scores.

        Next is what has the largest λ·score − (1 − λ)·(largest cosine to what is chosen already),
        of those whose category is not full: maximal marginal relevance (MMR) of Carbonell and
        Goldstein (1998), where relevance is a similarity too; here it is the score, scaled to 0…1
        over the shortlist, else λ would mean something else for each model. Of equals, the one
        with the better score. Lists end early (-1) where too few of the shortlist fit.
        """
        chosen = _empty(len(short.items), n)
        shortlists, lists = (short.items, short.scores), (chosen.items, chosen.scores)
        if self.weight < 1:
            settings = (self.limit, self.weight, self.vectors.width)
            rows = (self.vectors.indptr, self.vectors.indices, self.vectors.data)
            walk_marginal(shortlists, lists, self.categories, rows, settings)
        else:
            walk(shortlists, lists, self.categories, self.limit)
        return chosen

    def fill(self, own: Lists, extra: Lists) -> Lists:
        """Returns lists with their empty places filled from `extra`, in its order.

        The limit per category holds for the whole list.
        """
        return fill(own, extra, self.categories, self.limit)


def make_diversity(config: DiversityConfig, catalogue: Catalogue) -> Diversity | None:
    """Returns how lists are chosen; None where the configuration leaves the order as it is.

    Likeness is that of models.content: words, category and price, as far as they are known; of
    items of which the category alone is known it is 1 within a category, else 0.
    """
    if not config.is_on:
        return None
    weight = 1.0 if config.mmr_lambda is None else config.mmr_lambda
    none = csr_matrix((len(catalogue), 0), dtype=np.float32)
    rows = item_vectors(ContentParams(), catalogue) if weight < 1 else none
    indptr, indices = rows.indptr.astype(np.int64), rows.indices.astype(np.int64)
    vectors = Vectors(indptr, indices, rows.data, int(rows.shape[1]))
    codes = category_codes(catalogue)
    return Diversity(codes, vectors, config.max_per_category or 0, weight, config.shortlist)


def category_codes(catalogue: Catalogue) -> Ints:
    """Returns the category of each item (items,) as a number from 0, -1 where unknown.

    Numbers follow the order of the names; they mean nothing outside this catalogue.
    """
    # Numbers, since compiled loops compare no texts.
    texts = catalogue.categories.astype(str)
    places = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    return np.where(texts == "", -1, places)


def fill(own: Lists, extra: Lists, categories: Ints = NONE, limit: int = 0) -> Lists:
    """Returns `own` followed by what `extra` has besides, as far as there are empty places.

    Lists keep the width of `own`. `categories` counts where there is a limit; 0 is none. The limit
    is applied to `own` too, whose items come first.
    """
    filled = _empty(len(own.items), own.items.shape[1])
    items = np.concatenate([own.items, extra.items], axis=1)
    scores = np.concatenate([own.scores, extra.scores], axis=1)
    walk((items, scores), (filled.items, filled.scores), categories, limit)
    return filled


def _empty(rows: int, n: int) -> Lists:
    return Lists(np.full((rows, n), -1, dtype=np.int64), np.full((rows, n), -np.inf))
