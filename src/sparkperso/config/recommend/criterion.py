"""The metric that decides between models, and how long the lists are that it judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Metric = Literal["ndcg", "map", "precision", "recall", "hit_rate", "mrr"]
"""Metrics per user, 0 to 1, of which more is better. evaluate.ranking has their formulas."""
METRICS: tuple[Metric, ...] = get_args(Metric)
"""In the order in which they are logged and shown."""
SPELLINGS: dict[str, str] = {"ndcg": "nDCG", "map": "MAP", "mrr": "MRR"}


@dataclass(frozen=True)
class Criterion:
    """What models are chosen and promoted by."""

    k: int
    """Length of the lists that are judged."""
    metric: Metric = "ndcg"

    @property
    def name(self) -> str:
        """The name that the metric is logged under.

        >>> Criterion(10).name
        'ndcg_at_10'
        """
        return metric_name(self.metric, self.k)

    @property
    def label(self) -> str:
        """The name for people.

        >>> Criterion(10).label, Criterion(10, "mrr").label
        ('nDCG@10', 'MRR')
        """
        return label_of(self.name)


def metric_name(metric: str, k: int) -> str:
    """Returns the name that a metric is logged under; MRR looks at whole lists.

    >>> metric_name("hit_rate", 5)
    'hit_rate_at_5'
    """
    return metric if metric == "mrr" else f"{metric}_at_{k}"


def label_of(name: str) -> str:
    """Returns the name for people of a metric that is logged under `name`.

    >>> label_of("hit_rate_at_5")
    'hit rate@5'
    """
    metric, _, k = name.partition("_at_")
    spelled = SPELLINGS.get(metric, metric.replace("_", " "))
    return f"{spelled}@{k}" if k else spelled
