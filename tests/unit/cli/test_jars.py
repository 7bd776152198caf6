"""What spark-submit has to be given beside the package."""

from __future__ import annotations

from sparkperso.cli.main import run_cli
from sparkperso.platform import jars


def test_the_coordinates_are_those_of_the_installed_packages(capsys):
    assert run_cli(["jars"]) == 0
    assert capsys.readouterr().out == ",".join(jars.coordinates()) + "\n"


def test_the_paths_are_the_cached_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path))
    assert run_cli(["jars", "--paths"]) == 2
    assert "make setup" in capsys.readouterr().err
    for name in ("b.jar", "a.jar", jars.COMPLETE):
        (tmp_path / name).write_text("")
    assert run_cli(["jars", "--paths"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.jar'},{tmp_path / 'b.jar'}\n"
