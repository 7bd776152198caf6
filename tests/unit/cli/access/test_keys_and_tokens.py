"""`keys new` and `tokens new`: what they print opens the API, and nothing else keeps it."""

from __future__ import annotations

import re

import pytest
import yaml
from click.testing import CliRunner

from sparkperso.cli.main import cli, run_cli
from sparkperso.config import load_settings
from sparkperso.services.access.access import make_access
from sparkperso.services.access.browser_tokens import make_browser_tokens


def run(*words):
    answer = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


def caller_of(token, settings, environ=None):
    browser = make_browser_tokens(settings.security.browser, settings.env, environ or {})
    return make_access(settings, browser).caller(b"Bearer " + token.encode())


def test_what_keys_new_prints_opens_the_api(tmp_path):
    output = run("keys", "new", "shop", "--scope", "recommend", "--scope", "email", "--rate", "7")
    key = re.search(r"spk_\S+", output)[0]
    lines = output[output.index("security:") :]
    assert key not in lines
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "security.yaml").write_text(lines)
    settings = load_settings("cluster", tmp_path)
    caller = caller_of(key, settings)
    assert (caller.subject, caller.scopes) == ("shop", {"recommend", "email"})
    assert settings.security.api_keys["shop"].requests_per_second == 7


def test_the_lines_of_a_key_are_read_as_they_were_meant_whatever_its_digits(monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "012345678901")
    lines = run("keys", "new", "shop", "--scope", "recommend")
    entry = yaml.safe_load(lines[lines.index("security:") :])["security"]["api_keys"]["shop"]
    assert entry["id"] == "012345678901"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["keys", "new", "Shop!", "--scope", "email"], "A key's name"),
        (["tokens", "new"], "one of --user and --visitor"),
        (["tokens", "new", "--user", "a", "--visitor", "b"], "one of --user and --visitor"),
        (["tokens", "new", "--user", "a\n"], "printable"),
        (["tokens", "new", "--user", "a", "--env", "cluster"], "SPARKPERSO_BROWSER_KEY"),
    ],
)
def test_what_is_wrong_is_told_in_one_paragraph(words, says, capsys):
    assert run_cli(words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_key_without_a_scope_and_with_an_unknown_one_is_refused(capsys):
    assert run_cli(["keys", "new", "shop"]) == 2
    assert run_cli(["keys", "new", "shop", "--scope", "everything"]) == 2
    assert "'profile:read'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--user", "--visitor"])
def test_what_tokens_new_prints_is_one_persons(option):
    token = run("tokens", "new", option, "u-17").strip()
    caller = caller_of(token, load_settings("local"))
    assert (caller.subject, caller.is_anonymous) == ("u-17", option == "--visitor")


def test_in_another_environment_the_secret_is_the_environments(monkeypatch):
    secret = {"SPARKPERSO_BROWSER_KEY": "x" * 32}
    monkeypatch.setenv(*next(iter(secret.items())))
    token = run("tokens", "new", "--user", "u-17", "--env", "cluster").strip()
    local = load_settings("local")
    assert caller_of(token, local, secret).subject == "u-17"
    with pytest.raises(Exception, match="not valid here"):
        caller_of(token, local)
