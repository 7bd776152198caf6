"""Addresses and forms of mails: what is refused."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from sparkperso.config.mail.addresses import mailbox
from sparkperso.config.mail.section import MailConfig
from sparkperso.config.mail.template import MailForm


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@shop.example", "anna@shop.example"),
        (" anna@shop.example ", "anna@shop.example"),
        ("<anna@shop.example>", "anna@shop.example"),
        ("Anna Müller <anna@shop.example>", "Anna Müller <anna@shop.example>"),
        ('"Müller, Anna" <anna@shop.example>', '"Müller, Anna" <anna@shop.example>'),
        ("anna+tag@sub.shop.example", "anna+tag@sub.shop.example"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_read(text, address):
    assert str(mailbox(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "@shop.example",
        "anna@",
        "anna@shop",
        "anna@@shop.example",
        "anna@shop..example",
        "anna@-shop.example",
        "an na@shop.example",
        "anna@shop.example, berta@shop.example",
        "Anna <anna@shop.example> <b@c.example>",
        "Anna <a@b.example>, Berta <c@d.example>",
        "anna@shop.example\r\nBcc: victim@b.example",
        "Anna\nBcc: v@b.example <anna@shop.example>",
        "anna@shop.example\u2028",
        "änne@shop.example",
        '"a b"@shop.example',
        "anna@[127.0.0.1]",
        f"{'x' * 65}@shop.example",
        f"x@{'a.' * 126}example",
        "x@" + "\udcff.example",
    ],
)
def test_what_is_no_address_or_more_than_one_is_refused(text):
    with pytest.raises(ValueError, match="should"):
        mailbox(text)


GOOD = """
kind: marketing
from: Shop <shop@shop.example>
languages: {en: {subject: News}}
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from: shop", "address"),
        ('reply_to: "a@b.example\\nBcc: x"', "printable"),
        ("kind: advertising", "marketing"),
        ("languages: {}", "at least 1"),
        ("languages: {en: {subject: ''}}", "at least 1"),
        ("languages: {en: {subject: a, price: {pattern: '£'}}}", "pattern"),
        ("lists: {next: {kind: next}}", "new"),
        ("lists: {a-b: {}}", "pattern"),
        ("lists: {a: {n: 1000}}", "50"),
        ("lists: {a: {needs: [colour]}}", "title"),
        ("subject: News", "Extra inputs"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(line, words):
    assert MailForm.model_validate({"name": "news", **yaml.safe_load(GOOD)}).kind == "marketing"
    with pytest.raises(ValidationError, match=words):
        MailForm.model_validate({"name": "news", **yaml.safe_load(GOOD), **yaml.safe_load(line)})


@pytest.mark.parametrize(
    "setting",
    [
        {"item_url": "https://shop.example/item"},
        {"item_url": "https://shop.example/{item_id}/{item_id}"},
        {"item_url": "javascript:{item_id}"},
        {"shop_url": "ftp://shop.example"},
        {"shop_url": "https://shop.example/?a=b"},
        {"consent": "assumed"},
    ],
)
def test_a_setting_that_does_not_fit_is_refused(setting):
    with pytest.raises(ValidationError):
        MailConfig.model_validate(setting)
