"""What a slot shows: one total order, the same answer for the same facts, a reason for each."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from tests.shop_rules import NOON, content, rule, show

from sparkperso.config.content.slots import Slot
from sparkperso.core.errors import UsageError
from sparkperso.core.hashing import share_of
from sparkperso.decisions.compile import compile_condition
from sparkperso.decisions.decision import decide
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.offers import specificity
from sparkperso.rules.evaluate import holds
from sparkperso.testing.rules import AS_OF, random_context, random_profile, random_request_rule

VIP, MOBILE = {"segment": "vip"}, {"context": "device_type", "one_of": "mobile"}


def shown(book, facts, slot="hero", **options):
    return decide(book, facts, [slot], **options).slots[slot]


def test_compiled_conditions_mean_what_the_evaluator_says():
    chance = random.Random(3)
    both = Counter()
    for _ in range(3_000):
        when = random_request_rule(chance, depth=3)
        test = compile_condition(when)
        for _ in range(3):
            inside = frozenset(name for name in "ab" if chance.random() < 0.5)
            profile, context = random_profile(chance), random_context(chance)
            others = {name: name in inside for name in "ab"}
            expected = holds(when, profile, (), AS_OF, others, context=context)
            assert test(Facts(AS_OF, context, None, profile, inside)) is expected, when
            both[expected] += 1
    assert min(both.values()) > 2_000


def random_rules(chance, n=12):
    return [
        rule(
            f"r{number}",
            None if chance.random() < 0.1 else random_request_rule(chance),
            priority=chance.randrange(3),
            show=show(chance.choice(("offers", "other"))),
        )
        for number in range(n)
    ]


def test_the_winner_is_the_first_that_holds_in_the_total_order(book):
    chance = random.Random(4)
    for _ in range(200):
        rules = random_rules(chance)
        facts = Facts(
            AS_OF, random_context(chance), "u", random_profile(chance), frozenset("a"), True
        )
        holding = [r for r in rules if r.if_ is None or compile_condition(r.if_)(facts)]
        first = min(holding, key=lambda r: (-r.priority, -specificity(r.if_), r.name), default=None)
        choice = shown(book(*rules), facts)
        assert choice.rule == (first and first.name)
        assert choice.reason == ("rule" if first else "default")


def test_neither_the_order_of_files_nor_an_explanation_changes_what_is_shown(book):
    chance = random.Random(5)
    for _ in range(100):
        rules = random_rules(chance)
        facts = Facts(AS_OF, random_context(chance), "u", random_profile(chance), frozenset("a"))
        expected = shown(book(*rules), facts)
        chance.shuffle(rules)
        explained = shown(book(*rules), facts, explain=True)
        assert (explained.rule, explained.body) == (expected.rule, expected.body)


def test_every_rule_is_explained_and_exactly_the_winner_won(book):
    chance = random.Random(6)
    outcomes = Counter()
    for _ in range(200):
        rules = random_rules(chance)
        may = chance.random() < 0.7
        facts = Facts(
            AS_OF, random_context(chance), "u", random_profile(chance), frozenset("a"), may
        )
        choice = shown(book(*rules), facts, explain=True)
        assert sorted(trace.name for trace in choice.looked_at) == sorted(r.name for r in rules)
        won = [trace.name for trace in choice.looked_at if trace.outcome == "won"]
        assert won == ([choice.rule] if choice.rule else [])
        for trace in choice.looked_at:
            asked = next(r for r in rules if r.name == trace.name).if_
            is_true = asked is None or compile_condition(asked)(facts)
            assert is_true is (trace.outcome in ("won", "outranked")) or (
                trace.outcome == "no_consent" and not may
            )
            assert trace.why
            outcomes[trace.outcome] += 1
    assert set(outcomes) == {"won", "outranked", "failed", "no_consent"}


def test_priority_goes_before_specificity_and_that_before_the_name(book, facts):
    both = {"all": [VIP, MOBILE]}
    rules = [rule("a", VIP), rule("b", both, show=show("other")), rule("c", both)]
    known = facts(segments=frozenset({"vip"}), context={"device_type": "mobile"})
    assert shown(book(*rules), known).rule == "b"
    assert shown(book(*rules, rule("d", priority=1)), known).rule == "d"


def test_two_people_see_different_things_and_are_told_why(book, facts):
    shop = book(rule("vips", VIP, priority=5))
    vip = shown(shop, facts(segments=frozenset({"vip"})), explain=True)
    assert (vip.content_id, vip.rule, vip.reason) == ("offers", "vips", "rule")
    other = shown(shop, facts(), explain=True)
    assert (other.content_id, other.rule, other.reason) == ("welcome", None, "default")
    (trace,) = other.looked_at
    assert (trace.outcome, trace.why) == ("failed", "in segment vip: not in it")


def test_an_explanation_names_the_part_that_failed_and_what_was_found(book, facts):
    late = {"context": "hour", "at_least": 18, "zone": "Europe/London"}
    shop = book(rule("evening", {"all": [VIP, {"any": [late, MOBILE]}]}))
    known = facts(segments=frozenset({"vip"}), context={"device_type": "desktop"})
    (trace,) = shown(shop, known, explain=True).looked_at
    assert trace.why == (
        "hour in Europe/London at least 18: found 13; device_type one of mobile: found desktop"
    )
    not_vip = book(rule("others", {"not": VIP}))
    (trace,) = shown(not_vip, known, explain=True).looked_at
    assert trace.why == "not (in segment vip): it does"


def test_a_window_holds_its_first_moment_and_not_its_last(book, facts):
    hour = {"from": NOON, "until": NOON + timedelta(hours=1)}
    shop = book(rule("now", valid=hour))
    steps = {timedelta(0): "now", timedelta(hours=1): None, timedelta(microseconds=-1): None}
    for step, name in steps.items():
        choice = shown(shop, facts(at=NOON + step), explain=True)
        assert choice.rule == name
        assert choice.looked_at[0].outcome == ("won" if name else "closed")


def test_content_that_is_not_valid_now_is_shown_by_no_rule(book, facts):
    short = content("short", valid={"until": NOON + timedelta(hours=1)})
    shop = book(rule("it", show=show("short")), contents=[short])
    assert shown(shop, facts()).content_id == "short"
    assert shown(shop, facts(at=NOON + timedelta(hours=2))).content_id == "welcome"


def test_without_consent_only_rules_on_the_request_have_a_say(book, facts):
    shop = book(
        rule("vips", VIP, priority=9),
        rule("phones", MOBILE, show=show("other")),
        rule("seen", {"context": "recent", "exists": True}, priority=5),
    )
    told = {"segments": frozenset({"vip"}), "context": {"device_type": "mobile", "recent": ("a",)}}
    assert shown(shop, facts(**told)).rule == "vips"
    refused = facts(**told, may_personalise=False)
    assert shown(shop, refused).rule == "phones"
    assert decide(shop, refused, ["hero"]).strategy == "no_consent"
    outcomes = {t.name: t.outcome for t in shown(shop, refused, explain=True).looked_at}
    assert outcomes == {"vips": "no_consent", "seen": "no_consent", "phones": "won"}


def test_without_consent_nothing_depends_on_the_person(book):
    chance = random.Random(7)
    forms = {"a": {}, "b": {"bodies": {"any": {"en": "<p>b</p>"}}}}
    for _ in range(100):
        shop = book(*random_rules(chance), contents=[content("other", variants=forms)])
        context = random_context(chance)
        answers = {
            repr(
                decide(
                    shop,
                    Facts(AS_OF, context, unit, random_profile(chance), frozenset(inside)),
                    ["hero"],
                )
            )
            for unit, inside in ((None, ""), ("u1", "a"), ("u2", "ab"))
        }
        assert len(answers) == 1


def test_tags_show_content_to_whoever_fits_all_kinds_of_them(book, facts):
    tagged = content(
        "kitchen",
        tags={
            "segments": ["vip", "new"],
            "behaviours": [{"context": "page", "begins_with": "/sale"}],
            "preferences": {"top_category": ["kitchen", "garden"]},
        },
    )
    shop = book(contents=[tagged])
    fits = {
        "segments": frozenset({"new"}),
        "context": {"page": "/sale/a"},
        "attributes": {"top_category": "garden"},
    }
    choice = shown(shop, facts(**fits))
    assert (choice.content_id, choice.reason, choice.rule) == ("kitchen", "tags", None)
    for missing in fits:
        rest = {name: value for name, value in fits.items() if name != missing}
        assert shown(shop, facts(**rest)).content_id == "welcome"


def test_a_rule_and_tags_compete_in_one_order(book, facts):
    tagged = content("kitchen", tags={"segments": "vip"}, priority=3)
    known = facts(segments=frozenset({"vip"}))
    assert shown(book(rule("r", VIP, priority=4), contents=[tagged]), known).rule == "r"
    assert shown(book(rule("r", VIP, priority=2), contents=[tagged]), known).reason == "tags"


TWO = {"plain": {"weight": 1}, "bold": {"weight": 3, "bodies": {"any": {"en": "<b>b</b>"}}}}


def test_variants_are_dealt_out_by_the_hash_in_their_weights(book, facts):
    shop = book(rule("all"), contents=[content("offers", variants=TWO)])
    counts = Counter()
    for number in range(4_000):
        choice = shown(shop, facts(unit=f"u{number}"))
        is_plain = share_of("offers", f"u{number}") < 0.25
        assert choice.variant == ("plain" if is_plain else "bold")
        assert choice.body == ("<p>offers</p>" if is_plain else "<b>b</b>")
        counts[choice.variant] += 1
    assert counts["plain"] / 4_000 == pytest.approx(0.25, abs=0.02)


def test_without_a_unit_or_consent_everybody_sees_the_first_variant(book, facts):
    shop = book(rule("all"), contents=[content("offers", variants=TWO)])
    for number in range(50):
        refused = facts(unit=f"u{number}", may_personalise=False)
        assert shown(shop, refused).variant == "plain"
    assert shown(shop, facts(unit=None)).variant == "plain"


@pytest.mark.parametrize(
    ("context", "body"),
    [
        ({}, "any any"),
        ({"language": ("de-at", "de")}, "any de-at"),
        ({"language": ("de-ch", "de")}, "web de"),
        ({"language": ("fr",)}, "any any"),
        ({"language": ("fr", "de")}, "web de"),
        ({"channel": "email", "language": ("de",)}, "any any"),
        ({"channel": "email"}, "any any"),
    ],
)
def test_the_readers_language_goes_first_then_the_channel(book, facts, context, body):
    bodies = {
        "web": {"en": "web en", "de": "web de"},
        "any": {"de-AT": "any de-at", "any": "any any"},
    }
    shop = book(rule("all"), contents=[content("offers", bodies=bodies)])
    assert shown(shop, facts(context=context)).body == body


def test_the_default_language_is_the_last_resort(book, facts):
    bodies = {"any": {"en": "English", "de": "deutsch"}}
    shop = book(rule("all"), contents=[content("offers", bodies=bodies)])
    choice = shown(shop, facts(context={"language": ("fr",)}))
    assert (choice.body, choice.language) == ("English", "en")


def test_a_list_is_as_long_as_asked_for_and_the_slot_allows(book, facts):
    shop = book(rule("row", show={"slot": "row", "items": {"kind": "new", "n": 4}}))
    assert shown(shop, facts(), "row").items.model_dump() == {"kind": "new", "n": 4}
    assert shown(shop, facts(context={"n": 2}), "row").items.n == 2
    assert shown(shop, facts(context={"n": 9}), "row").items.n == 5
    assert shown(shop, facts(), "row").content_id is None


def test_without_consent_a_personal_list_is_what_is_popular(book, facts):
    shop = book(rule("row", show={"slot": "row", "items": {"kind": "mixed", "n": 4}}))
    refused = facts(may_personalise=False)
    assert shown(shop, refused, "row").items.kind == "popular"
    near = book(rule("row", show={"slot": "row", "items": {"kind": "similar", "n": 4}}))
    assert shown(near, refused, "row").items.kind == "similar"


def test_a_slot_without_rule_and_default_leaves_the_page_what_it_has(book, facts):
    choice = shown(book(), facts(), "row")
    assert (choice.reason, choice.content_id, choice.body, choice.items) == (
        ("nothing", None, None, None)
    )


def test_a_slot_that_is_not_there_or_not_in_the_channel_is_refused(book, facts):
    with pytest.raises(UsageError, match="Did you mean 'hero'"):
        decide(book(), facts(), ["heroo"])
    with pytest.raises(UsageError, match="channels web, email"):
        decide(book(), facts(context={"channel": "mobile"}), ["hero"])
    assert decide(book(), facts(context={"channel": "email"}), ["hero"]).slots


def test_rules_that_are_switched_off_are_not_asked(book, facts):
    assert shown(book(rule("r", enabled=False)), facts(), explain=True).looked_at == ()


def test_what_must_be_known_of_people_is_told(book):
    shop = book(
        rule("a", {"all": [VIP, {"attribute": "age", "at_least": 18}]}),
        rule("b", {"attribute": "country", "one_of": "DE"}, block={"item_id": "x"}),
        contents=[content("c", tags={"preferences": {"top_category": "toys"}, "segments": "new"})],
    )
    assert shop.attributes == {"age", "country", "top_category"}
    assert shop.segments == {"vip", "new"}


def test_a_slot_may_take_json(book, facts):
    data = content("data", slots=["app"], bodies={"any": {"any": {"title": "Sale"}}})
    slot = Slot(name="app", format="json", default="data")
    choice = shown(book(contents=[data], slots=[slot]), facts(), "app")
    assert (choice.format, choice.body, choice.language) == ("json", {"title": "Sale"}, "any")
