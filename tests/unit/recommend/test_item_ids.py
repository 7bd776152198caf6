"""Ids of a catalogue in arrays: each is found at its place, and no other is."""

from __future__ import annotations

import pytest
from tests.unit.services.stores.test_records import NAUGHTY

from sparkperso.recommend.arrays.item_ids import item_ids_of


def test_each_id_is_found_at_its_place_whatever_it_holds():
    names = sorted({*NAUGHTY, *(f"item-{number}" for number in range(300)), "a\0", "a", "é", "e"})
    ids = item_ids_of(names)
    assert [ids[place] for place in range(len(ids))] == names
    assert [ids.place_of(name) for name in names] == list(range(len(names)))


@pytest.mark.parametrize("names", [[], ["b"], ["", "b", "bb"]], ids=str)
@pytest.mark.parametrize("other", ["a", "b\0", "c", "B", "\ud800", "x" * 100_000])
def test_another_id_is_nowhere(names, other):
    assert item_ids_of(names).place_of(other) == -1
