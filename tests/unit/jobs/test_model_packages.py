"""What pip installs to load a registered model."""

from __future__ import annotations

from types import SimpleNamespace

from sparkperso.config.recommend.models import EaseParams, HybridParams, PopularityParams
from sparkperso.jobs.train_recommender import job as train_recommender


def test_a_model_of_another_package_names_it(monkeypatch):
    dist = SimpleNamespace(name="shop-models", version="2.1")
    points = {"ease": SimpleNamespace(dist=dist), "popularity": SimpleNamespace(dist=None)}
    monkeypatch.setattr(train_recommender, "own_models", lambda: points)
    blend = HybridParams(
        parts=(EaseParams(), EaseParams(reg_param=9), PopularityParams()), weights={}
    )
    assert train_recommender.packages_of(blend) == ["shop-models==2.1"]
    assert train_recommender.packages_of(PopularityParams()) == []
