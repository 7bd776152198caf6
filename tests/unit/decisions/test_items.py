"""Rules for items: laws on random lists and rules, then an example of each."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from tests.shop_rules import NOON, rule

from sparkperso.decisions.items import active_rules, apply_item_rules, explain_item_rules

CATEGORIES = ("toys", "bags", None)


def item(number, **fields):
    category = CATEGORIES[number % 3]
    return {"item_id": f"i{number}", "category": category, "price": number, "tags": [], **fields}


ITEMS = [item(number) for number in range(12)]


@pytest.fixture
def listed(book, facts):
    """Returns make(*rules, n=12, **options), what becomes of ITEMS."""

    def make(*rules, n=12, items=ITEMS, known=None, **options):
        known = known or facts()
        active = active_rules(book(*rules).item_rules, known, "row", "new")
        return apply_item_rules(items, active, known, n, **options)

    return make


def ids(listed):
    return [place.item["item_id"] for place in listed.places]


def numbers(listed):
    return [int(one.removeprefix("i")) for one in ids(listed)]


def random_rules(chance):
    makers = (
        lambda: {"block": {"item_id": f"i{chance.randrange(12)}"}},
        lambda: {"block": {"category": "toys", "price": {"at_least": chance.randrange(12)}}},
        lambda: {
            "boost": {"category": chance.choice(("toys", "bags")), "by": chance.choice((0.5, 2))}
        },
        lambda: {"boost": {"price": {"below": chance.randrange(12)}, "by": 3}},
        lambda: {
            "pin": dict(
                zip(
                    (f"i{n}" for n in chance.sample(range(14), 2)),
                    chance.sample(range(1, 15), 2),
                    strict=True,
                )
            )
        },
        lambda: {"max_per_category": {"n": chance.randrange(1, 4)}},
        lambda: {
            "available": {
                "item_id": [f"i{n}" for n in chance.sample(range(12), 3)],
                "during": {"from": NOON + timedelta(days=chance.choice((-1, 1)))},
            }
        },
    )
    return [
        rule(f"r{number}", priority=chance.randrange(3), **chance.choice(makers)())
        for number in range(chance.randrange(1, 7))
    ]


def test_laws_of_any_rules_on_any_list(listed):
    chance = random.Random(8)
    for _ in range(500):
        rules, n = random_rules(chance), chance.randrange(1, 15)
        items = chance.sample(ITEMS, chance.randrange(len(ITEMS) + 1))
        excluded = {f"i{chance.randrange(12)}"}
        answer = listed(*rules, n=n, items=items, excluded=excluded)
        shown = ids(answer)
        # Bounded, each once, from the list or pinned, and never what was dismissed.
        assert len(shown) <= n
        assert len(set(shown)) == len(shown)
        pinned = {one for r in rules for one in r.pin or ()}
        assert set(shown) <= {one["item_id"] for one in items} | pinned
        assert not excluded & set(shown)
        # What is left out is said once, with a rule, and is not listed.
        gone = [one.item_id for one in answer.left_out]
        assert len(set(gone)) == len(gone)
        assert not set(gone) & set(shown)
        assert {one.rule for one in answer.left_out} <= {r.name for r in rules}
        # Nothing else is missing.
        whole = listed(*rules, n=100, items=items, excluded=excluded)
        assert ids(whole)[:n] == shown
        assert {one["item_id"] for one in items} <= {*ids(whole), *gone, *excluded}
        # Neither the order of files nor of priorities' equals shows.
        chance.shuffle(rules)
        assert listed(*rules, n=n, items=items, excluded=excluded) == answer


def test_each_category_holds_its_limit_but_for_pins(listed):
    chance = random.Random(9)
    for _ in range(300):
        rules, n = random_rules(chance), chance.randrange(1, 4)
        limit = rule("limit", max_per_category={"n": n})
        pinned = {one for r in rules for one in r.pin or ()}
        counts = Counter(
            place.item["category"]
            for place in listed(*rules, limit).places
            if place.item["item_id"] not in pinned
        )
        del counts[None]
        assert max(counts.values(), default=0) <= n


def test_without_rules_a_list_is_what_it_was(listed):
    assert ids(listed()) == [one["item_id"] for one in ITEMS]
    assert ids(listed(n=3)) == ["i0", "i1", "i2"]


def test_items_that_no_boost_moves_keep_their_order(listed):
    boost = rule("b", boost={"category": "toys", "by": 4})
    shown = listed(boost)
    rest = [n for n in numbers(shown) if n % 3]
    assert rest == sorted(rest)
    assert {place.rules for place in shown.places if place.item["category"] == "toys"} == {("b",)}


def test_a_boost_divides_the_place(listed):
    # Of equal places the one that was first stays first: place 10 by 2 comes after place 5.
    assert numbers(listed(rule("b", boost={"item_id": "i9", "by": 2}))).index(9) == 5
    assert numbers(listed(rule("b", boost={"item_id": "i1", "by": 0.5}))).index(1) == 2
    twice = (rule(name, boost={"item_id": "i9", "by": 2}) for name in "bc")
    assert numbers(listed(*twice)).index(9) == 2


def test_what_is_blocked_is_not_listed_and_the_rule_is_named(listed):
    answer = listed(rule("no-bags", block={"category": "bags"}))
    assert all(place.item["category"] != "bags" for place in answer.places)
    assert {(one.rule, one.why) for one in answer.left_out} == {("no-bags", "blocked")}
    assert len(answer.left_out) == 4


def test_all_that_a_filter_gives_must_fit(listed):
    answer = listed(rule("r", block={"category": "bags", "price": {"above": 5}}))
    assert [one.item_id for one in answer.left_out] == ["i7", "i10"]
    tagged = [item(0, tags=["old"]), item(1, tags=["old", "new"]), item(2)]
    answer = listed(rule("r", block={"tag": "new"}), items=tagged)
    assert ids(answer) == ["i0", "i2"]


def test_a_window_lists_items_while_it_is_open(listed, facts):
    during = {"from": NOON, "until": NOON + timedelta(days=1)}
    launch = rule("launch", available={"item_id": "i0", "during": during})
    for days, is_there in ((-1, False), (0, True), (1, False)):
        answer = listed(launch, known=facts(at=NOON + timedelta(days=days)))
        assert ("i0" in ids(answer)) is is_there
        assert len(answer.left_out) == (not is_there)


def test_pins_take_their_places(listed):
    assert numbers(listed(rule("p", pin={"i7": 1, "i5": 3})))[:4] == [7, 0, 5, 1]
    both = (rule("a", pin={"i7": 1}), rule("b", pin={"i5": 1}))
    assert numbers(listed(*both))[:3] == [7, 5, 0]
    higher = (rule("a", pin={"i7": 1}), rule("b", pin={"i5": 1}, priority=1))
    assert numbers(listed(*higher))[:3] == [5, 7, 0]
    assert numbers(listed(rule("p", pin={"i0": 99})))[-1] == 0
    assert numbers(listed(rule("p", pin={"i7": 3}), n=2)) == [0, 1]


def test_an_item_that_is_not_in_the_list_can_be_pinned(listed):
    known = {"i99": item(99, category="bags")}
    answer = listed(rule("p", pin={"i99": 2}), catalogue=known)
    assert answer.places[1].item is known["i99"]
    assert answer.places[1].rules == ("p",)


def test_what_is_blocked_or_dismissed_is_not_pinned(listed):
    pin = rule("p", pin={"i99": 1, "i1": 2}, priority=9)
    block = rule("no-bags", block={"category": "bags"})
    known = {"i99": item(99, category="bags")}
    assert numbers(listed(pin, block, catalogue=known))[:2] == [0, 2]
    assert numbers(listed(pin, excluded={"i99", "i1"}))[:2] == [0, 2]


def test_pinned_items_count_for_their_category(listed):
    one = rule("one", max_per_category={"n": 1})
    answer = listed(one, rule("p", pin={"i9": 1, "i6": 2}))
    toys = [n for n in numbers(answer) if n % 3 == 0]
    assert toys == [9, 6]
    assert [n for n in numbers(answer) if n % 3 == 1] == [1]
    assert [n for n in numbers(answer) if n % 3 == 2] == [2, 5, 8, 11]  # of no category


def test_a_limit_may_be_of_some_categories_alone(listed):
    answer = listed(rule("toys", max_per_category={"n": 1, "category": "toys"}))
    assert Counter(place.item["category"] for place in answer.places) == {
        "toys": 1,
        "bags": 4,
        None: 4,
    }


def test_rules_count_where_and_for_whom_they_are_meant(book, facts):
    rules = (
        rule("elsewhere", block={"category": "toys"}, slots=["hero"]),
        rule("similar", block={"category": "toys"}, lists=["similar"]),
        rule("vips", {"segment": "vip"}, block={"category": "toys"}),
        rule("evening", {"context": "hour", "at_least": 18}, block={"category": "toys"}),
        rule("over", valid={"until": NOON}, block={"category": "toys"}),
        rule("here", block={"category": "toys"}, slots=["row"], lists=["new", "again"]),
    )
    shop = book(*rules)
    vip = facts(segments=frozenset({"vip"}))
    refused = facts(segments=frozenset({"vip"}), may_personalise=False)
    for known, names in ((vip, ["vips", "here"]), (refused, ["here"]), (facts(), ["here"])):
        active = active_rules(shop.item_rules, known, "row", "new")
        assert [one.rule.name for one in active] == names
        outcomes = {
            trace.name: trace.outcome
            for trace in explain_item_rules(shop.item_rules, known, "row", "new")
        }
        assert [name for name in outcomes if outcomes[name] == "applied"] == names
        assert outcomes["elsewhere"] == outcomes["similar"] == "elsewhere"
        assert (outcomes["over"], outcomes["evening"]) == ("closed", "failed")
