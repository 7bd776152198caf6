"""The examples of the guide to statistics are true, from the first to the last."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import sparkperso.experiments
from sparkperso.experiments.offpolicy.estimators import STATUSES as OFF_POLICY
from sparkperso.experiments.statistics.estimate import STATUSES

GUIDE = Path(__file__).parents[3] / "docs" / "experiments-statistics.md"


def test_the_examples_of_the_guide_are_true():
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "guide", str(GUIDE), 0)
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_guide_tells_every_status():
    told = set(re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(STATUSES) <= told
    assert not OFF_POLICY.keys() & (told - set(STATUSES) - {"ok"})


def test_what_the_package_exports_is_there():
    for name in sparkperso.experiments.__all__:
        assert getattr(sparkperso.experiments, name).__name__ == name
