"""Slots, content and rules held against each other: every fault at once, by file and key."""

from __future__ import annotations

import pytest
import yaml
from tests.shop_rules import NOON, content, rule, show

from sparkperso.config import load_settings
from sparkperso.core.errors import ConfigError
from sparkperso.decisions.assets import load_rulebook, read_assets
from sparkperso.decisions.lint import unreachable
from sparkperso.decisions.offers import offers_of

SOUND = {
    "slots/hero.yaml": "{channels: [web, email], default: welcome, max_items: 5}",
    "slots/row.yaml": "{}",
    "content/welcome.yaml": "{slots: [hero], bodies: {any: {en: Hello}}}",
    "content/offers.yaml": "{slots: [hero], bodies: {any: {en: Offers}}}",
    "rules/vips.yaml": "{if: {segment: high-value-buyers}, show: {slot: hero, content: offers}}",
}


@pytest.fixture
def assets(tmp_path):
    """Returns make(files, **options): what read_assets finds in SOUND with other files over it."""

    def make(files, *assignments):
        for path, text in {**SOUND, **files}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return read_assets(load_settings(assignments=assignments), tmp_path, at=NOON)

    return make


def test_what_is_sound_has_neither_faults_nor_notes(assets):
    read = assets({})
    assert (list(read.faults), list(read.notes)) == ([], [])
    assert read.rules["vips"].if_.segment == "audiences-high-value-buyers"


def test_what_is_shipped_is_sound_for_any_time():
    read = read_assets(load_settings(), at=NOON)
    assert (list(read.faults), list(read.notes)) == ([], [])
    assert set(read.slots) == {"hero", "picks"}


BODIES = "bodies: {any: {en: x}}"
FAULTS = {
    "rules/a.yaml": [
        ("{show: {slot: heroo, content: offers}}", "show.slot: no 'heroo' in conf/slots (did you"),
        ("{show: {slot: hero, content: ofers}}", "show.content: no 'ofers' in conf/content (did"),
        ("{show: {slot: row, content: offers}}", "'offers' is for hero, not for slot 'row'"),
        ("{show: {slot: row, items: {kind: new}}}", "show.items: slot row takes no list"),
        ("{show: {slot: hero, items: {n: 9}}}", "show.items.n: slot hero takes 5 items, found 9"),
        ("{block: {item_id: x}, slots: [heroo]}", "slots: no 'heroo' in conf/slots"),
        ("{if: {segment: vip}, block: {item_id: x}}", "if: no segment 'vip' in conf/segments"),
        ("{if: {segment: lapsign}, block: {item_id: x}}", "did you mean 'lapsing'?"),
        ("{if: {attribute: contry, exists: true}, block: {item_id: x}}", "if: no column 'contry'"),
        ("{if: {context: devise, exists: true}, block: {item_id: x}}", "if: no field 'devise'"),
        ("{if: {context: weekday, one_of: friday}, block: {item_id: x}}", "no weekday 'friday'"),
        ("{if: {uses: wishlist}, block: {item_id: x}}", "'uses' is of events"),
        (
            "{if: {all: [{segment: new}, {not: {segment: new}}]}, block: {item_id: x}}",
            "if: the condition can never hold",
        ),
        ("{blok: {item_id: x}}", "blok"),
    ],
    "content/a.yaml": [
        (f"{{slots: [heroo], {BODIES}}}", "slots: no 'heroo' in conf/slots (did you mean 'hero'?)"),
        ("{slots: [hero], bodies: {web: {en: x}}}", "bodies: none for channel email of slot hero"),
        (
            "{slots: [row], bodies: {web: {de: x}}}",
            "bodies: none for channel web of slot row in 'en'",
        ),
        (
            "{slots: [row], variants: {b: {bodies: {web: {de: x}}}}}",
            "variants.b.bodies: none for channel web",
        ),
        ("{slots: [row], bodies: {any: {en: {a: 1}}}}", "slot row takes html, and it is json"),
        (f"{{slots: [row], {BODIES}, items: {{kind: new}}}}", "items: slot row takes no list"),
        (
            f"{{slots: [row], {BODIES}, tags: {{segments: [vip]}}}}",
            "tags.segments: no segment 'vip'",
        ),
        (
            f"{{slots: [row], {BODIES}, tags: {{preferences: {{age: [x]}}}}}}",
            "tags.preferences: column 'age' is a number",
        ),
        (
            f"{{slots: [row], {BODIES}, tags: {{behaviours: [{{uses: x}}]}}}}",
            "tags.behaviours: 'uses' is of events",
        ),
        (f"{{slots: [row], {BODIES}, trusted: true}}", "serving.trusted_content is false"),
    ],
    "slots/row.yaml": [
        ("{default: welcom}", "default: no 'welcom' in conf/content (did you mean 'welcome'?)"),
        ("{default: welcome}", "default: 'welcome' is for hero, not for slot 'row'"),
        ("{formt: html}", "formt"),
    ],
}


