"""What must hold of every recommender: a family of tests to inherit.

    class TestMine(ModelTests):
        params = MineParams(rank=4)

A subclass says with the other attributes what its model is meant to do. Everything runs in memory
on a few dozen users; a colour is what a user and the items of their taste have in common.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.models import parse_params
from sparkperso.core.errors import ConfigError
from sparkperso.recommend.arrays.catalogue import Catalogue, Texts
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Singles
from sparkperso.recommend.models import fit_model, load_model
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.model_arrays import from_rows, to_rows
from sparkperso.recommend.scoring.top_n import Lists, Selection, best_items
from sparkperso.recommend.tune.search_space import grid

SIDE = 12
COLOURS = ("black", "white")
COUNTRIES = ("GB", "FR")
N_ITEMS, N_COLD = 25, 3
"""Items of `random_users`; nobody has the last `N_COLD` of them."""
Pairs = Sequence[tuple[int, float, float]]
"""(item, strength, age in days) of one user, items growing."""


def users_of(
    rows: Sequence[Pairs], n_items: int, attributes: Sequence[tuple[str, ...]] | None = None
) -> Histories:
    """Returns users u000, u001, … with these pairs."""
    flat = [pair for row in rows for pair in row]
    items = np.array([item for item, _, _ in flat], dtype=np.int32)
    strengths = np.array([strength for _, strength, _ in flat], dtype=np.float32)
    ages = np.array([age for _, _, age in flat], dtype=np.float32)
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    return Histories(
        np.array([f"u{n:03d}" for n in range(len(rows))], dtype=object),
        csr_matrix((strengths, items, indptr), shape=(len(rows), n_items)),
        ages,
        tuple(attributes or [()] * len(rows)),
    )


def coloured_catalogue(n_items: int) -> Catalogue:
    """Returns items of two colours in turn, which text and category tell."""
    places = range(n_items)
    return Catalogue(
        np.array([f"i{n:02d}" for n in places], dtype=object),
        np.array([f"{COLOURS[n % 2]} thing" for n in places], dtype=object),
        np.array([COLOURS[n % 2] for n in places], dtype=object),
        np.array([10.0 + n for n in places]),
    )


def bare_catalogue(ids: Texts) -> Catalogue:
    """Returns a catalogue of which nothing but the ids is known."""
    nothing = np.full(len(ids), "", dtype=object)
    return Catalogue(ids, nothing, nothing, np.full(len(ids), np.nan))


def left_out(user: int) -> int:
    """Returns the item of a user's colour that the user lacks on the checkerboard."""
    return (user + 4) % SIDE


def checkerboard() -> Histories:
    """Returns users who like every item of their colour but one; a country has one colour."""
    rows = [
        [(i, 1.0, 1.0 + (3 * u + i) % 7) for i in range(u % 2, SIDE, 2) if i != left_out(u)]
        for u in range(SIDE)
    ]
    return users_of(rows, SIDE, [(f"country={COUNTRIES[u % 2]}",) for u in range(SIDE)])


