"""The loops of VMIS-kNN: sessions that share items with one, and what they say of other items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.kernels.compiled import compiled

Places = npt.NDArray[np.int32]
Starts = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]


@compiled
def meet(
    items: Places,
    decay: Places,
    match: Singles,
    postings: Places,
    postings_indptr: Starts,
    similarity: Places,
    matched: Singles,
) -> Places:
    """Returns the sessions of `postings` that hold one of these items, each once, in any order.

    Adds up each one's `decay` in `similarity`, and sets `matched` to the `match` of the first of
    the items that it holds. `similarity` is 0 before.
    """
    most = 0
    for item in items:
        most += postings_indptr[item + 1] - postings_indptr[item]
    met = np.empty(most, dtype=np.int32)
    n_met = 0
    for place in range(len(items)):
        for entry in range(postings_indptr[items[place]], postings_indptr[items[place] + 1]):
            session = postings[entry]
            if similarity[session] == 0:
                met[n_met] = session
                n_met += 1
                matched[session] = match[place]
            similarity[session] += decay[place]
    return met[:n_met]


@compiled
def add_items(
    sessions: Places,
    weights: Singles,
    held: Places,
    held_indptr: Starts,
    rarity: Singles,
    scores: Singles,
) -> Places:
    """Adds each session's weight × rarity to the scores of its items; returns which, each once.

    `scores` is 0 before.
    """
    most = 0
    for session in sessions:
        most += held_indptr[session + 1] - held_indptr[session]
    touched = np.empty(most, dtype=np.int32)
    n_touched = 0
    for place in range(len(sessions)):
        for entry in range(held_indptr[sessions[place]], held_indptr[sessions[place] + 1]):
            item = held[entry]
            if scores[item] == 0:
                touched[n_touched] = item
                n_touched += 1
            scores[item] += weights[place] * rarity[item]
    return touched[:n_touched]
