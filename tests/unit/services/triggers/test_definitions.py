"""Triggers as files: what fires them, and all their faults at once, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.triggers import SECRET, Shop

from sparkperso.cli.main import cli
from sparkperso.config import load_settings
from sparkperso.core.errors import ConfigError
from sparkperso.services.triggers.definitions import load_triggers

URL = "http://127.0.0.1:9/hooks/token-of-the-receiver"


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def load(shop):
    return load_triggers(load_settings("local", shop.conf), shop.environ, shop.conf)


@pytest.mark.parametrize("named", ["people-loyal", "loyal", "Loyal customers", "loyal CUSTOMERS"])
def test_segments_are_named_as_in_rules(shop, named):
    shop.trigger("a", URL, segments=[named], on="leave")
    trigger = load(shop).ready["a"]
    assert trigger.fires("people-loyal", "left")
    assert not trigger.fires("people-loyal", "entered")
    assert not trigger.fires("people-new", "left")


def test_the_example_of_the_docs_is_one(shop):
    text = Path(__file__).parents[4].joinpath("docs/triggers.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n# conf/triggers/crm-lapsing.yaml\n")[1].split("```")[0]
    shop.write("triggers/crm-lapsing.yaml", example)
    shop.settings_of(outbound={"allowed_hosts": ["crm.shop.example"]})
    settings = load_settings("local", shop.conf, ["segments.segmentations=[audiences]"])
    environ = {"CRM_WEBHOOK_SECRET": SECRET}
    trigger = load_triggers(settings, environ, shop.conf).ready["crm-lapsing"]
    assert trigger.fires("audiences-lapsing", "entered")
    assert not trigger.fires("audiences-lapsing", "left")


def test_one_that_is_switched_off_needs_no_secret_and_fires_for_nobody(shop):
    shop.environ.clear()
    shop.trigger("a", URL, enabled=False)
    triggers = load(shop)
    assert (list(triggers.configs), dict(triggers.ready)) == (["a"], {})


def test_a_file_changes_its_fingerprint(shop):
    shop.trigger("a", URL)
    before = load(shop).ready["a"].fingerprint
    assert before == load(shop).ready["a"].fingerprint
    shop.trigger("a", URL, description="another")
    assert load(shop).ready["a"].fingerprint != before


FAULTS = {
    "unknown": ({"segments": ["new", "loial"]}, "did you mean 'loyal'?"),
    "elsewhere": ({"url": "https://other.example/token"}, "'other.example' may not be called"),
    "scheme": ({"url": "ftp://127.0.0.1/token"}, "Only https is called"),
    "no-url": ({"url": "127.0.0.1/token"}, "no login before it"),
    "missing": ({"secret_env": "NOT_SET"}, "It is not set, nor is NOT_SET_FILE"),
    "form": ({"secret_env": "PLAIN"}, "It does not begin with whsec_"),
    "short": ({"secret_env": "SHORT"}, "It has 3 bytes"),
    "base64": ({"secret_env": "BROKEN"}, "is not base64"),
    "previous": ({"previous_secret_env": "PLAIN"}, "previous_secret_env: PLAIN should hold"),
    "purpose": ({"consent": "personalization"}, "'consent'"),
    "key": ({"segmets": []}, "did you mean 'segments'?"),
}


def test_all_faults_are_named_at_once_and_no_secret_is(shop):
    shop.environ |= {"PLAIN": "very-secret", "SHORT": "whsec_YWJj", "BROKEN": "whsec_?secret?"}
    for name, (given, _) in FAULTS.items():
        shop.trigger(name, **{"url": URL, **given})
    with pytest.raises(ConfigError) as caught:
        load(shop)
    text = str(caught.value)
    for name, (_, words) in FAULTS.items():
        assert f"{name}.yaml" in text
        assert words in text, name
    assert "very-secret" not in text
    assert "?secret?" not in text
    assert "/token" not in text


def test_config_check_looks_at_them(shop):
    def check(environ):
        words = ["config", "check", "--conf-dir", str(shop.conf)]
        return CliRunner().invoke(cli, words, env=environ)

    shop.trigger("a", URL)
    sound = check({"SHOP_SECRET": SECRET})
    assert sound.exception is None
    assert "1 triggers" in sound.output
    missing = check({"SHOP_SECRET": None})
    assert "It is not set" in missing.output


def test_a_secret_may_be_a_file(shop, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    shop.environ = {"SHOP_SECRET_FILE": str(tmp_path / "secret")}
    shop.trigger("a", URL)
    assert len(load(shop).ready["a"].keys) == 1
    assert SECRET not in repr(load(shop).ready["a"])
