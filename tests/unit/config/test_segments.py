"""conf/segments: what may stand there, and that what ships is sound."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sparkperso.config import load_named
from sparkperso.config.segments import KMeansSegmentation, Word
from sparkperso.core.columns import NUMERIC_FEATURES


def test_the_shipped_segmentation_names_known_features_and_words_all_it_measures():
    plan = load_named("segments", "behaviour", KMeansSegmentation)
    assert set(plan.profiled) <= set(NUMERIC_FEATURES)
    assert set(plan.naming.features) == set(plan.profiled)


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": []},
        {"features": ["frequency", "frequency"]},
        {"features": ["frequency"], "described_by": ["frequency"]},
        {"features": ["frequency"], "k_min": 5, "k_max": 4},
        {"features": ["frequency"], "k_min": 1},
        {"features": ["frequency"], "name": "it's"},
        {"features": ["frequency"], "kind": "tea leaves"},
        {"features": ["frequency"], "ks": 4},
    ],
)
def test_a_segmentation_that_cannot_be_carried_out_is_refused(wrong):
    KMeansSegmentation.model_validate({"name": "test", "features": ["frequency"]})
    with pytest.raises(ValidationError):
        KMeansSegmentation.model_validate({"name": "test", **wrong})


@pytest.mark.parametrize("wrong", [{}, {"noun": "buyers", "adjective": "new"}, {"noun": ""}])
def test_a_word_has_exactly_one_place(wrong):
    with pytest.raises(ValidationError):
        Word.model_validate(wrong)