def random_users(seed: int = 7, n_users: int = 40) -> Histories:
    """Returns users with 1 to 12 pairs of any strength, some of them refunded (0)."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_users):
        items = np.sort(rng.choice(N_ITEMS - N_COLD, int(rng.integers(1, 13)), replace=False))
        strengths = rng.choice([0.0, 0.5, 1.0, 3.0], len(items), p=[0.15, 0.25, 0.4, 0.2])
        ages = rng.uniform(0, 90, len(items))
        rows.append(
            [(int(i), float(s), float(a)) for i, s, a in zip(items, strengths, ages, strict=True)]
        )
    return users_of(rows, N_ITEMS, [(f"country={COUNTRIES[u % 2]}",) for u in range(n_users)])


class ModelTests:
    """Laws of a model; subclasses set `params`."""

    params: ClassVar[Any]
    solves_board: ClassVar[bool] = True
    """Whether the item left out comes first on the checkerboard."""
    is_collaborative: ClassVar[bool] = True
    """Whether an item that nobody has is never listed."""
    serves_known_country: ClassVar[bool] = False
    """Whether a user without history gets a list for a country that is known from training."""
    serves_unknown_users: ClassVar[bool] = False
    """Whether a user of whom nothing is known gets a list."""
    bad_settings: ClassVar[Sequence[dict[str, Any]]] = ({"colour": "black"},)
    """Settings that are refused, one at a time."""

    def fit(self, users: Histories, catalogue: Catalogue | None = None) -> Fitted:
        """Returns the model fitted on these users."""
        catalogue = coloured_catalogue(users.n_items) if catalogue is None else catalogue
        return fit_model(self.params, users, catalogue, FitSetting())

    def test_each_user_is_recommended_the_item_left_out(self) -> None:
        """The checkerboard; a model of no taste lists something all the same."""
        board = checkerboard()
        first = listed(self.fit(board), board, 1)
        if self.solves_board:
            assert first.items[:, 0].tolist() == [left_out(u) for u in range(SIDE)]
        assert (first.items[:, 0] >= 0).all()

    def test_fitting_twice_gives_the_same_bits(self) -> None:
        """A fit depends on its input alone."""
        users = random_users()
        same_bits(self.fit(users).scores(users), self.fit(users).scores(users))

    def test_the_order_of_users_does_not_matter(self) -> None:
        """Neither when fitting (but for the last digits of sums) nor when scoring."""
        users = random_users()
        order = np.random.default_rng(1).permutation(len(users))
        model, shuffled = self.fit(users), self.fit(users.take(order))
        scores = model.scores(users)
        same_bits(model.scores(users.take(order)), scores[order])
        reordered = shuffled.scores(users)
        assert np.array_equal(np.isfinite(reordered), np.isfinite(scores))
        finite = np.isfinite(scores)
        np.testing.assert_allclose(
            reordered[finite], scores[finite], rtol=1e-3, atol=1e-4 * largest(scores)
        )

    def test_a_users_scores_are_the_same_alone_and_in_any_block(self) -> None:
        """To the bit."""
        users = with_cold_users(random_users())
        model = self.fit(random_users())
        scores = model.scores(users)
        for row in range(len(users)):
            same_bits(model.scores(users.take(slice(row, row + 1))), scores[row : row + 1])
        same_bits(model.scores(users.take(slice(3, 30))), scores[3:30])

    def test_users_without_history_get_what_the_model_has_for_them(self) -> None:
        """By their country, by nothing, or no list; never an exception."""
        model = self.fit(checkerboard())
        nobody = users_of([[], [], []], SIDE, [("country=FR",), ("country=XX",), ()])
        lists = listed(model, nobody, 3)
        served = (lists.items >= 0).any(axis=1).tolist()
        unknown = self.serves_unknown_users
        assert served == [self.serves_known_country or unknown, unknown, unknown]
        assert not np.isnan(model.scores(nobody)).any()

    def test_items_that_nobody_has_are_listed_only_for_what_they_are(self) -> None:
        """Collaborative models never list them; others list one that is alike."""
        users = random_users()
        lists = listed(self.fit(users), users, N_ITEMS)
        assert (lists.items >= 0)[users.lengths > 0].any(axis=1).all()
        cold = np.isin(lists.items, np.arange(N_ITEMS - N_COLD, N_ITEMS))
        assert cold.any() != self.is_collaborative

    def test_refunded_pairs_are_no_preference_and_never_recommended(self) -> None:
        """A model knows no more of them than if they had never been."""
        users = random_users()
        without = without_refunds(users)
        model, other = self.fit(users), self.fit(without)
        assert users.pairs.nnz > without.pairs.nnz
        same_bits(model.scores(users), other.scores(without))
        lists = listed(model, users, N_ITEMS)
        for row in range(len(users)):
            known = users.pairs.indices[users.pairs.indptr[row] : users.pairs.indptr[row + 1]]
            assert not np.isin(lists.items[row], known).any()

    def test_a_model_read_back_gives_the_same_bits(self) -> None:
        """From rows in any order, each of them an array in NumPy's own format."""
        users = with_cold_users(random_users())
        model = self.fit(random_users())
        rows = list(to_rows(model.arrays()))
        assert all(data.startswith(b"\x93NUMPY") for _, _, data in rows)
        again = load_model(self.params, from_rows(reversed(rows)))
        same_bits(again.scores(users), model.scores(users))
        first, second = (m.explainer(users)(0, np.arange(4)) for m in (model, again))
        np.testing.assert_array_equal(first.contributions, second.contributions)

    def test_settings_come_back_from_json(self) -> None:
        """As they are kept in a registered version."""
        text = json.dumps(self.params.model_dump(mode="json"))
        assert parse_params(json.loads(text)) == self.params

    def test_reasons_add_up_to_the_score(self) -> None:
        """Base plus contributions is the score, for every listed item of every user."""
        users = with_cold_users(random_users())
        model = self.fit(random_users())
        scores, explain = model.scores(users).astype(np.float64), model.explainer(users)
        lists = listed(model, users, 10)
        for row in range(len(users)):
            items = lists.items[row][lists.items[row] >= 0]
            reasons = explain(row, items)
            assert reasons.contributions.shape == (users.lengths[row], len(items))
            total = reasons.base + reasons.contributions.sum(axis=0)
            size = largest(scores[row : row + 1])
            np.testing.assert_allclose(total, scores[row, items], rtol=1e-4, atol=1e-5 * size)

    def test_lists_hold_each_item_once_and_end_where_the_catalogue_does(self) -> None:
        """Also when more is asked for than there is."""
        users = random_users()
        model = self.fit(users)
        assert not np.isnan(model.scores(users)).any()
        lists = listed(model, users, N_ITEMS + 5)
        assert lists.items.shape == (len(users), N_ITEMS + 5)
        for items, scores in zip(lists.items, lists.scores, strict=True):
            n = int((items >= 0).sum())
            assert (items[n:] == -1).all()
            assert len(set(items[:n])) == n
            assert (np.diff(scores[:n]) <= 0).all()
            assert np.isfinite(scores[:n]).all()

    def test_one_user_alone_teaches_nothing_wrong(self) -> None:
        """Collaborative models then have nothing to recommend to the user."""
        alone = users_of([[(0, 1.0, 1.0), (2, 2.0, 3.0)]], 6, [("country=GB",)])
        lists = listed(self.fit(alone), alone, 3)
        assert not np.isin(lists.items, [0, 2]).any()
        assert (lists.items < 0).all() == self.is_collaborative

    def test_users_who_are_all_alike_get_the_same_list(self) -> None:
        """No division by a spread or a rarity of zero."""
        row = [(0, 1.0, 1.0), (2, 1.0, 2.0), (4, 0.0, 2.0)]
        users = users_of([row] * 5, 6, [("country=GB",)] * 5)
        scores = self.fit(users).scores(users)
        same_bits(scores, np.repeat(scores[:1], 5, axis=0))
        assert not np.isnan(scores).any()

    def test_without_users_there_is_nothing_to_tell(self) -> None:
        """An empty training set is fitted, and lists nothing that somebody would have to have."""
        users = random_users()
        model = self.fit(users.take(slice(0, 0)))
        lists = listed(model, users, 3)
        assert not np.isnan(model.scores(users)).any()
        assert (lists.items < 0).all() == self.is_collaborative

    def test_a_catalogue_of_one_item_can_be_fitted(self) -> None:
        """Those who have it get nothing, and there is nothing else."""
        users = users_of([[(0, 1.0, 1.0)], [(0, 2.0, 4.0)], []], 1, [("country=GB",), (), ()])
        model = self.fit(users)
        assert (listed(model, users, 2).items[:2] < 0).all()
        assert not np.isnan(model.scores(users)).any()

    def test_bad_settings_are_refused_by_name(self) -> None:
        """Before anything is fitted."""
        good = {"model": self.params.model}
        for bad in self.bad_settings:
            try:
                candidates = grid([{**good, **bad}])
            except ConfigError as error:
                assert "recommend.search.space" in str(error)  # noqa: PT017
                assert all(name in str(error) for name in bad)  # noqa: PT017
            else:
                raise AssertionError(f"{bad} was taken for {candidates}")


