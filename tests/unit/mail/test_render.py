"""A mail for one person: what they are shown, may be sent, and can leave."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from html import unescape

import pytest
from tests.shop_rules import NOON, rule
from tests.unit.mail.conftest import BODY, ITEMS, YAML
from tests.unit.services.stores.test_records import NAUGHTY

from sparkperso.config.mail.addresses import mailbox
from sparkperso.decisions.facts import Facts
from sparkperso.mail import render_for
from sparkperso.mail.message import MailError
from sparkperso.mail.variables import Recipient


def titles(mail):
    return re.findall(r"Title \d|SPECIAL", mail.text)


def test_a_mail_shows_content_and_items_of_its_person(render):
    mail = render()
    assert "<p>For <b>members</b></p>" in mail.html
    assert titles(mail) == ["Title 0", "Title 1", "Title 2"]
    assert mail.subject == "News, Anna"
    assert "1,000.50" in mail.text
    assert mail.warnings == ()


def test_the_same_arguments_make_the_same_mail(render):
    assert render() == render()


def test_what_is_not_known_is_not_shown(render):
    items = [
        {"item_id": "a", "title": "Title 1"},
        {"item_id": "b", "title": "Title 2", "price": "x"},
    ]
    mail = render([*items, {"item_id": "c", "title": "Title 3", "price": float("nan")}])
    assert titles(mail) == ["Title 1", "Title 2", "Title 3"]
    assert re.search(r"\d,\d{3}|nan|None", mail.text) is None


def test_an_item_without_what_a_list_needs_takes_no_place(render):
    items = [{"item_id": "a"}, {"item_id": "b", "title": " "}, *ITEMS]
    assert titles(render(items)) == ["Title 0", "Title 1", "Title 2"]
    form = YAML.replace("{n: 3}", "{n: 3, needs: [price]}")
    mail = render(
        items=[{"item_id": "no price"}, {"item_id": "id 7", "price": 1}], files={"news_yaml": form}
    )
    assert "id 7 <" in mail.text
    assert "no price" not in mail.text


def test_too_few_items_make_no_mail(render):
    form = YAML.replace("{n: 3}", "{n: 3, at_least: 2}")
    with pytest.raises(MailError, match="2 items at least, and has 1") as error:
        render(ITEMS[:1], {"news_yaml": form})
    assert error.value.reason == "too_few_items"


def test_rules_for_items_hold_and_no_item_stands_twice(mailer, settings, book):
    book.item_rules = type(book)(
        {}, {}, {"b": rule("b", block={"item_id": ["i0"]}), "p": rule("p", pin={"special": 1})}
    ).item_rules
    form = YAML.replace("{picks: {n: 3}}", "{picks: {n: 2}, more: {n: 2}}")
    body = BODY.replace("lists.picks", "(lists.picks + lists.more)")
    made = mailer(news_yaml=form, news_mjml=body)
    plan = made.plan("news", Facts(NOON, unit="u1", may_personalise=True))
    assert plan.wanted == {"new": 54}
    assert plan.pinned == {"special"}
    known = {"special": {"item_id": "special", "title": "SPECIAL"}}
    who = Recipient("u1", may_market=True)
    mail = made.render_for(plan, {"new": ITEMS}, who, catalogue=known)
    assert titles(mail) == ["SPECIAL", "Title 1", "Title 2", "Title 3"]


def test_what_is_in_the_cart_is_not_listed(render):
    mail = render(context={"cart": ("i0",), "in_view": "i1"})
    assert titles(mail) == ["Title 2", "Title 3", "Title 4"]


def test_nobody_is_sent_marketing_who_did_not_agree(render):
    with pytest.raises(MailError) as error:
        render(recipient=Recipient("u1", may_market=False))
    assert error.value.reason == "no_consent"
    assert "u1" not in str(error.value)


def test_without_consent_to_personalisation_the_mail_is_everybodys(mailer):
    made = mailer()
    facts = Facts(NOON, unit="u1", segments=frozenset({"members"}))
    plan = made.plan("news", facts)
    assert list(plan.wanted) == ["popular"]
    assert plan.decision.strategy == "no_consent"
    mail = made.render_for(plan, {"popular": ITEMS, "new": []}, Recipient("u1", may_market=True))
    assert "<p>welcome</p>" in mail.html
    assert len(titles(mail)) == 3


def test_languages_go_with_their_texts_prices_and_bodies(render):
    mail = render(context={"language": ("de-at", "de")})
    assert mail.subject == "Neues"
    assert mail.headers["Content-Language"] == "de"
    assert "1.000,50 €" in mail.text
    own = BODY.replace("No more", "Nie mehr")
    mail = render(context={"language": ("de",)}, files={"news__de_mjml": own})
    assert "Nie mehr" in mail.text
    assert render(context={"language": ("fr",)}).headers["Content-Language"] == "en"


def test_a_mail_can_be_left_with_one_click(render):
    mail = render()
    url = mail.headers["List-Unsubscribe"].strip("<>")
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith("http://127.0.0.1:8080/v1/unsubscribe?t=")
    assert f'href="{url}"' in mail.html
    assert url in mail.text


def test_marketing_without_a_way_out_is_not_made(render):
    body = BODY.replace("{{ unsubscribe_url }}", "https://shop.example/account")
    with pytest.raises(MailError, match="way out") as error:
        render(files={"news_mjml": body})
    assert error.value.reason == "template"


def test_what_is_no_marketing_goes_to_everybody_and_counts_nothing(render):
    form = YAML.replace("kind: marketing", "kind: transactional\ndata: {order: A-1}")
    body = BODY.replace("{{ unsubscribe_url }}", "/account").replace("No more", "{{ data.order }}")
    files = {"news_yaml": form, "news_mjml": body}
    who = Recipient("u1", may_market=False, data={"order": "B-<2>", "other": "x"})
    mail = render(recipient=who, files=files)
    assert not {name for name in mail.headers if name.startswith("List-")}
    assert "/v1/" not in mail.html
    assert 'href="https://shop.example/account"' in mail.html
    assert "B-<2> <https://shop.example/account>" in mail.text
    with pytest.raises(MailError, match="order") as error:
        render(files=files, recipient=Recipient("u1", may_market=True))
    assert error.value.reason == "data"


ATTACK = (
    "</mj-text></mj-column><mj-include path='/etc/passwd'/>{{ 7 * 7 }}<script>x</script>"
    "\r\nBcc: a@b"
)


def test_no_value_becomes_markup_a_template_or_a_header(render):
    items = [{"item_id": ATTACK, "title": ATTACK, "price": 1.0}]
    form = YAML.replace("'friend' }}", "'friend' }} {{ lists.picks[0].title }}")
    who = Recipient("u1", may_market=True, name=ATTACK)
    mail = render(items, {"news_yaml": form}, who, attributes={"country": ATTACK})
    assert "<script" not in mail.html
    assert "<mj-" not in mail.html
    assert "root:" not in mail.html
    assert "{{ 7 * 7 }}" in unescape(mail.html)
    assert not re.search(r"[\r\n]", mail.subject)


def test_ids_titles_and_names_of_every_kind_make_a_mail_that_is_read_back(render):
    for odd in NAUGHTY:
        items = [{"item_id": odd or "x", "title": f"T {odd}", "category": odd, "price": 1.0}]
        mail = render(items, recipient=Recipient("u1", may_market=True, name=odd))
        data = mail.message(mailbox("anna@b.example"), NOON).as_bytes()
        read = message_from_bytes(data, policy=policy.default)
        assert [part.defects for part in read.walk() if part.defects] == [], odd
        assert read["Subject"] == mail.subject, odd
        assert set(read.keys()) == {*mail.headers, *("To", "Date", "MIME-Version", "Content-Type")}


def test_content_is_never_read_as_mjml(render, book):
    inside = "<mj-include path='/etc/passwd' />{{ 7 * 7 }}<mj-section>"
    body = book.assets["letter"]._bodies[None]
    body[("any", "en")] = inside
    html = render().html
    assert "{{ 7 * 7 }}" in html
    assert "root:" not in html
    # Content that breaks the mail is mended by the parser, and stays within its element.
    assert html.count("<body") == 1
    assert html.endswith("</body></html>")


def test_styles_go_into_elements_also_of_content(render):
    head = "<mj-head><mj-style inline='inline'>.shown b { color: red }</mj-style>"
    body = BODY.replace(
        "<mj-body>", f"{head}<mj-style>p {{ margin: 0 }}</mj-style></mj-head><mj-body>"
    )
    html = render(files={"news_mjml": body}).html
    assert '<b style="color: red;">members</b>' in html
    assert "p { margin: 0 }" in html
    assert "googleapis" not in html


def test_a_mail_of_plain_html_has_its_styles_in_its_elements(render):
    body = """<html><head><style>p { color: red } @media (max-width: 9px) { p { color: blue } }
    </style></head><body><p>{{ slots.hero.body | striptags | length > 0 }}</p>{{ slots.hero.body }}
    <a href="{{ unsubscribe_url }}">out</a></body></html>"""
    html = render(files={"news_mjml": None, "news_html": body}).html
    assert '<p style="color: red;">' in html
    assert "@media" in html
    assert "For <b>members</b>" in html


def test_a_mail_may_have_plain_text_of_its_own(render):
    plain = (
        "{{ slots.hero.body }}\n{% for i in lists.picks %}{{ i.title }} {{ i.url }}\n{% endfor %}"
    )
    text = render(files={"news_txt": plain}).text
    assert text.startswith("For members\nTitle 0 http://127.0.0.1:8080/v1/click?t=")


def test_long_mails_are_told_of(render):
    mail = render(files={"news_mjml": BODY.replace("No more", "x" * 110_000)})
    (warning,) = mail.warnings
    assert "Gmail cuts off" in warning


def test_an_id_that_gives_its_user_away_is_in_no_link(render):
    with pytest.raises(MailError) as error:
        render(recipient=Recipient("anna@shop.example", may_market=True))
    assert error.value.reason == "user_id"
    assert "anna" not in str(error.value)


def test_a_campaign_is_the_mails_name_unless_one_is_given(mailer):
    made = mailer()
    who = Recipient("u1", may_market=True)
    plain = render_for(made, {"popular": ITEMS}, "news", who, Facts(NOON))
    plan = made.plan("news", Facts(NOON))
    named = made.render_for(plan, {"popular": ITEMS}, who, campaign="spring")
    assert plain.headers["Message-ID"] != named.headers["Message-ID"]
    assert plain == made.render_for(plan, {"popular": ITEMS}, who, campaign="news")
