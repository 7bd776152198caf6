"""Links of e-mails: what is signed is what is read, and nothing else is taken."""

from __future__ import annotations

import csv
import io
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from sparkperso.cli.links import expiry, moment
from sparkperso.cli.main import cli
from sparkperso.config import load_settings
from sparkperso.config.links import LinksConfig
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.email.allow_list import TargetError, check_target
from sparkperso.email.tokens import Links, TokenError, make_links

KEY, NEXT = b"a key of the tests", b"the next key of the tests"
CONFIG = LinksConfig(site="shop", hosts=("shop.example", "*.shop.example", "pay.example:8443"))
SALE = "https://shop.example/sale?a=1&b=%20#top"


@pytest.fixture
def links():
    return Links(CONFIG, [KEY])


def token(url):
    return parse_qs(urlsplit(url).query)["t"][0]


def test_what_is_signed_is_what_is_read(links):
    link = links.read("click", token(links.click_url("u-1", "spring", SALE)))
    assert (link.user_id, link.campaign, link.site, link.url) == ("u-1", "spring", "shop", SALE)
    assert link.expires_at - link.sent_at == 90 * 86_400
    assert links.read("open", token(links.open_url("ü", "spring"))).user_id == "ü"


def test_links_that_were_sent_stay_good(links):
    """What is in people's inboxes was signed by an earlier version: this token is of one."""
    sent = (
        ".eJyLVirVNVTSUSouKMrMSwcxMvILlHQMzS0NIEDHyAAGdJQySkoKiq309UGK9FIrEnMLclL1ixNzUu0"
        "TbQ3VkmxVjQyUS4D6YwEcRBjb.dzu0-6AH0MrMCo7AMKPe7PWWiCPdv9FrY1uXlxPsP6g"
    )
    link = links.read("click", sent, now=1_800_000_000)
    assert (link.user_id, link.campaign, link.url) == ("u-1", "spring", SALE)


def test_every_other_token_is_forged(links):
    good = token(links.click_url("u-1", "spring", SALE))
    for place in range(0, len(good), 5):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(TokenError, match="forged"):
            links.read("click", changed)
    for other in ("", ".", "x" * 5000, "é", "\0", f"{good}\n", good[:-1]):
        with pytest.raises(TokenError, match="forged"):
            links.read("click", other)


def test_a_token_of_another_kind_or_key_is_forged(links):
    with pytest.raises(TokenError, match="forged"):
        links.read("click", token(links.open_url("u", "c")))
    with pytest.raises(TokenError, match="forged"):
        links.read("open", token(Links(CONFIG, [NEXT]).open_url("u", "c")))


def test_a_token_expires(links):
    text = token(links.open_url("u", "c", sent_at=1000, expires_at=2000))
    assert links.read("open", text, now=1999).sent_at == 1000
    with pytest.raises(TokenError, match="expired"):
        links.read("open", text, now=2000)


def test_a_withdrawal_has_a_kind_of_its_own_and_no_end(links):
    """What a scanner follows in a mail unsubscribes nobody, and an old mail still does."""
    text = token(links.unsubscribe_url("u", "c", sent_at=1000, expires_at=2000))
    assert links.read("unsubscribe", text, now=3000).user_id == "u"
    for kind in ("open", "click"):
        with pytest.raises(TokenError, match="forged"):
            links.read(kind, text, now=1500)
    with pytest.raises(TokenError, match="forged"):
        links.read("unsubscribe", token(links.open_url("u", "c")))


def test_while_keys_rotate_both_are_read_and_the_new_one_signs(links):
    rotating = Links(CONFIG, [KEY, NEXT])
    assert rotating.read("open", token(links.open_url("u", "c")))
    new = token(rotating.open_url("u", "c"))
    assert Links(CONFIG, [NEXT]).read("open", new)
    with pytest.raises(TokenError):
        links.read("open", new)


