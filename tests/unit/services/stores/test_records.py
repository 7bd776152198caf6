"""Keys and lists of the serving store: to the letter, whatever ids hold."""

from __future__ import annotations

import json

from sparkperso.services.stores.records import (
    first_items,
    item_id_of,
    items_without,
    json_text,
    make_list,
    record_key,
    split_list,
)

NAUGHTY = (
    *("", " ", "\0", "a\0b", "\n", ",\n", '"', '","', '","score":', "\\", '\\"', "\x1f\x7f", "é"),
    *("😀", "\ud800", "x" * 255, "x" * 256, "é" * 128, "x" * 10_000, "y" * 10_000, "=u", "#u"),
    *("../../etc/passwd", "{'$ne': null}", "NaN", "\u2028", "\ufeff", "%00", "u:new:1", "*"),
)


def listed(ids, head=b'"strategy":"hybrid"'):
    items = [
        b'{"rank":%d,"item_id":%b,"score":0.5,"title":%b}' % (rank, json_text(i), json_text(i))
        for rank, i in enumerate(ids, start=1)
    ]
    return make_list(head, items)


def answered(items):
    return [(item["rank"], item["item_id"]) for item in json.loads(b"[%b]" % items)]


def test_different_ids_have_different_keys_that_lmdb_takes():
    keys = [record_key(name) for name in NAUGHTY]
    assert len(set(keys)) == len(NAUGHTY)
    assert all(1 <= len(key) <= 511 for key in keys)


def test_an_id_of_the_form_of_another_ones_hash_is_not_taken_for_it():
    long = "x" * 10_000
    disguised = record_key(long).decode("latin-1")
    assert record_key(disguised) != record_key(long)


def test_a_list_is_the_inside_of_an_array():
    head, items = split_list(listed(NAUGHTY))
    assert head == b'"strategy":"hybrid"'
    plain = [name for name in NAUGHTY if name != "\ud800"]
    _, items = split_list(listed(plain))
    assert answered(items) == list(enumerate(plain, start=1))


def test_the_first_n_are_cut_off_for_any_n():
    plain = ["a", ",\n", "c"]
    _, items = split_list(listed(plain))
    for n in (-1, 0, 1, 2, 3, 4, 10**9):
        assert answered(first_items(items, n)) == list(enumerate(plain, start=1))[: max(n, 0)]
        assert answered(items_without(items, n, ())) == answered(first_items(items, n))


def test_excluded_items_are_left_out_and_the_others_ranked_anew():
    plain = [name for name in NAUGHTY if name != "\ud800"]
    _, items = split_list(listed(plain))
    for place, name in enumerate(plain):
        others = plain[:place] + plain[place + 1 :]
        found = answered(items_without(items, 5, {json_text(name)}))
        assert found == list(enumerate(others[:5], start=1))


def test_an_id_is_found_whatever_it_holds():
    for name in NAUGHTY:
        _, items = split_list(listed([name]))
        assert item_id_of(items) == json_text(name)


def test_an_empty_list_has_no_items():
    head, items = split_list(listed([]))
    assert (head, items) == (b'"strategy":"hybrid"', b"")
    assert first_items(items, 3) == items_without(items, 3, ()) == b""
