"""Copies of files that lie elsewhere: fetched once, checked, shared, and never taken for others."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkperso.services.stores.manifest import BrokenVersionError, FileCheck
from sparkperso.services.stores.mapped_files import KEPT, cached_file, map_file, write_file

BLOCKS = [b"a" * 5000, b"", b"b" * 3]
DATA = b"".join(BLOCKS)
CHECK = FileCheck(n_bytes=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())


class Source:
    """Counts how often it is asked."""

    def __init__(self, blocks=BLOCKS):
        self.blocks, self.asked = blocks, 0

    def __call__(self):
        self.asked += 1
        yield from self.blocks


def test_what_is_written_is_mapped_and_stays_when_the_file_is_removed(tmp_path):
    assert write_file(tmp_path / "file", BLOCKS) == CHECK
    mapped = map_file(tmp_path / "file")
    (tmp_path / "file").unlink()
    assert bytes(mapped) == DATA
    assert mapped.readonly


def test_a_copy_is_fetched_once_for_all_who_come_at_the_same_time(tmp_path):
    source = Source()
    with ThreadPoolExecutor(8) as pool:
        copies = [pool.submit(cached_file, tmp_path / "new", CHECK, source) for _ in range(8)]
    assert {bytes(copy.result()) for copy in copies} == {DATA}
    assert source.asked == 1
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("spoil", ["cut", "other"])
def test_a_copy_that_was_spoilt_is_fetched_anew(tmp_path, spoil):
    source = Source()
    cached_file(tmp_path, CHECK, source)
    (path,) = tmp_path.glob("*.file")
    if spoil == "cut":
        os.truncate(path, 10)
    else:
        path.write_bytes(DATA.swapcase())
    assert bytes(cached_file(tmp_path, CHECK, source)) == DATA
    assert source.asked == 2


def in_a_folder(tmp_path):
    return tmp_path / "cache"


def without_a_folder(tmp_path):
    return None


def below_a_file(tmp_path):
    (tmp_path / "cache").write_text("")
    return tmp_path / "cache" / "folder"


@pytest.mark.parametrize("place", [in_a_folder, without_a_folder, below_a_file])
@pytest.mark.parametrize("blocks", [[], BLOCKS[:2], [*BLOCKS, b"c"], [DATA.swapcase()]], ids=len)
def test_what_is_not_the_file_is_refused_and_leaves_nothing(tmp_path, place, blocks):
    folder = place(tmp_path)
    with pytest.raises(BrokenVersionError, match="checksum"):
        cached_file(folder, CHECK, Source(blocks))
    if folder and folder.is_dir():
        assert [path.name for path in folder.iterdir()] == ["lock"]
    assert bytes(cached_file(folder, CHECK, Source())) == DATA


@pytest.mark.parametrize("place", [without_a_folder, below_a_file])
def test_where_nothing_can_be_written_it_is_held_in_memory(tmp_path, place):
    copy = cached_file(place(tmp_path), CHECK, Source())
    assert bytes(copy) == DATA
    assert copy.readonly


def test_only_the_files_that_were_fetched_last_stay(tmp_path):
    for number in range(KEPT + 3):
        data = b"%d" % number
        check = FileCheck(n_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        copy = cached_file(tmp_path, check, Source([data]))
        os.utime(tmp_path / f"{check.sha256}.file", (number, number))
    assert bytes(copy) == data
    assert len(list(tmp_path.glob("*.file"))) == KEPT
    assert len(list(tmp_path.glob(".*.checked"))) == KEPT
