"""The hash that deals out variants: what other languages' clients give, and nothing moves."""

from __future__ import annotations

from collections import Counter

import pytest

from sparkperso.core.hashing import BUCKETS, fnv32a, share_of, variant_at

WEIGHTS = [0.2, 0.3, 0.5]


@pytest.mark.parametrize(
    ("seed", "unit", "share"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
    ],
)
def test_shares_are_those_of_growthbooks_clients(seed, unit, share):
    assert share_of(seed, unit) == share


@pytest.mark.parametrize(("text", "share"), [("a", 0.22), ("b", 0.077), ("def", 0.652)])
def test_the_plain_hash_is_that_of_their_version_1(text, share):
    assert fnv32a(text) % 1000 / 1000 == share


def test_characters_are_those_of_javascript():
    # One code point, two units.
    assert fnv32a("😀") == fnv32a("\ud83d\ude00")
    assert fnv32a("") == 0x811C9DC5


def test_variants_get_their_weights():
    counts = Counter(variant_at(share_of("test", f"u{n}"), WEIGHTS) for n in range(20_000))
    for place, weight in enumerate(WEIGHTS):
        assert counts[place] / 20_000 == pytest.approx(weight, abs=0.01)
    assert sum(counts.values()) == 20_000


def test_seeds_divide_units_independently():
    both = Counter(
        (share_of("one", f"u{n}") < 0.5, share_of("two", f"u{n}") < 0.5) for n in range(20_000)
    )
    assert all(count / 20_000 == pytest.approx(0.25, abs=0.01) for count in both.values())


def test_a_growing_coverage_moves_nobody():
    for bucket in range(0, BUCKETS, 7):
        share = bucket / BUCKETS
        before = None
        for coverage in (0.1, 0.5, 1.0):
            place = variant_at(share, WEIGHTS, coverage)
            assert before in (None, place)
            before = place
        assert before is not None
