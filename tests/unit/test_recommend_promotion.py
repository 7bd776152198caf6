"""Who may become champion."""

from __future__ import annotations

import pytest

from sparkperso.errors import QualityGateError
from sparkperso.evaluate.bootstrap import Interval
from sparkperso.recommend.promotion import require_better

BETTER, WORSE = Interval(0.03, 0.01, 0.05, 0.95), Interval(0.01, -0.01, 0.03, 0.95)


def outcome(**gains):
    return {"metric": "ndcg_at_10", "gains": {name: g.as_dict() for name, g in gains.items()}}


def test_gains_above_zero_over_all_baselines_promote():
    assert require_better(outcome(popularity=BETTER), "als_implicit") == {"popularity": BETTER}


@pytest.mark.parametrize("gains", [{"popularity": WORSE}, {"popularity": BETTER, "b": WORSE}, {}])
def test_anything_else_does_not(gains):
    with pytest.raises(QualityGateError) as error:
        require_better(outcome(**gains), "als_implicit")
    assert error.value.exit_status == 3
    assert all(str(g) in str(error.value) for g in gains.values() if g is WORSE)