def listed(model: Fitted, users: Histories, n: int) -> Lists:
    """Returns the lists of users, what they know left out."""
    return best_items(model, users, Selection(n))


def with_cold_users(users: Histories) -> Histories:
    """Returns the users, and two without history: one of a known country, one of none."""
    pairs = csr_matrix(
        (users.pairs.data, users.pairs.indices, [*users.pairs.indptr, *[users.pairs.nnz] * 2]),
        shape=(len(users) + 2, users.n_items),
    )
    ids = np.array([*users.ids, "x1", "x2"], dtype=object)
    return Histories(ids, pairs, users.ages, (*users.attributes, ("country=FR",), ()))


def without_refunds(users: Histories) -> Histories:
    """Returns the users with their preferred pairs alone."""
    is_kept = users.pairs.data > 0
    ages = users.ages[is_kept]
    return Histories(users.ids, users.strengths.copy(), ages, users.attributes)


def same_bits(left: Singles, right: Singles) -> None:
    """Raises AssertionError where two arrays differ in type, shape or any bit."""
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    assert np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()


def largest(scores: Singles | Any) -> float:
    """Returns the largest finite size; 1 when nothing is finite."""
    finite = np.abs(scores[np.isfinite(scores)])
    return float(finite.max()) if finite.size else 1.0


def rows_of(lists: Lists) -> list[list[int]]:
    """Returns the lists as they are shown: without the empty places."""
    return [[int(item) for item in row if item >= 0] for row in lists.items]