@pytest.mark.parametrize(
    ("path", "text", "says"), [(path, *case) for path, cases in FAULTS.items() for case in cases]
)
def test_a_fault_is_named_by_its_file_and_nothing_else_is(assets, path, text, says):
    (fault,) = assets({path: text}).faults
    assert path in fault
    assert says in fault


def test_a_body_must_fit_its_slot(assets):
    read = assets({"slots/hero.yaml": "{channels: [web], default: welcome, max_bytes: 5}"})
    (fault,) = read.faults
    assert "content/offers.yaml, bodies.any.en: slot hero takes 5 bytes, and it has 6" in fault


def test_all_faults_are_told_at_once_and_stop_a_service(assets, tmp_path):
    cases = FAULTS["rules/a.yaml"]
    read = assets({f"rules/r{n}.yaml": text for n, (text, _) in enumerate(cases)})
    for n, (_, says) in enumerate(cases):
        assert any(f"rules/r{n}.yaml" in fault and says in fault for fault in read.faults)
    with pytest.raises(ConfigError, match=r"devise.*heroo.*ofers"):
        load_rulebook(load_settings(), tmp_path)


def test_a_file_that_cannot_be_read_is_not_missed_as_well(assets):
    (fault,) = assets({"content/offers.yaml": "{slots: [hero]}"}).faults
    assert "there should be a body" in fault


def test_what_may_be_meant_is_noted(assets):
    read = assets(
        {
            "content/old.yaml": f"{{slots: [row], {BODIES}, valid: {{until: 2020-01-01}}}}",
            "content/hot.yaml": "{slots: [hero], bodies: {any: {en: '<p onclick=x>y</p>'}}}",
            "rules/hot.yaml": "{if: {context: country, one_of: UK},"
            " show: {slot: hero, content: hot}, valid: {until: 2020-01-01}}",
        }
    )
    assert not read.faults
    expected = [
        "content/old.yaml, valid: it ended, until 2020-01-01",
        "content/old.yaml: no rule, tag or slot shows it",
        "content/hot.yaml, bodies.any.en: left out by sanitising: onclick of <p>",
        "rules/hot.yaml, valid: it ended",
        "rules/hot.yaml, if: country 'UK' is read as 'GB'",
    ]
    assert len(read.notes) == len(expected)
    for text in expected:
        assert any(text in note for note in read.notes), text


def test_trusted_html_is_neither_sanitised_nor_noted_where_it_is_allowed(assets):
    hot = "{slots: [hero], trusted: true, bodies: {any: {en: '<p onclick=x>y</p>'}}}"
    files = {"content/offers.yaml": hot}
    read = assets(files, "serving.trusted_content=true")
    assert (list(read.faults), list(read.notes)) == ([], [])
    assert read.contents["offers"].bodies_of(None) == {("any", "en"): "<p onclick=x>y</p>"}


def test_windows_of_a_rule_and_its_content_must_meet(assets):
    late = f"{{slots: [hero], {BODIES}, valid: {{from: 2027-01-01}}}}"
    early = "{show: {slot: hero, content: late}, valid: {until: 2026-12-31}}"
    (fault,) = assets({"content/late.yaml": late, "rules/early.yaml": early}).faults
    assert "rules/early.yaml, show.content" in fault
    assert "never both" in fault