@pytest.mark.parametrize(
    "url",
    ["https://shop.example", SALE, "https://a.b.shop.example:443/x", "https://pay.example:8443/"],
)
def test_links_lead_to_hosts_of_the_list(links, url):
    assert links.check_target(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "javascript:alert(1)//shop.example",
        "//shop.example/",
        "/sale",
        "https:shop.example",
        "https:/shop.example/",
        "https:///shop.example/",
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://evilshop.example/",
        "https://shop.example@evil.example/",
        "https://shop.example:pw@shop.example/",
        "https://evil.example\\@shop.example/",
        "https://evil.example\\.shop.example/",
        "https://shop.example\t/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        " https://shop.example/",
        "https://shop.example/\0",
        "https://shop.example/<script>",
        "https://shop。example/",
        "https://evil.example%2eshop.example/",
        "https://evil.example%00.shop.example/",
        "https://[::1]/",
        "https://shop.example:99999/",
        "https://shop.example:8443/",
        "https://pay.example/",
        "https://shop.example./",
        "http://localhost/",
        f"https://shop.example/{'x' * 2048}",
        "",
    ],
)
def test_links_lead_nowhere_else(links, url):
    with pytest.raises(TargetError):
        links.check_target(url)
    with pytest.raises(UsageError):
        links.click_url("u", "c", url)


def test_plain_http_is_for_this_machine_and_local_only():
    assert check_target("http://127.0.0.1:80/", ["127.0.0.1:*"], loopback=True)
    for url, loopback in [("http://127.0.0.1/", False), ("http://shop.example/", True)]:
        with pytest.raises(TargetError, match="https"):
            check_target(url, ["127.0.0.1:*", "shop.example"], loopback)


PERSONAL_IDS = [
    "anna@example.com", "anna%40example.com", "anna＠example.com", "u-anna@example.com-7",
    "+49 30 1234567", "+493012345678", "0049301234567", "0171/1234567", "(030) 123-4567",
    "555-123-4567",
    "tel:+493012345678", "＋４９ ３０ １２３４５６７", "4111111111111111", "4111 1111 1111 1111",
    "4111.1111.1111.1111", "192.0.2.17", "2001:db8::1", "00:1b:44:11:3a:b7",
]  # fmt: skip
OPAQUE_IDS = [
    "u-17", "1", "123456789", "12345678901234", "550e8400-e29b-41d4-a716-446655440000",
    "a-" + "1" * 32,
    "k1:email:" + "0" * 32, "order 7", "2024-01-31", "ü", "0", "00017", "GB-0017",
]  # fmt: skip


@pytest.mark.parametrize("user_id", PERSONAL_IDS)
def test_a_personal_id_of_any_kind_does_not_go_into_a_link(links, user_id):
    with pytest.raises(UsageError, match="opaque"):
        links.open_url(user_id, "c")
    with pytest.raises(UsageError, match="opaque"):
        links.click_url(user_id, "c", SALE)
    answer = run("--batch", "-", "--campaign", "c", text=f'user_id\nu-1\n"{user_id}"\n')
    assert isinstance(answer.exception, UsageError)
    assert "Line 3" in str(answer.exception)


@pytest.mark.parametrize("user_id", OPAQUE_IDS)
def test_an_opaque_id_does(links, user_id):
    assert links.read("open", token(links.open_url(user_id, "c"))).user_id == user_id


def test_an_id_is_printable_text(links):
    for user_id in ("a\nb", "", "x" * 257):
        with pytest.raises(UsageError):
            links.open_url(user_id, "c")


