"""Who opened a mail: people are people, machines are told apart by a reason."""

from __future__ import annotations

import pytest

from sparkperso.config import load_settings
from sparkperso.config.links import LinksConfig
from sparkperso.services.collect.intake.bot_detection import BotDetector

MINUTE = 60.0
WEBKIT = b"AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.fixture(scope="module")
def machines():
    return BotDetector(load_settings("local").links)


@pytest.mark.parametrize(
    "agent",
    [
        b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) " + WEBKIT,
        b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Thunderbird/140.0",
        b"Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; ms-office; MSOffice 16)",
        b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
        b"Mozilla/5.0 (Linux; Android 15; CUBOT X90) AppleWebKit/537.36 Chrome/140.0 Mobile",
    ],
)
def test_people_are_no_machines(machines, agent):
    assert machines.reason("GET", {b"user-agent": agent}, MINUTE) is None
    assert machines.reason("GET", {b"user-agent": agent}, 0.5) == "at_once"


@pytest.mark.parametrize(
    ("reason", "agent"),
    [
        ("apple_mail_privacy", b"Mozilla/5.0"),
        (
            "gmail_image_proxy",
            b"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 "
            b"(via ggpht.com GoogleImageProxy)",
        ),
        ("yahoo_mail_proxy", b"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy.html"),
        ("security_scanner", b"Mozilla/5.0 (Windows NT 10.0) Chrome/103.0 BingPreview/1.0b"),
        ("security_scanner", b"BarracudaCentral"),
        ("link_preview", b"Slackbot-LinkExpanding 1.0"),
        ("robot", b"Mozilla/5.0 (compatible; Googlebot/2.1)"),
        ("robot", b"python-httpx/0.28"),
        ("no_user_agent", b" "),
    ],
)
def test_machines_are_known_by_their_agents(machines, reason, agent):
    assert machines.reason("GET", {b"user-agent": agent}, MINUTE) == reason


def test_a_user_agent_of_any_length_costs_the_same():
    config = LinksConfig(machine_agents={"slow": r"(a|a)+$"})
    agent = b"Mozilla/5.0 " + b"x" * 2_000 + b"a" * 60 + b"!"
    assert BotDetector(config).reason("GET", {b"user-agent": agent}, MINUTE) is None


def test_machines_are_known_by_what_they_ask(machines):
    person = {b"user-agent": b"Mozilla/5.0 (Macintosh) " + WEBKIT}
    assert machines.reason("HEAD", person, MINUTE) == "head"
    for header in ({b"sec-purpose": b"prefetch;prerender"}, {b"x-purpose": b"Preview"}):
        assert machines.reason("GET", person | header, MINUTE) == "prefetch"