def test_a_default_is_valid_at_all_times(assets):
    welcome = f"{{slots: [hero], {BODIES}, valid: {{from: 2020-01-01}}}}"
    (fault,) = assets({"content/welcome.yaml": welcome}).faults
    assert "slots/hero.yaml, default: 'welcome' is not valid at all times" in fault


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("audiences-lapsing", "audiences-lapsing"),
        ("lapsing", "audiences-lapsing"),
        ("Regulars who stay AWAY", "audiences-lapsing"),
        ("new", "audiences-new"),
        ("behaviour-12", "behaviour-12"),
        ("groups-2-3", "groups-2-3"),
        ("behaviour-x", None),
        ("weekend shoppers", None),
    ],
)
def test_a_segment_goes_by_id_key_or_label(assets, name, meant):
    asked = yaml.safe_dump({"if": {"segment": name}, "block": {"item_id": "x"}})
    read = assets({"rules/a.yaml": asked})
    assert bool(read.faults) is (meant is None)
    assert meant is None or read.rules["a"].if_.segment == meant


def test_a_key_of_two_segmentations_must_say_which(assets):
    other = "{kind: rules, segments: {lapsing: {when: {attribute: frequency, at_least: 1}}}}"
    files = {
        "segments/other.yaml": other,
        "rules/a.yaml": "{if: {segment: lapsing}, block: {item_id: x}}",
    }
    (fault,) = assets(files, "segments.segmentations=[audiences, other]").faults
    assert "say audiences-lapsing or other-lapsing" in fault


def test_a_segment_that_is_not_built_cannot_be_asked_for(assets):
    (fault,) = assets({}, "segments.segmentations=[behaviour]").faults
    assert "no segment 'high-value-buyers'" in fault


VIP, DE = {"segment": "vip"}, {"context": "country", "one_of": "DE"}


def hidden(*rules, contents=()):
    known = {one.name: one for one in (content("offers"), content("other"), *contents)}
    return [one.text for one in unreachable(offers_of("hero", rules, known))]


@pytest.mark.parametrize(
    ("first", "second", "is_hidden"),
    [
        ({}, {"when": VIP}, True),
        ({"when": VIP}, {"when": VIP}, True),
        ({"when": VIP}, {"when": {"all": [VIP, DE]}}, True),
        ({"when": VIP}, {"when": {"any": [VIP, DE]}}, False),
        ({"when": {"any": [VIP, DE]}}, {"when": VIP}, True),
        # Without consent the first is not asked.
        ({"when": {"any": [VIP, DE]}}, {"when": DE}, False),
        (
            {"when": {"attribute": "age", "at_least": 18}},
            {"when": {"attribute": "age", "above": 30}},
            True,
        ),
        ({"valid": {"until": NOON}}, {"when": VIP}, False),
        ({"valid": {"until": NOON}}, {"when": VIP, "valid": {"until": NOON}}, True),
        ({"enabled": False}, {"when": VIP}, False),
        ({"show": show("offers", "row")}, {"when": VIP}, False),
    ],
)
def test_a_rule_that_another_hides_is_unreachable(first, second, is_hidden):
    found = hidden(rule("a", priority=1, **first), rule("b", **{"show": show("other"), **second}))
    assert bool(found) is is_hidden
    assert (
        not found
        or "rules/b.yaml, if: is never reached in slot hero: conf/rules/a.yaml" in found[0]
    )


def test_tags_are_hidden_and_hide_like_rules():
    tagged = content("kitchen", tags={"segments": "vip"})
    (found,) = hidden(rule("a", priority=1), contents=[tagged])
    assert "content/kitchen.yaml, tags: is never reached" in found
    (found,) = hidden(rule("a", VIP, priority=-1), contents=[tagged])
    assert "rules/a.yaml, if: is never reached in slot hero: conf/content/kitchen.yaml" in found


def test_content_that_is_not_always_valid_hides_nothing_else():
    short = content("short", valid={"until": NOON})
    assert hidden(rule("a", priority=1, show=show("short")), rule("b", VIP), contents=[short]) == []