def test_only_local_has_a_key_of_its_own():
    local = load_settings("local")
    assert make_links(local, {})
    other = local.model_copy(update={"env": "cluster"})
    for environ in ({}, {"SPARKPERSO_LINKS_KEY": "short"}):
        with pytest.raises(ConfigError, match="SPARKPERSO_LINKS_KEY"):
            make_links(other, environ)
    old, new = {"SPARKPERSO_LINKS_KEY": "o" * 32}, {"SPARKPERSO_LINKS_KEY": "n" * 32}
    both = {**new, "SPARKPERSO_LINKS_KEY_PREVIOUS": "o" * 32}
    sent = token(make_links(other, old).open_url("u", "c"))
    assert make_links(other, both).read("open", sent).user_id == "u"
    with pytest.raises(TokenError):
        make_links(other, new).read("open", sent)


def run(*options, text=None):
    return CliRunner().invoke(cli, ["links", *options], input=text)


def test_the_command_makes_links_that_the_collector_reads():
    answer = run("--user", "u", "--campaign", "c", "--url", "https://localhost/x", "--expires=2h")
    names, urls = zip(*(line.split() for line in answer.stdout.splitlines()), strict=True)
    assert names == ("open_url", "click_url")
    link = make_links(load_settings("local"), {}).read("click", token(urls[1]))
    assert (link.url, link.expires_at - link.sent_at) == ("https://localhost/x", 7200)
    assert abs(link.sent_at - time.time()) < 60


def test_a_file_gets_links_row_by_row(tmp_path):
    text = 'user_id,name,url\n1,"A, b",https://localhost/a\n2,B,\n'
    answer = run("--batch", "-", "--campaign", "c", "--expires", "2099-01-01T00:00:00Z", text=text)
    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert [(row["name"], bool(row["click_url"])) for row in rows] == [("A, b", True), ("B", False)]
    links = make_links(load_settings("local"), {})
    assert [links.read("open", token(row["open_url"])).user_id for row in rows] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,url\n", "user_id"),
        ("user_id,url\n1,https://localhost/\n2,https://evil.example/\n", "Line 3"),
        ("user_id,url\n1\n", "Line 2"),
        ("", "nothing"),
    ],
)
def test_a_file_with_a_bad_row_leaves_no_half_file(tmp_path, text, said):
    out = tmp_path / "out.csv"
    answer = run("--batch", "-", "--campaign", "c", "--out", str(out), text=text)
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--campaign", "c"],
        ["--user", "u", "--campaign", "c", "--expires", "soon"],
        ["--user", "u", "--campaign", "c", "--expires", "2001-01-01T00:00:00Z"],
        ["--user", "u", "--campaign", "c", "--sent-at", "2026-06-01T10:00:00"],
        ["--user", "u"],
    ],
)
def test_wrong_options_are_named(options):
    assert isinstance(run(*options).exception, UsageError)


def test_the_key_is_not_shown():
    shown = CliRunner().invoke(cli, ["config", "show"]).stdout
    assert "not-a-secret" not in shown
    assert "SPARKPERSO_LINKS_KEY" in shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * 86_400), ("2w", 14 * 86_400), ("12h", 43_200), ("90m", 5400), (" 3 D ", 259_200)],
)
def test_a_life_is_counted_from_sending(text, seconds):
    assert expiry(text, 1000.0) == 1000.0 + seconds


@pytest.mark.parametrize("text", ["30", "d", "1y", "-1d", "30d12h", "\u0663d", "tomorrow", ""])
def test_a_life_that_is_none_says_what_one_is(text):
    with pytest.raises(UsageError, match="30d, 2w, 12h, 90m"):
        expiry(text, 1000.0)


@pytest.mark.parametrize(
    "text",
    ["2026-06-01 12:00 Europe/Paris", "2026-06-01T10:00:00,0Z", "1780308000", " 1780308000000"],
)
def test_times_are_those_of_the_one_grammar(text):
    assert moment(text) == expiry(text, 0.0) == 1780308000.0


@pytest.mark.parametrize("text", ["2026-06-01T10:00:00", "20260601", "2026-W23-1T10:00Z", ""])
def test_a_time_that_is_none_is_shown(text):
    with pytest.raises(UsageError, match="ISO 8601 with an offset"):
        moment(text)
