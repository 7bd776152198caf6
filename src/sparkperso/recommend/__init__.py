"""From interactions to lists that are better than what sells.

`data` cuts folds and gathers histories; `fit` and `tune` search the models of `models` on them;
`training` puts the winner to the test and refits it; `promote` lets it become champion; `lists` and
`scoring` give everybody their items. `benchmark` does all of it on a split that somebody brings.

What a notebook calls stands here too. It is imported when it is first used, so that packages that
know no Spark can be imported where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.config.recommend.models import AlsParams as AlsParams
    from sparkperso.config.recommend.models import EaseParams as EaseParams
    from sparkperso.config.recommend.models import PopularityParams as PopularityParams
    from sparkperso.config.recommend.models import WithPrior as WithPrior
    from sparkperso.recommend.arrays.catalogue import Catalogue as Catalogue
    from sparkperso.recommend.arrays.histories import Histories as Histories
    from sparkperso.recommend.data.folds import make_folds as make_folds
    from sparkperso.recommend.data.interactions import build_interactions as build_interactions
    from sparkperso.recommend.data.prepared_fold import prepare_fold as prepare_fold
    from sparkperso.recommend.data.user_histories import UserAttributes as UserAttributes
    from sparkperso.recommend.data.user_histories import load_catalogue as load_catalogue
    from sparkperso.recommend.fit.fit_strategy import choose_engine as choose_engine
    from sparkperso.recommend.fit.fit_strategy import make_fitter as make_fitter
    from sparkperso.recommend.holdout import compare as compare
    from sparkperso.recommend.models.base import Arrays as Arrays
    from sparkperso.recommend.models.base import FitSetting as FitSetting
    from sparkperso.recommend.models.base import Fitted as Fitted
    from sparkperso.recommend.models.item_item import ItemItemModel as ItemItemModel
    from sparkperso.recommend.models.item_item import load_items as load_items
    from sparkperso.recommend.models.recency_prior import load_prior as load_prior
    from sparkperso.recommend.models.recency_prior import with_prior as with_prior

_EXPORTS = {
    "AlsParams": "sparkperso.config.recommend.models",
    "Arrays": "models.base",
    "Catalogue": "arrays.catalogue",
    "EaseParams": "sparkperso.config.recommend.models",
    "FitSetting": "models.base",
    "Fitted": "models.base",
    "Histories": "arrays.histories",
    "ItemItemModel": "models.item_item",
    "PopularityParams": "sparkperso.config.recommend.models",
    "UserAttributes": "data.user_histories",
    "WithPrior": "sparkperso.config.recommend.models",
    "build_interactions": "data.interactions",
    "choose_engine": "fit.fit_strategy",
    "compare": "holdout",
    "load_catalogue": "data.user_histories",
    "load_items": "models.item_item",
    "load_prior": "models.recency_prior",
    "make_fitter": "fit.fit_strategy",
    "make_folds": "data.folds",
    "prepare_fold": "data.prepared_fold",
    "with_prior": "models.recency_prior",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
