"""Content-based: items like those that the user has, or that users like them have.

1. An item is a vector of terms: TF-IDF of its words, its category, its tenth of the prices
   (`item_vectors`), at length 1.
2. An attribute of users (`country=GB`) is the mean vector of what users with it like: its profile.
3. A user is the mean over the vectors of their items and, as one more, their attributes' profile.
4. The score of an item is the product of its vector and the user's.

So it lists new items, which no collaborative model can, and serves users without history by what
they declared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from sparkperso.config.recommend.models import ContentParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Ints, Singles, Texts
from sparkperso.recommend.kernels.reason_parts import row_products
from sparkperso.recommend.kernels.score_blocks import times_columns
from sparkperso.recommend.models.base import (
    Arrays,
    Explainer,
    Explanation,
    FitSetting,
    Fitted,
)
from sparkperso.recommend.models.item_item import parts_of
from sparkperso.recommend.models.recency_prior import load_prior, with_prior
from sparkperso.users.facts import BIRTH_YEAR

MAX_TERMS = 20_000
"""Most words of the vocabulary, the most frequent ones: it bounds attributes × terms, dense."""
PROFILE = "profile"
"""Where the part of a score comes from that users with the same attributes give."""
PRICE_BUCKETS = 10


@dataclass(frozen=True)
class ContentModel:
    """score = the user's profile · the item's vector: the mean cosine to the items they like.

    The profile is the mean vector of what the user likes, and of what users with the same
    attributes like: Σ vectors of the n items + the attributes' mean profile, over n + 1 (over n
    where no attribute is known).
    """

    vectors: csr_matrix
    """Items × terms, rows at length 1 (0 for items of which nothing is known)."""
    tokens: Texts
    """Attributes seen in training, in order."""
    profiles: Singles
    """Attributes × terms: mean vector of what their users like."""

    def scores(self, users: Histories) -> Singles:
        """Returns users × items, float32; -inf where user and item share no term."""
        own = users.likes @ self.vectors
        declared, known = self._declared(users)
        total = np.asarray(own.todense()) + declared
        mean = total / np.maximum(users.lengths + known, 1)[:, None]
        scores = np.empty((len(users), users.n_items), dtype=np.float32)
        times_columns(parts_of(self.vectors), mean, scores)
        return scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns the attributes' part as `profile`, and what each liked item adds."""
        declared, known = self._declared(users)
        rows = parts_of(self.vectors)

        def explain(row: int, items: Ints) -> Explanation:
            size = max(int(users.lengths[row] + known[row]), 1)
            own = users.liked(row)
            found, base = np.empty((len(own), len(items))), np.empty(len(items))
            row_products(rows, own, items, declared[row], (found, base))
            return Explanation({PROFILE: base / size}, found / size)

        return explain

    def arrays(self) -> Arrays:
        """Returns the vectors as CSR parts, and the attributes' profiles."""
        return {
            "data": self.vectors.data,
            "indices": self.vectors.indices.astype(np.int32),
            "indptr": self.vectors.indptr.astype(np.int64),
            "tokens": self.tokens,
            "profiles": self.profiles,
        }

    def _declared(self, users: Histories) -> tuple[Singles, Ints]:
        """Returns users × terms of their attributes' mean profile, and 1 where there is one."""
        matrix = attribute_matrix(users, self.tokens)
        counts = np.diff(matrix.indptr)
        mean = diags(1 / np.maximum(counts, 1)) @ matrix @ self.profiles
        return np.asarray(mean, dtype=np.float32), (counts > 0).astype(np.int64)


