"""Names of segments: unique, the same every time, from what distinguishes them."""

from __future__ import annotations

import random

import pytest

from sparkperso.config.segments import Naming
from sparkperso.segments.base.naming import Trait, describe_segment, in_words, name_segments

NAMING = Naming.model_validate(
    {
        "max_words": 2,
        "features": {
            "frequency": {
                "unit": "orders",
                "high": {"adjective": "frequent"},
                "low": {"noun": "one-time buyers"},
            },
            "monetary": {"unit": "spent", "high": {"noun": "big spenders"}},
            "recency_days": {"high": {"adjective": "lapsed"}, "low": {"adjective": "active"}},
            "share_evening": {
                "unit": "% in the evening",
                "times": 100,
                "high": {"phrase": "in the evening"},
            },
        },
    }
)


def traits(**differences):
    return [Trait(name, difference, 2.0, 1.0) for name, difference in differences.items()]


def label(**differences):
    return name_segments({"s": traits(**differences)}, NAMING)["s"]


@pytest.mark.parametrize("seed", range(40))
def test_labels_are_unique_and_do_not_depend_on_the_order_of_features(seed):
    chance = random.Random(seed)
    segments = {
        f"s-{number}": traits(
            **{f: chance.choice([-2.0, -1.0, 0.0, 1.0, 2.0]) for f in NAMING.features}
        )
        for number in range(12)
    }
    labels = name_segments(segments, NAMING)
    assert len(set(labels.values())) == len(segments)
    turned = {name: list(reversed(found)) for name, found in segments.items()}
    assert name_segments(turned, NAMING) == labels


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"frequency": 1.5, "monetary": 1.2}, "frequent big spenders"),
        ({"recency_days": 1.5, "frequency": -0.7}, "lapsed one-time buyers"),
        ({"share_evening": 3, "monetary": 1}, "big spenders in the evening"),
        ({"share_evening": 3}, "customers in the evening"),
        ({"recency_days": -1}, "active customers"),
        ({"monetary": -3, "frequency": 0.34}, "typical customers"),
        ({"frequency": -1, "monetary": 2}, "big spenders"),
    ],
)
def test_a_label_is_made_of_the_most_telling_words(differences, expected):
    assert label(**differences) == expected


def test_equal_labels_take_a_further_word_then_a_number():
    same = {"frequency": 2.0, "monetary": 1.5}
    segments = {
        "a": traits(**same, recency_days=0.0),
        "b": traits(**same, recency_days=1.0),
        "c": traits(**same, recency_days=0.1),
    }
    assert name_segments(segments, NAMING) == {
        "a": "frequent big spenders",
        "b": "frequent lapsed big spenders",
        "c": "frequent big spenders (2)",
    }


def test_a_sentence_tells_the_largest_differences_in_their_units():
    told = [
        Trait("frequency", 1.0, 12.4, 4.4),
        Trait("share_evening", -2.0, 0.014, 0.25),
        Trait("unknown", 0.5, 0.5, 0.25),
        Trait("monetary", 0.1, 9.0, 9.0),
    ]
    assert describe_segment(1200, 0.278, told, NAMING) == (
        "1,200 customers (28%): 1% in the evening against 25% on average; "
        "12 orders against 4; 0.50 unknown against 0.25."
    )


def test_a_sentence_leaves_out_what_is_about_average_but_says_one_thing():
    told = [Trait("frequency", 0.2, 5.0, 4.0), Trait("monetary", -0.1, 9.0, 9.5)]
    expected = "9 customers (10%): 5 orders against 4 on average."
    assert describe_segment(9, 0.1, told, NAMING) == expected


def test_no_value_is_printed_as_minus_nothing():
    assert in_words("frequency", -0.2, NAMING.features["frequency"]) == "0"
