"""Sources on the command line: a new conf/ fits its sample, what does not fit ends with 1."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparkperso.cli.main import run_cli
from sparkperso.config.sources.fields import METADATA_KEYS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path.stem for path in (ROOT / "docs" / "examples" / "sources").glob("*.yaml"))


@pytest.fixture
def beside_conf(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_cli(["init", "my conf"]) == 0
    assert "--conf-dir 'my conf'" in capsys.readouterr().out
    return tmp_path / "my conf"


def test_what_init_writes_is_a_configuration_whose_sources_fit(beside_conf, capsys):
    assert run_cli(["config", "show", "--conf-dir", str(beside_conf)]) == 0
    for name in ("shop", "products"):
        assert run_cli(["sources", "check", name, "--conf-dir", str(beside_conf)]) == 0
    assert "✗ an" in capsys.readouterr().out
    assert run_cli(["sources", "list", "--conf-dir", str(beside_conf)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "transactions" in lines["shop"]
    assert "items" in lines["products"]
    assert "online_retail" in lines  # the shipped ones stay


def test_init_writes_over_nothing(beside_conf, capsys):
    before = sorted(beside_conf.rglob("*"))
    (beside_conf / "sources" / "shop.yaml").write_text("mine")
    assert run_cli(["init", str(beside_conf)]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert (beside_conf / "sources" / "shop.yaml").read_text() == "mine"
    assert sorted(beside_conf.rglob("*")) == before


def test_init_takes_an_empty_folder_and_refuses_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert run_cli(["init", "empty"]) == 0
    assert run_cli(["init", "file"]) == 2
    assert run_cli(["init", "file/below"]) == 1


def test_a_source_that_does_not_fit_ends_with_1_and_its_name(beside_conf, capsys):
    file = beside_conf / "sources" / "sample" / "orders.csv"
    file.write_text(file.read_text().replace("SKU", "Sk"))
    assert run_cli(["sources", "check", "shop", "--conf-dir", str(beside_conf)]) == 1
    out, err = capsys.readouterr()
    assert "✗ SKU" in out
    assert "nearest: 'Sk'" in out
    assert "SKU" in err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["shopp"], "Did you mean 'shop'?"),
        (["events"], "Name one by --path"),
        (["shop", "--path", "nowhere"], "nothing to read at 'nowhere'"),
    ],
)
def test_what_cannot_be_checked_is_wrong_usage(beside_conf, capsys, words, text):
    assert run_cli(["sources", "check", *words, "--conf-dir", str(beside_conf)]) == 2
    assert text in capsys.readouterr().err


def test_a_file_that_is_no_source_is_listed_with_what_is_wrong(beside_conf, capsys):
    (beside_conf / "sources" / "odd.yaml").write_text("fields: [a]\ncolumns: {user: a}\n")
    assert run_cli(["sources", "list", "--conf-dir", str(beside_conf)]) == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if "odd" in one)
    assert line.startswith("✗ odd")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_fit_their_files(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    plan = ["--set", "ingest.tracking_plan=shopify"] if name == "shopify" else []
    assert run_cli(["sources", "check", name, "--conf-dir", "docs/examples", *plan]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert not [line for line in lines if line.startswith("✗")]


def test_the_page_has_every_example_and_every_key_of_metadata_that_code_reads():
    page = (ROOT / "docs" / "sources.md").read_text()
    assert [name for name in EXAMPLES if f"<!-- example {name} -->" not in page] == []
    package = ROOT / "src" / "sparkperso"
    code = "".join(
        path.read_text()
        for room in ("features", "ingest", "users")
        for path in (package / room).rglob("*.py")
    )
    read = set(re.findall(r"""metadata(?:"\)\.getItem\(|\[)["'](\w+)""", code))
    assert {"title", "category", "order_id", "purposes"} <= read <= set(METADATA_KEYS)


def test_a_check_takes_less_than_two_seconds(beside_conf):
    """Of processor time: other tests have the processors meanwhile."""
    before = os.times()
    line = [sys.executable, "-m", "sparkperso.cli.main", "sources", "check", "shop"]
    subprocess.run([*line, "--conf-dir", str(beside_conf)], check=True, capture_output=True)
    after = os.times()
    used = after.children_user - before.children_user
    assert used + after.children_system - before.children_system < 2
