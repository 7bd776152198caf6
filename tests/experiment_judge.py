"""What tea-tasting and savvi say of the same sums, as JSON: the numbers of a list of cases.

A script for the judges' own Python: reads a list of cases from standard input and prints a list of
results in the same order. A case of kind "tea" has a `metric` (its arguments), `level` and two
groups (count, means, variances, covariances); one of kind "savvi" has `counts` and `weights`.
"""

import json
import sys
from unittest.mock import MagicMock

import numpy as np
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

# savvi imports what it plots with, which nothing here needs.
sys.modules.setdefault("matplotlib", MagicMock())
sys.modules.setdefault("matplotlib.pyplot", MagicMock())
from savvi.multinomial import Multinomial  # noqa: E402


def aggregates(group):
    return Aggregates(
        count_=group["n"],
        mean_=group["mean"],
        var_=group["var"],
        cov_={tuple(names.split()): value for names, value in group["cov"].items()},
    )


def tea(case):
    metric = tt.RatioOfMeans(**case["metric"], confidence_level=1 - case["level"])
    groups = {0: aggregates(case["baseline"]), 1: aggregates(case["treated"])}
    result = tt.Experiment(m=metric).analyze(groups, control=0)["m"]
    return {
        "value": result.treatment,
        "value_baseline": result.control,
        "effect": result.effect_size,
        "effect_low": result.effect_size_ci_lower,
        "effect_high": result.effect_size_ci_upper,
        "lift": result.rel_effect_size,
        "statistic": result.statistic,
        "p_value": result.pvalue,
    }


def savvi(case):
    judge = Multinomial(0.05, np.array(case["weights"]))
    judge.update(np.array(case["counts"]))
    return float(judge.calculate_p_value())


def main():
    judges = {"tea": tea, "savvi": savvi}
    print(json.dumps([judges[case["kind"]](case) for case in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
