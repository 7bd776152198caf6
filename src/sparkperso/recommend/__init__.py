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
    from sparkperso.config.models import AlsParams as AlsParams
    from sparkperso.config.models import EaseParams as EaseParams
    from sparkperso.config.models import PopularityParams as PopularityParams
    from sparkperso.recommend.data.folds import make_folds as make_folds
    from sparkperso.recommend.data.interactions import build_interactions as build_interactions
    from sparkperso.recommend.data.prepared_fold import prepare_fold as prepare_fold
    from sparkperso.recommend.data.user_histories import UserAttributes as UserAttributes
    from sparkperso.recommend.data.user_histories import load_catalogue as load_catalogue
    from sparkperso.recommend.fit.fit_strategy import choose_engine as choose_engine
    from sparkperso.recommend.fit.fit_strategy import make_fitter as make_fitter
    from sparkperso.recommend.holdout import compare as compare

_EXPORTS = {
    "AlsParams": "sparkperso.config.models",
    "EaseParams": "sparkperso.config.models",
    "PopularityParams": "sparkperso.config.models",
    "UserAttributes": "data.user_histories",
    "build_interactions": "data.interactions",
    "choose_engine": "fit.fit_strategy",
    "compare": "holdout",
    "load_catalogue": "data.user_histories",
    "make_fitter": "fit.fit_strategy",
    "make_folds": "data.folds",
    "prepare_fold": "data.prepared_fold",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
