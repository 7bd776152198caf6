"""Java 17 or 21 is found wherever it is, and nothing else is taken for it."""

from __future__ import annotations

import os

import pytest

from sparkperso.core.errors import UsageError
from sparkperso.platform import java


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Returns make(name, version), which makes a home whose `java -version` says so."""
    monkeypatch.setattr(java, "glob", lambda pattern: [])
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def make(name, version):
        program = tmp_path / name / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(0o755)
        return tmp_path / name

    return make


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("21.0.2-ea", 21)])
def test_a_supported_java_is_found(install, monkeypatch, version, major):
    home = install("jdk", version)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find_java() == java.Java(home, major)


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.8.0_392", "Java 8"), ("11.0.2", "Java 11"), ("25", "Java 25"), ("odd", "no Java")],
)
def test_another_java_is_told_and_not_taken(install, monkeypatch, version, told):
    monkeypatch.setenv("JAVA_HOME", str(install("jdk", version)))
    with pytest.raises(UsageError) as error:
        java.require_java()
    assert f"Found {os.environ['JAVA_HOME']} ({told})." in str(error.value)


def test_a_java_home_that_holds_none_is_told(install, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=f"Found JAVA_HOME={tmp_path} without bin/java"):
        java.require_java()


def test_a_good_java_elsewhere_wins_over_a_bad_java_home(install, monkeypatch):
    good = install("good", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(install("bad", "11.0.2")))
    monkeypatch.setattr(java, "glob", lambda pattern: [str(good / "bin" / "java")])
    assert java.require_java().home == good
    assert os.environ["JAVA_HOME"] == str(good)


def test_no_java_says_how_to_install_one(install, capsys):
    assert java.main() == 2
    assert "apt-get install openjdk-17-jre-headless" in capsys.readouterr().err


def test_a_program_that_is_no_java_is_left_out(install, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(install("jdk", "seventeen")))
    assert java.find_java() is None
