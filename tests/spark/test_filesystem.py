"""Files by Hadoop: names are taken to the letter, a write is whole or not at all."""

from __future__ import annotations

import pytest

from sparkperso.platform.filesystem import FileSystem

NAMES = ["a b", "a, b", "[x]{1}", "_hidden", ".dot", "größe", "100%"]


@pytest.fixture
def files(spark):
    return FileSystem(spark)


def test_names_are_those_of_the_folder_whatever_they_hold(files, tmp_path):
    assert files.names(f"{tmp_path}/none") == files.names(str(tmp_path)) == []
    for name in NAMES:
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert sorted(files.names(str(tmp_path))) == sorted([*NAMES, "folder"])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_again_and_may_be_written_over(files, tmp_path, name):
    place = f"{tmp_path}/{name}"
    assert files.read(place) is None
    for text in ("ä\nb", "", "anew"):
        files.write(place, text)
        assert files.read(place) == text
    assert {path.name for path in tmp_path.iterdir()} - {f".{name}.crc"} == {name}


def test_renaming_takes_the_place_of_a_file_and_deleting_what_is_in_a_folder(files, tmp_path):
    files.create(f"{tmp_path}/x/y")
    files.write(f"{tmp_path}/x/y/one", "1")
    files.write(f"{tmp_path}/two", "2")
    files.rename(f"{tmp_path}/x/y/one", f"{tmp_path}/two")
    assert (tmp_path / "two").read_text() == "1"
    files.delete(f"{tmp_path}/x")
    files.delete(f"{tmp_path}/x")
    assert not (tmp_path / "x").exists()


def test_fetching_copies_a_folder_and_leaves_it(files, tmp_path):
    files.create(f"{tmp_path}/x/y")
    files.write(f"{tmp_path}/x/y/one", "1")
    files.fetch(f"{tmp_path}/x", f"{tmp_path}/copy")
    for place in ("x", "copy"):
        assert (tmp_path / place / "y" / "one").read_text() == "1"
