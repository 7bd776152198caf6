"""Rulebooks of a small shop, and facts about who asks."""

from __future__ import annotations

import pytest
from tests.shop_rules import CONTENTS, NOON, SLOTS

from sparkperso.decisions.facts import Facts
from sparkperso.decisions.rulebook import Rulebook


@pytest.fixture
def book():
    """Returns make(*rules, contents=(), slots=()), a rulebook of them beside those above."""

    def make(*rules, contents=(), slots=()):
        return Rulebook(
            {one.name: one for one in (*SLOTS, *slots)},
            {one.name: one for one in (*CONTENTS, *contents)},
            {one.name: one for one in rules},
        )

    return make


@pytest.fixture
def facts():
    """Returns make(**fields), the facts of a known person who agreed, at noon of a Friday."""

    def make(at=NOON, **fields):
        return Facts(at, **{"unit": "u1", "may_personalise": True, **fields})

    return make
