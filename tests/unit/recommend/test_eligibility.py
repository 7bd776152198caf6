"""Whom which items may be shown to: a forbidden item is never listed, whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.lists import DiversityConfig, EligibilityConfig
from sparkperso.core.spellings import country_codes
from sparkperso.recommend.arrays.attributes import age_limit, age_of, countries_in, is_no
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.scoring.diversity import make_diversity
from sparkperso.recommend.scoring.eligibility import allowed_items, unused_attributes, user_rules
from sparkperso.recommend.scoring.top_n import Selection, best_items
from sparkperso.testing.models import bare_catalogue

YEAR = 2026
ALL = EligibilityConfig(
    in_stock="stock",
    countries="countries",
    min_age="age",
    blocked_items=("i0003", "unheard of"),
    blocked_categories=("weapons",),
)
STOCK = ["", "0", "12", "no", "TRUE", "-1"]
COUNTRIES = ["", "GB", "gb, IE", "FR"]
AGES = ["", "18", "16+", "adults"]
USERS = [
    (),
    ("country=GB",),
    ("birth_year=1999", "born=1990", "country=FR"),
    ("birth_year=2009", "born=2000", "country=IE"),
    ("birth_year=2007", "country=FR", "country=GB"),
    ("birth_year=soon", "born=1990", "segment=4"),
]


class Fixed:
    """Gives every user the same wild scores."""

    def __init__(self, scores):
        self.values = np.asarray(scores, dtype=np.float32)

    def scores(self, users):
        return np.broadcast_to(self.values, (len(users), len(self.values)))


def people(attributes, n_items):
    shape = (len(attributes), n_items)
    ids = np.array([f"u{row}" for row in range(shape[0])], dtype=object)
    return Histories(
        ids, csr_matrix(shape, dtype=np.float32), np.zeros(0, np.float32), tuple(attributes)
    )


def catalogue_of(attributes, categories=None):
    n = len(attributes)
    ids = np.array([f"i{item:04d}" for item in range(n)], dtype=object)
    blank = np.full(n, "", dtype=object)
    known = blank if categories is None else np.array(categories, dtype=object)
    return Catalogue(ids, blank, known, np.full(n, np.nan), tuple(attributes))


def wild(seed, n=300):
    chance = np.random.default_rng(seed)
    names = {"stock": STOCK, "countries": COUNTRIES, "age": AGES}
    attributes = [{k: str(chance.choice(v)) for k, v in names.items()} for _ in range(n)]
    categories = chance.choice(["", "weapons", "toys", "books"], n)
    return catalogue_of(attributes, categories), chance.normal(0, 1e6, n)


def may_see(item, user, catalogue):
    """Says the rules once more, plainly, for one item and one user."""
    told = catalogue.attributes[item]
    if catalogue.ids[item] == "i0003" or catalogue.categories[item] == "weapons":
        return False
    if told["stock"] in ("0", "no", "-1") or told["age"] == "adults":
        return False
    countries = {token[8:] for token in user if token.startswith("country=")}
    open_in = {code.strip().upper() for code in told["countries"].split(",")} - {""}
    if open_in and not (countries and countries <= open_in):
        return False
    ages = {USERS[2]: 26, USERS[3]: 16, USERS[4]: 18}
    return not told["age"] or ages.get(user, -1) >= int(told["age"].strip("+"))


@pytest.mark.parametrize("diversity", [{}, {"max_per_category": 30}, {"mmr_lambda": 0.3}])
@pytest.mark.parametrize("seed", range(3))
def test_listed_is_exactly_what_may_be_seen(seed, diversity):
    catalogue, scores = wild(seed)
    select = Selection(
        len(catalogue),
        allowed_items(ALL, catalogue),
        rules=user_rules(ALL, catalogue, YEAR),
        reranker=make_diversity(DiversityConfig(**diversity), catalogue),
    )
    lists = best_items(Fixed(scores), people(USERS, len(catalogue)), select)
    for row, user in enumerate(USERS):
        listed = set(lists.items[row]) - {-1}
        wanted = {item for item in range(len(catalogue)) if may_see(item, user, catalogue)}
        assert listed <= wanted
        if "max_per_category" not in diversity:
            assert listed == wanted


def test_a_users_list_does_not_depend_on_the_others_of_the_block():
    catalogue, scores = wild(9)
    rules = user_rules(ALL, catalogue, YEAR)
    together = np.tile(scores.astype(np.float32), (len(USERS), 1))
    for rule in rules:
        rule.forbid(together, people(USERS, len(catalogue)))
    for row, user in enumerate(USERS):
        alone = scores.astype(np.float32)[None, :].copy()
        for rule in rules:
            rule.forbid(alone, people([user], len(catalogue)))
        assert np.array_equal(alone[0], together[row])


def test_without_settings_or_attributes_everything_is_allowed():
    catalogue, _ = wild(1)
    for config, items in [(EligibilityConfig(), catalogue), (ALL, bare_catalogue(catalogue.ids))]:
        assert user_rules(config, items, YEAR) == ()
    assert allowed_items(EligibilityConfig(), catalogue) is None
    assert list(np.flatnonzero(~allowed_items(ALL, bare_catalogue(catalogue.ids)))) == [3]


def test_names_that_no_item_has_are_told():
    catalogue = catalogue_of([{"stock": "1", "age": ""}, {}])
    assert unused_attributes(ALL, catalogue) == ["countries", "age"]


def test_what_texts_say():
    assert [text for text in ("0", "0.0", "-2", "No", " out ", "FALSE") if not is_no(text)] == []
    assert [text for text in ("1", "0.5", "yes", "7 left", "nan", "inf") if is_no(text)] == []
    codes = country_codes({"UK": "GB"})
    assert countries_in(" gb,IE,, uk, Germany ", codes) == {"GB", "IE", "DE"}
    assert countries_in("GB, Narnia", codes) == {"GB", "NARNIA"}, "what is no country opens nothing"
    assert [age_limit(text) for text in ("18", " 16+ ", "adults", "-3")] == [18, 16, np.inf, np.inf]


def test_an_age_is_what_has_surely_been_reached():
    assert age_of(["birth_year=2008"], YEAR) == 17  # The birthday may be still to come.
    assert age_of(["born=2000", "birth_year=2001"], YEAR) == 24
    assert age_of(["birth_year=2001", "birth_year=2010"], YEAR) == 15
    assert [age_of([f"birth_year={year}"], YEAR) for year in (1, 1899, 2027)] == [-1, -1, -1]
    assert age_of(["birth_year=2026"], YEAR) == 0
    assert age_of(["born=2000"], YEAR) == -1, "a decade is no age: rules know none by it either"
    assert age_of(["country=GB", "birth_year=", "born=x"], YEAR) == -1


def test_names_of_countries_and_categories_are_read_as_ingest_spells_them():
    catalogue = catalogue_of([{"countries": "UK"}, {}], ["", "home_decor"])
    config = EligibilityConfig(countries="countries", blocked_categories=("Home Decor",))
    assert allowed_items(config, catalogue).tolist() == [True, False]
    (rule,) = user_rules(config, catalogue, YEAR, {"UK": "GB"})
    scores = np.zeros((2, 2), dtype=np.float32)
    rule.forbid(scores, people([("country=GB",), ("country=FR",)], 2))
    assert np.isfinite(scores[:, 0]).tolist() == [True, False]
