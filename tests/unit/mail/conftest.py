"""Mails of a small shop, from files that a test writes."""

from __future__ import annotations

import pytest
from tests.shop_rules import CONTENTS, NOON, SLOTS, content, rule

from sparkperso.config import load_settings
from sparkperso.config.mail.section import MailConfig
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.email.tokens import make_links
from sparkperso.mail.check import checked_templates
from sparkperso.mail.render import Mailer
from sparkperso.mail.templates import read_templates
from sparkperso.mail.variables import Recipient

YAML = """
kind: marketing
from: Shop <shop@shop.example>
slots: [hero]
lists: {picks: {n: 3}}
languages:
  en:
    subject: "News, {{ person.name or 'friend' }}"
    preheader: "{{ lists.picks | length }} items"
  de: {subject: Neues, price: {pattern: "{} €", decimal: ","}}
"""
BODY = """
<mjml><mj-body><mj-section><mj-column>
<mj-text><div class="shown">{{ slots.hero.body }}</div></mj-text>
<mj-text>{% for item in lists.picks %}
<a href="{{ item.url }}">{{ item.title }}</a> {{ item.price | money if item.price is not none }}
{% endfor %}</mj-text>
<mj-text><a href="{{ unsubscribe_url }}">No more</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""
SETTINGS = [
    "links.hosts=[shop.example]",
    "mail.shop_url=https://shop.example/",
    "mail.item_url=https://shop.example/item/{item_id}",
]
ITEMS = [{"item_id": f"i{n}", "title": f"Title {n}", "price": 1000.5 + n} for n in range(9)]


@pytest.fixture
def settings():
    """Returns the settings of the shop."""
    return load_settings("local", assignments=SETTINGS)


@pytest.fixture
def book():
    """Returns its rulebook: members see a letter, in a variant of their own."""
    letter = content("letter", bodies={"any": {"en": "<p>For <b>members</b></p>"}})
    when = {"segment": "members"}
    shown = rule("members", when, show={"slot": "hero", "content": "letter"})
    contents = {one.name: one for one in (*CONTENTS, letter)}
    return Rulebook({one.name: one for one in SLOTS}, contents, {"members": shown})


@pytest.fixture
def folder(tmp_path):
    """Returns write(**files), which makes conf/mails of files, `news_mjml` being news.mjml."""

    def write(**files):
        texts = {"news_yaml": YAML, "news_mjml": BODY, **files}
        place = tmp_path / "mails"
        place.mkdir(exist_ok=True)
        for name, text in texts.items():
            stem, _, suffix = name.rpartition("_")
            if text is not None:
                (place / f"{stem.replace('__', '.')}.{suffix}").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def check(folder, settings, book):
    """Returns check(**files), the mails of such files with all that is wrong with them."""

    def run(**files):
        return checked_templates(settings, book, folder(**files))

    return run


@pytest.fixture
def mailer(folder, settings, book):
    """Returns make(**files), what makes the mails of such files."""

    def make(**files):
        config: MailConfig = settings.mail
        templates = read_templates(folder(**files))
        assert not templates.faults
        return Mailer(templates, book, config, make_links(settings, {}))

    return make


@pytest.fixture
def render(mailer):
    """Returns render(items, files, recipient, **facts), the mail `news` of a member who agreed."""

    def run(items=ITEMS, files=(), recipient=None, kinds=("new", "popular"), **facts):
        known = {"segments": frozenset({"members"}), "may_personalise": True, **facts}
        made = mailer(**dict(files))
        plan = made.plan("news", Facts(NOON, unit="u1", **known))
        who = recipient or Recipient("u1", may_market=True, name="Anna")
        return made.render_for(plan, dict.fromkeys(kinds, items), who)

    return run
