"""Links of a mail: each is signed as the collector reads it, or left as it was, never worse."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from sparkperso.config.links import LinksConfig
from sparkperso.email.tokens import Links
from sparkperso.mail.links import LinkWriter, in_ascii
from sparkperso.mail.styles import inlined

LINKS = Links(LinksConfig(site="shop", hosts=("shop.example", "*.shop.example")), [b"k" * 16])
OUT = "https://out.example/v1/unsubscribe?t=x"


def writer(links=LINKS, shop="https://shop.example/en/"):
    return LinkWriter("u1", "spring", 1e9, shop, links, frozenset({OUT}))


def document(*tags):
    return inlined(f"<html><body>{''.join(tags)}</body></html>", "")


def hrefs(html):
    return [unescape(one) for one in re.findall(r'<a(?: title="[^"]*")? href="([^"]*)"', html)]


def target(url):
    token = parse_qs(urlsplit(url).query)["t"][0]
    return LINKS.read("click", token, now=1e9).url


@pytest.mark.parametrize(
    ("written", "leads"),
    [
        ("https://shop.example/a?b=1&amp;c=2#d", "https://shop.example/a?b=1&c=2#d"),
        ("/sale", "https://shop.example/sale"),
        ("item/1", "https://shop.example/en/item/1"),
        ("//www.shop.example/x", "https://www.shop.example/x"),
        ("https://shop.example/für dich", "https://shop.example/f%C3%BCr%20dich"),
        ("  https://shop.example/  ", "https://shop.example/"),
        ("HTTPS://shop.example/", "https://shop.example/"),
    ],
)
def test_a_link_is_signed_and_leads_where_it_did(written, leads):
    links = writer()
    (href,) = hrefs(links.write(document(f'<a href="{written}">x</a>')))
    assert href.startswith("http://127.0.0.1:8080/v1/click?t=")
    assert target(href) == leads
    assert not links.notes


@pytest.mark.parametrize("kept", [OUT, "mailto:a@b.example", "tel:+49301234", "#top"])
def test_what_is_no_click_stays_as_it_is(kept):
    assert hrefs(writer().write(document(f'<a href="{kept}">x</a>'))) == [kept]


def test_a_link_that_may_not_be_signed_leads_there_by_itself_and_is_told():
    links = writer()
    assert hrefs(links.write(document('<a href="https://other.example/">x</a>'))) == [
        "https://other.example/"
    ]
    (note,) = links.notes
    assert "links.hosts does not have it" in note


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc"]
)
def test_an_address_that_is_none_of_the_web_is_taken_away(bad):
    links = writer()
    html = links.write(document(f'<a href="{bad}">x</a><img src="{bad}" alt="y">'))
    assert bad not in html
    assert ">x</a>" in html
    assert 'alt="y"' in html
    assert links.notes


def test_without_a_shop_an_address_without_a_host_leads_nowhere():
    links = writer(shop=None)
    assert hrefs(links.write(document('<a href="/sale">x</a>'))) == []
    assert "mail.shop_url" in next(iter(links.notes))


def test_the_same_target_has_the_same_link_and_each_is_found():
    html = writer().write(document(*(f'<a title="a > b" href="/{n % 3}">x</a>' for n in range(9))))
    assert [target(href)[-1] for href in hrefs(html)] == list("012012012")
    assert len(set(hrefs(html))) == 3


def test_comments_and_texts_are_not_touched():
    inside = '<!--[if mso]><a href="https://shop.example/mso">x</a><![endif]-->'
    shown = '<p>&lt;a href="https://shop.example/"&gt;</p><p title=\'<a href="/x">\'>y</p>'
    html = writer().write(document(inside, shown))
    assert inside in html
    assert hrefs(html.replace(inside, "")) == []


def test_a_pixel_stands_at_the_end_and_is_signed():
    html = writer().write(document("<p>x</p>"))
    pixel = re.search(r'<img src="([^"]*)" width="1" height="1" alt=""[^>]*></body></html>$', html)
    token = parse_qs(urlsplit(unescape(pixel[1])).query)["t"][0]
    assert LINKS.read("open", token, now=1e9).user_id == "u1"


def test_what_is_not_counted_has_whole_addresses_and_no_pixel():
    html = writer(links=None).write(document('<a href="/sale">x</a><img src="/a.png">'))
    assert hrefs(html) == ["https://shop.example/sale"]
    assert '<img src="https://shop.example/a.png">' in html
    assert "/v1/" not in html


def test_links_of_plain_text_are_signed_without_the_punctuation_after_them():
    text = writer().write_text("See https://shop.example/a?b=1. Or (https://shop.example/c)!")
    first, second = re.findall(r"http\S+", text)
    assert target(first.rstrip(".")) == "https://shop.example/a?b=1"
    assert text.endswith(")!")
    assert target(second.rstrip(")!")) == "https://shop.example/c"


@pytest.mark.parametrize(
    "url", ["https://", "https:///x", "https://[::1", "https://a\x00\udcff.example"]
)
def test_what_is_no_address_is_none(url):
    assert in_ascii(url) is None


def test_an_address_that_is_ascii_stays():
    url = "https://shop.example/a%20b?c=d%26e&f=[1]#g"
    assert in_ascii(url) == url
