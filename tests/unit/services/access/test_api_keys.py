"""API keys: random, hashed, found by their id, refused when anything about them differs."""

from __future__ import annotations

import hashlib

import pytest

from sparkperso.config.security import ApiKeyConfig
from sparkperso.services.access.api_keys import SHAPE, ApiKeys, new_key


@pytest.fixture
def made():
    return new_key()


@pytest.fixture
def keys(made):
    other = new_key()
    return ApiKeys(
        {
            "shop": ApiKeyConfig(id=made.id, sha256=made.sha256, scopes=("recommend",)),
            "crm": ApiKeyConfig(id=other.id, sha256=other.sha256, scopes=("email",)),
        }
    )


def test_a_key_names_its_holder_and_its_scopes(keys, made):
    caller = keys.find(made.text.encode())
    assert (caller.kind, caller.subject, caller.name) == ("key", "shop", "key:shop")
    assert caller.scopes == {"recommend"}
    assert caller.may_read("anybody")


def test_each_key_is_new_and_has_256_random_bits():
    made = [new_key() for _ in range(1000)]
    assert len({key.text for key in made}) == len({key.text[17:] for key in made}) == 1000
    assert all(SHAPE.fullmatch(key.text.encode()) for key in made)
    assert all(key.sha256 == hashlib.sha256(key.text.encode()).hexdigest() for key in made)
    assert len(made[0].text) == len("spk_") + 12 + 1 + 43


def test_what_is_kept_does_not_hold_the_key(made):
    kept = f"{made.id} {made.sha256}"
    assert made.text[17:] not in kept


def test_every_flipped_bit_is_refused(keys, made):
    for place in range(len(made.text)):
        for bit in range(8):
            changed = bytearray(made.text.encode())
            changed[place] ^= 1 << bit
            assert keys.find(bytes(changed)) is None


def test_another_id_or_the_hash_itself_opens_nothing(keys, made):
    other = new_key()
    for text in (
        *(other.text, f"spk_{made.id}_{other.text[17:]}", f"spk_{made.id}_{made.sha256[:43]}"),
        *(made.sha256, made.id, f"spk_{made.id}_", "spk_", "", made.text + "\n", " " + made.text),
        *(made.text.upper(), made.text * 2, "spk_" + "0" * 1_000_000, "spk_\u0661" * 12),
    ):
        assert keys.find(text.encode()) is None
