"""Faults of mails are found before anybody is sent one, each by its file and line."""

from __future__ import annotations

import pytest
from tests.unit.mail.conftest import BODY, YAML

from sparkperso.config import load_settings
from sparkperso.core.errors import ConfigError
from sparkperso.mail import make_mailer
from sparkperso.mail.check import checked_templates


def test_what_is_sound_has_no_fault(check):
    found = check()
    assert (list(found.faults), list(found.notes), list(found.mails)) == ([], [], ["news"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"news_mjml": BODY.replace("item.title", "item.titel")}, "news.mjml, line 5: "),
        ({"news_mjml": BODY.replace("mj-section", "mj-secton")}, "did you mean 'mj-section'"),
        (
            {"news_mjml": BODY.replace("No more", "{% if not 1 %}{{ nam }}{% endif %}")},
            "'nam' is nothing that a mail",
        ),
        ({"news_mjml": BODY.replace("No more", "{{ person.nick }}")}, "line 7: "),
        # Only who is known has it: told by the trial with little.
        ({"news_mjml": BODY.replace("No more", "{{ person.attributes.country }}")}, "with little"),
        # Only whoever has a price comes by.
        ({"news_mjml": BODY.replace("item.price |", "item.prize | int |")}, "with all that may be"),
        ({"news_mjml": BODY.replace("unsubscribe_url", "shop_url")}, "way out"),
        ({"news_mjml": None}, "its body should stand beside it"),
        ({"news_html": "<p>x</p>"}, "one of news.mjml and news.html should go"),
        ({"news_txt": "{{ a.b"}, "news.txt, line 1"),
        ({"news_yaml": YAML.replace("[hero]", "[heero]")}, "Did you mean 'hero'"),
        ({"news_yaml": YAML.replace("[hero]", "[hero, row]")}, "'row' is one of the channels web"),
        ({"news_yaml": YAML.replace("kind: marketing", "kind: x")}, "news.yaml"),
        ({"news_yaml": YAML.replace("subject: Neues", "subject: '{{ a'")}, "languages.de.subject"),
        ({"news_yaml": YAML.replace("subject: Neues", "subject: '{{ subject }}'")}, "'subject' is"),
        ({"news_yaml": YAML.replace("marketing", "transactional")}, "'unsubscribe_url' is nothing"),
        ({"bad_yaml": "a: [", "bad_mjml": BODY}, "bad.yaml"),
    ],
)
def test_a_fault_is_told_by_its_place(check, files, words):
    found = check(**files)
    assert any(words in fault for fault in found.faults), list(found.faults)


def test_one_fault_keeps_no_other_mail_from_being_looked_at(check):
    bad = BODY.replace("item.title", "item.titel")
    found = check(other_yaml=YAML, other_mjml=bad, news_mjml=bad)
    assert {fault.split(",")[0] for fault in found.faults} == {
        "conf/mails/news.mjml",
        "conf/mails/other.mjml",
    }


def test_what_may_be_meant_is_noted(check):
    odd = BODY.replace("<mj-text><a", "<mj-text colour='red'><a").replace("No more", "n" * 110_000)
    notes = list(check(news_mjml=odd.replace("{{ item.url }}", "https://other.example/")).notes)
    assert any("attribute 'colour', which MJML drops" in note for note in notes)
    assert any("Gmail cuts off" in note for note in notes)
    assert any("links.hosts does not have it" in note for note in notes)


def test_marketing_needs_https_but_on_this_machine(folder, book):
    own = ["links.site=shop", "collect.sites.shop.write_key_env=X"]
    settings = load_settings("cluster", assignments=own)
    found = checked_templates(settings, book, folder())
    assert any("links.base_url should begin with https://" in fault for fault in found.faults)
    secure = load_settings("cluster", assignments=[*own, "links.base_url=https://c.example"])
    assert not checked_templates(secure, book, folder()).faults


def test_a_mailer_is_made_of_sound_mails_alone(folder, settings, book):
    assert make_mailer(settings, {}, book, folder()).templates.get("news").name == "news"
    with pytest.raises(ConfigError, match="line 5"):
        make_mailer(settings, {}, book, folder(news_mjml=BODY.replace("item.title", "item.x")))


def test_the_shipped_mails_are_sound(settings):
    from sparkperso.decisions import load_rulebook

    found = checked_templates(settings, load_rulebook(settings))
    assert (list(found.faults), list(found.mails)) == ([], ["picks"])
