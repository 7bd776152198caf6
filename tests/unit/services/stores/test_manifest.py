"""Names of versions grow; manifests are read whole or refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.core.times import now
from sparkperso.services.stores import manifest as module
from sparkperso.services.stores.manifest import (
    BrokenVersionError,
    Manifest,
    new_name,
    read_manifest,
)

NAME = "20260601T100000Z-abcdef"


def made(**changes):
    fields = {"name": NAME, "created": now(), "read_at": now(), "counts": {"popular": 1}}
    return Manifest(**{**fields, **changes}).model_dump_json()


def test_a_manifest_is_read_back():
    assert read_manifest(made(model_version="7"), NAME).model_version == "7"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "none"),
        (made()[:-20], "EOF"),
        ("", "EOF"),
        (made(name="20260601T100000Z-000000"), "000000"),
        (made(format=99), "format 99"),
        ("[1]", "object"),
    ],
)
def test_what_is_no_manifest_of_the_version_is_refused(text, words):
    with pytest.raises(BrokenVersionError, match=words):
        read_manifest(text, NAME)


def test_names_grow_also_where_the_clock_goes_back(monkeypatch):
    first = new_name([])
    assert new_name([first]) > first
    monkeypatch.setattr(module, "now", lambda: datetime(2020, 1, 1, tzinfo=timezone.utc))
    second = new_name([first, "lost+found"])
    assert second > first
    made_at = datetime.strptime(second[:15], module.STAMP).replace(tzinfo=timezone.utc)
    assert made_at - now() < timedelta(seconds=5)
