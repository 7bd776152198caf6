"""The jar cache: complete or not there, and never half."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from sparkperso.core.errors import JobError, UsageError
from sparkperso.platform import jars


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ivy(names, monkeypatch):
    """Lets Ivy 'resolve' jars of these names."""

    def run(folder, wanted):
        (folder / "jars").mkdir()
        for name in names:
            (folder / "jars" / name).write_text(name)

    monkeypatch.setattr(jars, "_run_ivy", run)


def test_coordinates_follow_the_installed_versions():
    delta, kafka = jars.coordinates()
    assert delta.endswith(f":{version('delta-spark')}")
    assert f"_{'.'.join(version('pyspark').split('.')[:2])}_2.13:" in delta
    assert kafka.endswith(f"_2.13:{version('pyspark')}")


def test_the_cache_of_other_versions_is_another_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SPARKPERSO_JARS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours = jars.cache_dir()
    monkeypatch.setattr(jars, "version", lambda name: "9.9.9")
    assert jars.cache_dir() != ours
    assert tmp_path in ours.parents


def test_resolving_fills_the_cache_once(cache, monkeypatch):
    ivy(["io.delta_delta-storage-4.4.0.jar"], monkeypatch)
    assert [jar.name for jar in jars.resolve()] == ["delta-storage-4.4.0.jar"]
    monkeypatch.setattr(jars, "_run_ivy", lambda *_: pytest.fail("resolved twice"))
    assert jars.resolve() == jars.require_jars()


def test_what_spark_ships_is_not_brought_again(cache, monkeypatch):
    ivy(["io.delta_delta-storage-4.4.0.jar", "org.slf4j_slf4j-api-1.0.jar"], monkeypatch)
    assert [jar.name for jar in jars.resolve()] == ["delta-storage-4.4.0.jar"]


def test_a_cache_without_its_marker_does_not_count(cache, monkeypatch, capsys):
    cache.mkdir()
    (cache / "delta-storage-4.4.0.jar").write_text("half")
    assert jars.cached_jars() == []
    with pytest.raises(UsageError, match="make setup"):
        jars.require_jars()


def test_a_failed_resolution_is_told_and_leaves_no_marker(cache, monkeypatch, capsys):
    def fail(folder, wanted):
        raise JobError("Ivy was to resolve", "no network", "Check it")

    monkeypatch.setattr(jars, "_run_ivy", fail)
    assert jars.main() == 1
    assert "no network" in capsys.readouterr().err
    assert jars.cached_jars() == []


def test_what_ivy_complains_of_is_told_without_frames(cache, monkeypatch, tmp_path):
    submit = tmp_path / "bin" / "spark-submit"
    submit.parent.mkdir()
    lines = [
        "\t\tmodule not found: io.delta#delta-spark_4.2_2.13;4.4.0",
        ":::: ERRORS",
        "\tServer access error at url https://repo/x.pom (java.net.UnknownHostException: repo)",
        "\tServer access error at url https://repo/x.jar (java.net.UnknownHostException: repo)",
        'Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: x]',
        *["\tat org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)"] * 4,
    ]
    submit.write_text("#!/bin/sh\ncat >&2 << 'END'\n" + "\n".join(lines) + "\nEND\nexit 1\n")
    submit.chmod(0o755)
    monkeypatch.setattr(jars, "spark_home", lambda: tmp_path)
    with pytest.raises(JobError) as error:
        jars.resolve()
    assert f"It ended with: {lines[2].strip()} {lines[4]}." in str(error.value)
    assert "SparkSubmit" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path / "file" / "jars"))
    monkeypatch.setattr(jars, "_run_ivy", lambda *_: pytest.fail("fetched"))
    with pytest.raises(JobError, match="Set SPARKPERSO_JARS to another"):
        jars.resolve()
