"""Where a place lies; what somebody meant; short hashes."""

from __future__ import annotations

import pytest

from sparkperso.core import suggest
from sparkperso.core.hashing import short_hash
from sparkperso.core.places import is_local, local_path, uri_of


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("lake", "lake"),
        ("/data/lake", "/data/lake"),
        ("./a:b/lake", "./a:b/lake"),
        ("C:\\lake", "C:\\lake"),
        ("file:/data/lake", "/data/lake"),
        ("file:///data/a%20lake", "/data/a lake"),
        ("FILE:///data", "/data"),
        ("file://localhost/data", "/data"),
    ],
)
def test_folders_of_this_machine_in_any_spelling(place, path):
    assert local_path(place) == path


@pytest.mark.parametrize(
    "place",
    ["s3a://b/x", "abfss://c@a.dfs/x", "dbfs:/lake", "hdfs:///x", "gs://b", "file://host/data"],
)
def test_what_lies_elsewhere(place):
    assert not is_local(place)


def test_a_hash_is_of_16_digits_unless_told():
    assert short_hash("a") == short_hash(b"a") == "ca978112ca1bbdca"
    assert short_hash("a", 12) == "ca978112ca1b"


def test_what_is_alike_nothing_is_not_meant():
    assert suggest.did_you_mean("zzz", ["als"], "Choose one") == "Choose one"
    assert suggest.nearest("x" * 10**6, ["als"]) is None


def test_a_place_as_a_uri(tmp_path):
    assert uri_of(str(tmp_path / "a lake")) == f"file://{tmp_path}/a%20lake"
    assert uri_of("dbfs:/lake") == "dbfs:/lake"
