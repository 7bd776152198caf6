"""What spark-submit has to be given beside the package."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from sparkperso.cli.main import run_cli
from sparkperso.platform import jars

ROOT = Path(__file__).parents[3]


def test_the_coordinates_are_those_of_the_installed_packages(capsys):
    assert run_cli(["jars"]) == 0
    assert capsys.readouterr().out == ",".join(jars.coordinates()) + "\n"


def test_the_paths_are_the_cached_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path))
    for name in ("b.jar", "a.jar", jars.COMPLETE):
        (tmp_path / name).write_text("")
    assert run_cli(["jars", "--paths"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.jar'},{tmp_path / 'b.jar'}\n"


def test_paths_that_are_not_cached_yet_are_fetched(tmp_path, monkeypatch, capsys):
    def ivy(folder, wanted):
        (folder / "jars").mkdir()
        (folder / "jars" / "io.delta_delta-storage-4.4.0.jar").write_text("")

    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path))
    monkeypatch.setattr(jars, "_run_ivy", ivy)
    assert run_cli(["jars", "--paths"]) == 0
    answer = capsys.readouterr()
    assert answer.out == f"{tmp_path / 'delta-storage-4.4.0.jar'}\n"
    assert f"Fetching Spark's jars into {tmp_path}, once" in answer.err


def test_the_line_of_a_job_is_that_of_the_readme(monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert run_cli(["jars", "--submit", "run", "--master", "spark://master:7077"]) == 0
    line = shlex.split(capsys.readouterr().out)
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    documented = shlex.split(re.search(r"^spark-submit .*$", text, re.MULTILINE).group())
    script = line.index(str(ROOT / "jobs" / "run.py"))
    assert documented[: len(line)] == [*line[:script], "jobs/run.py", *line[script + 1 :]]


def test_spark_submit_is_found_without_a_path(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run_cli(["jars", "--submit", "run"]) == 0
    assert Path(shlex.split(capsys.readouterr().out)[0]).is_file()


def test_kafkas_source_is_for_those_that_follow_streams(capsys):
    for command, follows in (("build-features", False), ("stream-segments", True)):
        assert run_cli(["jars", "--submit", command]) == 0
        assert ("spark-sql-kafka" in capsys.readouterr().out) == follows


def test_a_cluster_s_own_spark_is_asked_where_there_is_no_package(tmp_path, monkeypatch, capsys):
    def none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(jars, "version", none)
    monkeypatch.delenv("SPARK_HOME", raising=False)
    assert run_cli(["jars"]) == 2
    assert "SPARK_HOME names no Spark" in capsys.readouterr().err
    core = tmp_path / "jars" / "spark-core_2.13-4.2.1.jar"
    core.parent.mkdir()
    core.write_text("")
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert run_cli(["jars"]) == 0
    assert capsys.readouterr().out.startswith("io.delta:delta-spark_4.2_2.13:4.4.0,")
    core.rename(core.with_name("spark-core_2.13-4.9.0.jar"))
    assert run_cli(["jars"]) == 2
    assert "Spark 4.9" in capsys.readouterr().err


def test_jars_takes_debug_as_every_command_does(capsys):
    assert run_cli(["jars", "--debug"]) == 0
