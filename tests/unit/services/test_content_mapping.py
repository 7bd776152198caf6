"""Entries as content: by configured fields; what one lacks leaves that one out, by name."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from sparkperso.config.content.cms import CmsConfig, Source
from sparkperso.services.content.entries import Entry, is_deep, look_up
from sparkperso.services.content.mapping import map_entries
from sparkperso.services.content.rich_text import rich_text_html

BASE = {"kind": "strapi", "base_url": "https://cms.example", "collection": "modules"}
GOOD = {"name": "offers", "slots": ["hero"], "body": "<p>Offers</p>"}
UTC = timezone.utc


def source(**fields):
    return TypeAdapter(Source).validate_python({**BASE, **fields})


PLAIN = source()


def mapped(*values, source=None, trusted_content=False, **languages):
    """What entries are as content; with languages (`en=…`), one entry in several."""
    entries = [Entry(f"e{number}", one) for number, one in enumerate(values, 1)]
    entries += [Entry(f"e-{name}", one, name, key="k") for name, one in languages.items()]
    return map_entries(entries, source or PLAIN, "en", trusted_content)


def problem(*values, **more):
    """The only problem of entries that are all left out."""
    found = mapped(*values, **more)
    assert found.contents == {}
    [one] = found.problems
    return str(one)


def test_every_field_of_content_can_come_from_an_entry():
    entry = {
        **GOOD,
        "description": "For those who buy most",
        "slots": "hero, picks",
        "segments": "high-value buyers,\nlapsing",
        "behaviours": '[{"attribute": "visits_7d", "at_least": 3}]',
        "preferences": {"top_category": ["kitchen"]},
        "priority": "20",
        "valid_from": "2026-11-01",
        "valid_until": "2026-12-24T18:00:00+01:00",
        "items": "new",
        "variants": {"plain": {"weight": 3}, "bold": {"bodies": {"any": {"en": "<b>!</b>"}}}},
    }
    found = mapped(entry)
    assert not found.problems
    content = found.contents["offers"]
    assert (content.slots, content.priority) == (("hero", "picks"), 20)
    assert content.tags.segments == ("high-value buyers", "lapsing")
    assert [one.attribute for one in content.tags.behaviours] == ["visits_7d"]
    assert content.tags.preferences == {"top_category": ("kitchen",)}
    assert content.valid.from_ == datetime(2026, 11, 1, tzinfo=UTC)
    assert content.valid.until == datetime(2026, 12, 24, 17, tzinfo=UTC)
    assert (content.items.kind, content.items.n) == ("new", 10)
    assert content.bodies_of("bold")["any", "en"] == "<b>!</b>"
    assert content.bodies_of("plain") == {("any", "any"): "<p>Offers</p>"}
    assert found.entry_ids == {"offers": "e1"}


def test_fields_are_found_where_the_configuration_says():
    fields = {
        "name": "attributes.slug",
        "slots": "places.*.key",
        "segments": "tags.*.name",
        "bodies": {"web": "html.web", "email": {"title": "headline", "image": "image.0.url"}},
        "variants": "forms",
        "variant": {"name": "key", "weight": "share", "bodies": {"web": "text"}},
    }
    entry = {
        "attributes": {"slug": "offers"},
        "places": [{"key": "hero"}, {}, {"key": "row"}],
        "tags": [{"name": "lapsing"}],
        "html": {"web": "<p>a</p>"},
        "headline": "Offers",
        "image": [{"url": "/a.jpg"}],
        "forms": [{"key": "a", "share": 2}, {"key": "b", "text": "<b>b</b>"}],
    }
    content = mapped(entry, source=source(fields=fields)).contents["offers"]
    assert content.slots == ("hero", "row")
    assert content.tags.segments == ("lapsing",)
    assert content.bodies_of("b") == {
        ("web", "any"): "<b>b</b>",
        ("email", "any"): {"title": "Offers", "image": "/a.jpg"},
    }
    assert [one.weight for one in content.variants.values()] == [2, 1]


def test_entries_in_several_languages_are_one_content():
    found = mapped(
        source=source(languages={"de_DE": "de"}),
        **{
            "de_DE": {"name": "angebote", "slots": ["row"], "body": "<p>Angebote</p>"},
            "en": {**GOOD, "priority": 5},
            "fr-CA": {"name": "offres", "body": "<p>Offres</p>"},
        },
    )
    assert list(found.contents) == ["offers"]  # of the default language
    content = found.contents["offers"]
    assert (content.slots, content.priority) == (("hero",), 5)
    assert {language: body for (_, language), body in content.bodies_of(None).items()} == {
        "en": "<p>Offers</p>",
        "de": "<p>Angebote</p>",
        "fr-ca": "<p>Offres</p>",
    }


def test_variants_that_are_entries_are_joined_over_languages():
    english = {**GOOD, "variants": [{"name": "a", "weight": 3, "body": "A"}, {"name": "b"}]}
    german = Entry(
        "e1",
        {**english, "variants": [{"name": "a", "body": "A"}, {"name": "b"}]},
        "de",
        own={"body": "<p>Angebote</p>", "variants": [{}, {"body": "B"}]},
        key="k",
    )
    found = map_entries([german, Entry("e1", english, "en", key="k")], source(), "en", False)
    content = found.contents["offers"]
    assert content.bodies_of("a") == {
        ("any", "en"): "A",
        ("any", "de"): "<p>Angebote</p>",
    }
    assert content.bodies_of("b")["any", "de"] == "B"
    assert content.variants["a"].weight == 3


NAUGHTY = [
    ({}, "it has no name"),
    ({"name": ""}, "it has no name"),
    ({"name": 17}, "it has no name"),
    ({"name": ["a"]}, "it has no name"),
    ({"name": "Offers Of March"}, "'name': String should match"),
    ({"name": "../../etc/passwd"}, "'name': String should match"),
    ({"name": "offers\n"}, "'name': String should match"),
    ({"name": "оffers"}, "'name': String should match"),  # a Cyrillic o
    ({"name": "<script>"}, "'name': String should match"),
    ({"name": "__proto__"}, "'name': String should match"),
    ({"name": "a" * 1000}, "1,000 characters"),
    ({"slots": ""}, "'slots'"),
    ({"slots": 7}, "'slots.0'"),
    ({"body": ""}, "there should be a body"),
    ({"body": None}, "there should be a body"),
    ({"body": 12}, "bodies.any.any"),
    ({"body": True}, "bodies.any.any"),
    ({"body": "<script>alert(1)</script>"}, "bodies.any.any is empty"),
    ({"priority": "very"}, "'priority'"),
    ({"priority": 10**9}, "'priority'"),
    ({"valid_from": "soon"}, "'valid.from'"),
    ({"valid_from": "2026-02-01", "valid_until": "2026-01-01"}, "no moment"),
    ({"items": "best"}, "'items.kind'"),
    ({"items": "{"}, "items should be JSON"),
    ({"items": {"kind": "new", "n": 10**9}}, "'items.n'"),
    ({"behaviours": "{"}, "behaviours should be JSON"),
    ({"behaviours": [{"nothing": 1}]}, "behaviours"),
    ({"preferences": "[1"}, "preferences should be JSON"),
    ({"variants": 7}, "variants should be entries, or JSON, found int"),
    ({"variants": [{"body": "x"}]}, "variant 1 has no name"),
    ({"variants": [7]}, "variant 1 has no name"),
    ({"variants": {"a": {"weight": 0}}}, "weight"),
    ({"variants": {"A B": {}}}, "variants"),
]


@pytest.mark.parametrize(("changed", "says"), NAUGHTY, ids=lambda value: ascii(value)[:50])
def test_an_entry_that_does_not_fit_is_left_out_with_its_reason_and_no_other_is(changed, says):
    found = mapped({**GOOD, **changed} if changed else {}, {**GOOD, "name": "other"})
    assert list(found.contents) == ["other"]
    [one] = found.problems
    assert one.entry_id == "e1"
    assert says in one.text
    assert len(one.text) <= 500


def test_values_that_are_too_deep_are_refused():
    deep = "x"
    for _ in range(900):
        deep = [deep]
    assert is_deep(deep)
    for name in ("body", "preferences", "behaviours", "items", "variants"):
        assert "more than 32 levels" in problem({**GOOD, name: deep})


def test_of_two_entries_of_one_name_the_first_counts():
    found = mapped(GOOD, {**GOOD, "body": "<p>again</p>"})
    assert found.contents["offers"].bodies_of(None) == {("any", "any"): "<p>Offers</p>"}
    assert "entry e1 has the name 'offers' too" in str(found.problems[0])


def test_an_entry_cannot_make_itself_trusted():
    evil = {**GOOD, "trusted": True, "body": "<p onclick=x()>a</p>"}
    content = mapped(evil, trusted_content=True).contents["offers"]
    assert content.bodies_of(None) == {("any", "any"): "<p>a</p>"}
    trusting = mapped(evil, source=source(trusted=True), trusted_content=True).contents["offers"]
    assert trusting.bodies_of(None) == {("any", "any"): "<p onclick=x()>a</p>"}
    assert "trusted_content is false" in problem(GOOD, source=source(trusted=True))


def test_blocks_of_a_stream_are_one_body_and_others_json():
    blocks = [{"type": "text", "value": "<p>a</p>"}, {"type": "text", "value": "<p>b</p>"}]
    joined = mapped(
        {**GOOD, "body": blocks}, source=source(fields={"bodies": {"web": "body.*.value"}})
    )
    assert joined.contents["offers"].bodies_of(None) == {("web", "any"): "<p>a</p>\n<p>b</p>"}
    assert mapped({**GOOD, "body": blocks}).contents["offers"].bodies_of(None) == {
        ("any", "any"): blocks
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", 1),
        ("a.c", None),
        ("a.b.c", None),
        ("l.0.x", 1),
        ("l.9.x", None),
        ("l.*.x", [1, 2]),
        ("l.x", None),
        ("a.*", None),
        ("l.*.y.*.z", [[3]]),
    ],
)
def test_paths_lead_to_fields_within_fields(path, found):
    values = {"a": {"b": 1}, "l": [{"x": 1}, {"x": 2, "y": [{"z": 3}]}]}
    assert look_up(values, path) == found


def node(kind, *content, **data):
    return {"nodeType": kind, "data": data, "content": list(content)}


def text(value, *marks):
    return {"nodeType": "text", "value": value, "marks": [{"type": m} for m in marks], "data": {}}


def test_rich_text_is_html():
    picture = {"title": "Mug", "file": {"url": "https://img.example/a.jpg"}}
    document = node(
        "document",
        node("heading-2", text("A & B")),
        node("paragraph", text("bold", "bold", "italic"), text("<b>\nnext", "unknown")),
        node("unordered-list", node("list-item", node("paragraph", text("one")))),
        node("hyperlink", text("Sale"), uri="/sale?a=1&b=2"),
        node("asset-hyperlink", text("file"), target=picture),
        node("embedded-asset-block", target=picture),
        node("hr"),
        node("table", node("table-row", node("table-header-cell", text("h")))),
    )
    assert rich_text_html(document) == (
        "<h2>A &amp; B</h2>"
        "<p><em><strong>bold</strong></em>&lt;b&gt;<br>next</p>"
        "<ul><li><p>one</p></li></ul>"
        '<a href="/sale?a=1&amp;b=2">Sale</a>'
        '<a href="https://img.example/a.jpg">file</a>'
        '<img src="https://img.example/a.jpg" alt="Mug">'
        "<hr><table><tr><th>h</th></tr></table>"
    )
    assert mapped({**GOOD, "body": document}).contents["offers"].bodies_of(None)
    for inner in (node("embedded-entry-block", target={}), node("embedded-asset-block")):
        assert "rich text" in problem({**GOOD, "body": node("document", inner)})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"base_url": "ftp://cms.example"}, "https://"),
        ({"base_url": "https://user@cms.example"}, "no login"),
        ({"base_url": "https://cms.example/?a=b"}, "no query"),
        ({"base_url": "https://сms.example"}, "ASCII"),
        ({"fields": {"name": "a..b"}}, "name"),
        ({"fields": {"name": "*"}}, "name"),
        ({"fields": {"bodies": {"wbe": "body"}}}, "wbe"),
        ({"fields": {"bodies": {}}}, "bodies"),
        ({"languages": {"de": "german"}}, "languages"),
        ({"kind": "drupal"}, "kind"),
        ({"webhook": {"secret_env": "X", "check": "contentful"}}, "of Contentful alone"),
    ],
)
def test_sources_that_are_none_are_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        CmsConfig(sources={"shop": {**BASE, **given}})