def fit(
    params: ContentParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Fitted:
    """Returns the items' vectors, and the mean vector of what users of each attribute like."""
    shared = {token for own in users.attributes for token in own if is_shared(token)}
    tokens = np.array(sorted(shared), dtype=object)
    liked = (attribute_matrix(users, tokens).T @ users.likes).tocsr()
    model = model_of(item_vectors(params, catalogue), tokens, liked)
    return with_prior(model, users, params.prior_half_life_days)


def is_shared(token: str) -> bool:
    """Returns whether an attribute is one that many users may have.

    A year of birth is not: few users share one, and their decade is an attribute beside it.
    """
    return not token.startswith(f"{BIRTH_YEAR}=")


def model_of(vectors: csr_matrix, tokens: Texts, liked: csr_matrix) -> ContentModel:
    """Returns the model of items' vectors and of how many users of each token like each item.

    `liked` is tokens × items. A token that nobody with a history has gets a profile of zeros.
    """
    counts = np.asarray(liked.sum(axis=1), dtype=np.float64).ravel()
    sums = np.asarray((liked @ vectors).todense())
    profiles = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return ContentModel(vectors, tokens, profiles)


def load(params: ContentParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    shape = (len(arrays["indptr"]) - 1, arrays["profiles"].shape[1])
    vectors = csr_matrix(parts, shape=shape)
    return load_prior(ContentModel(vectors, arrays["tokens"], arrays["profiles"]), arrays)


def item_vectors(params: ContentParams, catalogue: Catalogue) -> csr_matrix:
    """Returns items × terms, float32: words by TF-IDF, category and price bucket, rows at length 1.

    Words are weighted as scikit-learn's TfidfVectorizer does, with 1 + log(frequency). Each of the
    three parts is multiplied by its weight before rows are scaled; an item of which nothing is
    known is a row of zeros.
    """
    parts = [
        _words(catalogue.texts) * params.text_weight,
        _one_hot(catalogue.categories) * params.category_weight,
        _one_hot(price_buckets(catalogue)) * params.price_weight,
    ]
    joined = hstack(parts).tocsr().astype(np.float32)
    lengths = np.sqrt(np.asarray(joined.multiply(joined).sum(axis=1)).ravel())
    return (diags(1 / np.where(lengths > 0, lengths, 1)) @ joined).tocsr().astype(np.float32)


def price_buckets(catalogue: Catalogue) -> Texts:
    """Returns the tenth of the catalogue's prices that each item's lies in, '' where unknown.

    '0' to '9' as text; fewer where many items have one price.
    """
    prices, known = catalogue.prices, np.isfinite(catalogue.prices)
    if not known.any():
        return np.full(len(catalogue), "", dtype=object)
    # Unique: where many items have one price, tenths of no width would be empty terms.
    edges = np.unique(np.quantile(prices[known], np.linspace(0, 1, PRICE_BUCKETS + 1)[1:-1]))
    tenths = np.searchsorted(edges, np.where(known, prices, 0))
    return np.where(known, tenths.astype(str).astype(object), "")


def attribute_matrix(users: Histories, tokens: Texts) -> csr_matrix:
    """Returns users × tokens, 1 where a user has the attribute; unknown attributes are left out."""
    places = {token: place for place, token in enumerate(tokens)}
    own_places = [sorted(places[t] for t in set(own) if t in places) for own in users.attributes]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in own_places])]).astype(np.int64)
    columns = np.array([place for row in own_places for place in row], dtype=np.int64)
    values = np.ones(len(columns), dtype=np.float32)
    return csr_matrix((values, columns, indptr), shape=(len(users), len(tokens)))


def _words(texts: Texts) -> csr_matrix:
    vectorizer = TfidfVectorizer(max_features=MAX_TERMS, sublinear_tf=True, dtype=np.float32)
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # no word in any text
        return csr_matrix((len(texts), 0), dtype=np.float32)


def _one_hot(values: Texts) -> csr_matrix:
    names, places = np.unique(values.astype(str), return_inverse=True)
    matrix = csr_matrix(
        (np.ones(len(values), dtype=np.float32), (np.arange(len(values)), places)),
        shape=(len(values), len(names)),
    )
    return matrix[:, np.flatnonzero(names != "")].tocsr()
