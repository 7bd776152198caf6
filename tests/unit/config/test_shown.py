"""Content, slots and rules as files: what is refused, and what is let through of HTML."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
import yaml
from pydantic import ValidationError

from sparkperso.config.content.assets import Content
from sparkperso.config.content.html import left_out, sanitise
from sparkperso.config.content.rules import Rule
from sparkperso.config.content.slots import Slot
from sparkperso.config.content.window import Window


def content(text, **context):
    given = {"name": "it", "slots": ["hero"], **yaml.safe_load(text)}
    return Content.model_validate(given, context=context)


def rule(text):
    return Rule.model_validate({"name": "it", **yaml.safe_load(text)})


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<svg onload=alert(1)><circle/></svg>",
    "<iframe src='https://evil.example'></iframe>",
    "<form action='https://evil.example'><input name=password></form>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<p style='position:fixed;top:0'>x</p>",
    "<base href='https://evil.example'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<object data='data:text/html,x'></object>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<p id=__proto__ name=cookie data-bind='x'>x</p>",
    "<img src='data:text/html;base64,PHNjcmlwdD4='>",
    "<!--[if IE]><script>x</script><![endif]-->",
]
DANGEROUS = ("script", "onerror", "onload", "iframe", "form", "style", "<base", "meta", "object")


@pytest.mark.parametrize("html", ATTACKS)
def test_nothing_of_an_attack_is_let_through(html):
    clean = sanitise(f"<b>kept</b>{html}")
    assert clean.startswith("<b>kept</b>")
    assert sanitise(clean) == clean
    tags = clean.lower().replace("&lt;", "")
    assert not any(f"<{word}" in tags or f" {word}" in tags for word in DANGEROUS), clean
    assert "javascript" not in tags
    assert " id=" not in tags
    assert left_out(html) or html.startswith("<!--")
    assert left_out(clean) == []


def test_what_only_shows_something_stays():
    html = (
        '<section class="hero"><h2 lang="de">Grüße &amp; mehr</h2><img src="/a.png" alt="A" '
        'width="3" loading="lazy"><ul><li><a href="/sale?x=1" rel="noopener noreferrer">Sale</a>'
        "</li></ul></section>"
    )
    assert sanitise(html) == html
    assert left_out(html) == []


def test_what_is_left_out_is_named_once():
    html = "<p onclick=a><b onclick=b>x</b></p><script>1</script><script>2</script>"
    assert left_out(html) == ["onclick of <p>", "onclick of <b>", "<script>"]


def test_html_is_sanitised_unless_it_is_trusted_and_that_is_allowed():
    text = "{bodies: {web: {en: '<p onclick=x>y</p>'}}"
    assert content(text + "}").bodies_of(None) == {("web", "en"): "<p>y</p>"}
    trusted = content(text + ", trusted: true}", trusted_content=True)
    assert trusted.bodies_of(None) == {("web", "en"): "<p onclick=x>y</p>"}
    for context in ({}, {"trusted_content": False}):
        with pytest.raises(ValidationError, match="trusted_content is false"):
            content(text + ", trusted: true}", **context)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "there should be a body"),
        ("{bodies: {web: {en: ' '}}}", r"bodies.web.en is empty"),
        ("{bodies: {web: {en: '<script>x</script>'}}}", r"bodies.web.en is empty"),
        ("{bodies: {web: {en: {}}, email: {de: ''}}}", r"web.en is empty; bodies.email.de is"),
        ("{bodies: {wbe: {en: x}}}", "wbe"),
        ("{bodies: {web: {english: x}}}", "english"),
        ("{bodies: {web: {no: x}}}", "YAML reads no as false"),
        ("{variants: {a: {bodies: {web: {en: x}}}, b: {}}}", "in every variant"),
        ("{bodies: {web: {en: x}}, variants: {a: {weight: 0}}}", "variants.a.weight"),
        ("{bodies: {web: {en: x}}, variants: {a: {weight: .nan}}}", "variants.a.weight"),
        ("{bodies: {web: {en: x}}, variants: {a: {bodies: {web: {en: ''}}}}}", "variants.a.bodies"),
        ("{bodies: {web: {en: x}}, valid: {from: 2026-02-01, until: 2026-02-01}}", "no moment"),
        ("{bodies: {web: {en: x}}, valid: {from: soon}}", "valid.from"),
        ("{bodies: {web: {en: x}}, items: {kind: best}}", "items.kind"),
        ("{bodies: {web: {en: x}}, slots: []}", "slots"),
    ],
)
def test_content_that_cannot_be_shown_is_refused_with_its_key(text, says):
    with pytest.raises(ValidationError, match=says):
        content(text)


def test_languages_have_one_spelling_and_a_variant_shares_what_it_does_not_say():
    one = content(
        "{bodies: {web: {de-AT: a, 'no': b}}, variants: {x: {}, y: {bodies: {web: {de-at: c}}}}}"
    )
    assert one.bodies_of("x") == {("web", "de-at"): "a", ("web", "no"): "b"}
    assert one.bodies_of("y") == {("web", "de-at"): "c", ("web", "no"): "b"}


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01",
        "'2026-03-01'",
        "2026-03-01 00:00:00",
        "2026-03-01T01:00:00+01:00",
        "'2026-03-01T00:00:00Z'",
    ],
)
def test_a_time_without_an_offset_is_utc(written):
    window = Window.model_validate(yaml.safe_load(f"{{from: {written}}}"))
    assert window.from_ == datetime(2026, 3, 1, tzinfo=timezone.utc)


def test_windows_meet_where_both_are_open():
    days = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in range(1, 5)]
    early, late = (Window(**{"from": days[n], "until": days[n + 2]}) for n in (0, 1))
    both = early.within(late)
    assert (both.from_, both.until) == (days[1], days[2])
    assert early.within(Window(**{"from": days[2]})) is None
    assert Window().covers(early)
    assert not early.covers(late)
    assert str(Window()) == "always"
    assert str(early) == "from 2026-03-01 00:00 until 2026-03-03 00:00 UTC"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "give exactly one of show, block"),
        ("{show: {slot: a, content: b}, block: {item_id: x}}", "exactly one of"),
        ("{show: {slot: a}}", "give content or items"),
        ("{show: {slot: a, content: b}, slots: [a]}", "'show' names its slot"),
        ("{block: {}}", "every item would be left out"),
        ("{boost: {category: x, by: 0}}", "boost.by"),
        ("{pin: {a: 1, b: 1}}", "two items cannot stand at one place"),
        ("{pin: {a: 0}}", "pin.a"),
        ("{available: {item_id: x}}", "available.during"),
        ("{max_per_category: {n: 0}}", "max_per_category.n"),
        ("{if: {contxt: hour}, block: {item_id: x}}", "exactly one of all"),
        ("{when: {segment: a}, block: {item_id: x}}", "when"),
        ("{block: {item_id: x}, priority: 5000}", "priority"),
    ],
)
def test_a_rule_that_does_nothing_or_two_things_is_refused(text, says):
    with pytest.raises(ValidationError, match=says):
        rule(text)


def test_a_slot_is_named_so_that_a_page_can_ask_for_it():
    with pytest.raises(ValidationError, match="name"):
        Slot(name="Hero Banner")
    assert Slot(name="hero").channels == ("web",)
