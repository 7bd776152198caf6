"""`sparkperso content`: what can be shown, where it comes from, and what a CMS says now."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.cms import ENVIRON, GOOD, Shop, documents
from tests.web_stub import JSON, WebStub

from sparkperso.cli.main import run_cli


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A conf/ whose settings name a CMS; `shop.run(…)` gives exit status and lines."""
    monkeypatch.setenv("HOOK", ENVIRON["HOOK"])
    with WebStub(None) as stub:
        made = Shop(tmp_path, stub)
        stub.answer = lambda request: (200, JSON, json.dumps(documents(*made.documents)).encode())
        source = {"kind": "strapi", "base_url": stub.url, "collection": "modules"}
        made.write(
            "base/cms",
            {
                "cms": {"sources": {"shop": source}},
                "outbound": {
                    "allowed_hosts": ["http://127.0.0.1:*"],
                    "allow_private": ["127.0.0.0/8"],
                    "seconds": 1,
                },
            },
        )
        yield made


@pytest.fixture
def run(shop, capsys):
    """Returns run(*words): exit status, lines of output, the error."""

    def call(*words, lake=True):
        place = ["--conf-dir", str(shop.folder / "conf")]
        place += ["--lake", str(shop.folder / "lake")] if lake else []
        status = run_cli([*words, *place])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return call


def test_what_a_source_says_is_kept_and_listed(shop, run):
    status, lines, error = run("content", "list")
    assert (status, error) == (0, "")
    assert lines[0] == "welcome  hero  (en)  conf/content/welcome.yaml"
    assert lines[1].startswith("! offers: conf/rules/offers.yaml, show.content: no 'offers'")
    assert lines[2] == "source shop (strapi): 0 pieces of content, it never answered yet"
    assert shop.stub.requests == []
    status, lines, _ = run("content", "refresh")
    assert status == 0
    assert lines[0].startswith("source shop (strapi): 1 piece of content, as of 20")
    status, lines, _ = run("content", "list")
    assert lines[:2] == [
        "offers   hero  (any)  cms shop, entry 1",
        "welcome  hero  (en)  conf/content/welcome.yaml",
    ]
    status, lines, _ = run("content", "list", "--json")
    found = json.loads(lines[0])
    assert [one["content_id"] for one in found["content"]] == ["offers", "welcome"]
    assert (found["content"][0]["source"], found["content"][1]["source"]) == ("shop", None)
    assert found["sources"][0]["error"] is None


def test_what_does_not_fit_is_named_and_nothing_of_an_editor_reaches_the_terminal(shop, run):
    shop.documents.append({"id": 2, **GOOD, "name": "\x1b[31mred\x07"})
    status, lines, _ = run("content", "refresh")
    assert status == 0
    assert any("left out: entry 2: 'name': String should match" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_source_that_does_not_answer_ends_with_1_and_what_was_kept_stays(shop, run):
    run("content", "refresh")
    shop.stub.answer = lambda request: (500, {}, b"")
    status, lines, error = run("content", "refresh")
    assert status == 1
    assert "  ! http://127.0.0.1" in lines[1]
    assert "shop did not, as is told above" in error
    assert "1 piece of content" in run("content", "list")[1][2]
    assert run("content", "check")[0] == 1


def test_a_check_tells_what_would_change_and_keeps_nothing(shop, run):
    run("content", "refresh")
    shop.documents = [{"id": 1, **GOOD, "body": "<p>New</p>"}, {"id": 2, **GOOD, "name": "more"}]
    status, lines, _ = run("content", "check")
    assert (status, lines) == (0, ["+ more", "~ offers"])
    assert (status, lines) == run("content", "check")[:2]
    shop.documents = [{"id": 2, **GOOD, "name": "more"}, {"id": 3, **GOOD, "name": "X"}]
    status, lines, error = run("content", "check")
    assert status == 3
    assert lines[:2] == ["+ more", "- offers"]
    assert "· source shop: left out: entry 3: 'name'" in lines[2]
    assert lines[3].startswith("! conf/rules/offers.yaml, show.content: no 'offers'")
    assert "There is 1 fault" in error


def test_a_source_that_is_none_is_refused_with_the_nearest(shop, run):
    for words in ("refresh", "check"):
        status, _, error = run("content", words, "--source", "shopp")
        assert (status, "Did you mean 'shop'?" in error) == (2, True)
    answer = CliRunner().invoke(_command(), ["refresh"])
    assert "docs/cms.md" in str(answer.exception)


def _command():
    from sparkperso.cli.content.command import command

    return command


def test_other_commands_know_what_is_kept(shop, run):
    """And what is not kept yet waits: a checkout of conf/ alone is sound."""
    status, lines, _ = run("config", "check", lake=False)
    assert status == 0, lines
    assert any("it waits for a CMS" in line for line in lines)
    assert "1 content sources" in lines[-1]
    run("content", "refresh")
    status, lines, _ = run("rules", "test", "--context", "page=/sale")
    assert status == 0
    assert "  | <p>Offers</p>" in lines
    shop.write("base/more", {"serving": {"default_language": "de"}})
    status, lines, _ = run("rules", "test", "--context", "page=/sale")
    assert status == 2


def test_a_source_that_may_not_be_called_is_a_fault_of_the_configuration(shop, run):
    shop.write("base/more", {"cms": {"folder": "x"}})
    (shop.folder / "conf/base/cms.yaml").write_text(
        (shop.folder / "conf/base/cms.yaml")
        .read_text()
        .replace("http://127.0.0.1:*", "cms.example")
    )
    status, lines, _ = run("config", "check", lake=False)
    assert status == 2
    assert any("outbound.allowed_hosts does not have it" in line for line in lines)
    status, _, error = run("content", "refresh")
    assert (status, "outbound.allowed_hosts does not have it" in error) == (2, True)
