"""The archive of Spark's classes: of one Java and one environment, and never needed."""

from __future__ import annotations

import pytest

from sparkperso.platform import class_archive
from sparkperso.platform.java import Java


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A Java whose build can be read, in an environment of its own."""
    monkeypatch.setattr(class_archive.sys, "prefix", str(tmp_path / "my environment"))
    monkeypatch.setattr(class_archive, "require_java", lambda: Java(tmp_path, 17))
    (tmp_path / "release").write_text('JAVA_RUNTIME_VERSION="17.0.15+6"')
    return tmp_path


def test_without_an_archive_a_jvm_starts_as_ever(home):
    assert class_archive.java_options() == []


def test_a_java_whose_build_cannot_be_read_has_none(home):
    (home / "release").unlink()
    assert class_archive.archive_file() is None
    assert class_archive.java_options() == []


def test_an_archive_is_named_in_quotes_since_folders_have_spaces(home):
    archive = class_archive.archive_file()
    archive.parent.mkdir(parents=True)
    archive.write_text("")
    assert class_archive.java_options()[0] == f'"-XX:SharedArchiveFile={archive}"'


def test_another_java_or_spark_has_another_archive(home, monkeypatch):
    ours = class_archive.archive_file()
    (home / "release").write_text('JAVA_RUNTIME_VERSION="17.0.16+8"')
    other_java = class_archive.archive_file()
    monkeypatch.setattr(class_archive, "spark_home", lambda: home)
    assert len({ours, other_java, class_archive.archive_file()}) == 3


def test_a_jvm_that_writes_no_archive_is_no_obstacle(home, monkeypatch, capsys):
    monkeypatch.setattr(class_archive, "require_jars", list)
    monkeypatch.setattr(class_archive, "WARM_UP", "raise SystemExit('no memory')")
    assert class_archive.main() == 0
    assert "no memory" in capsys.readouterr().err
    assert class_archive.java_options() == []
