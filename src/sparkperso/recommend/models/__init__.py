"""All models, by the name that stands in their settings: how they are fitted and read back.

A model is a module with `fit` and `load` (`base.Model`); what it fits is a `base.Fitted`. Adding
one takes a module here, its settings in `config.models` and a line in `registry.MODELS`; one of
another package is found by its entry point (`config.own_models`).

All of them are imported when one is fitted or read back by its name: services use one alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.recommend.models.registry import MODELS as MODELS
    from sparkperso.recommend.models.registry import fit_model as fit_model
    from sparkperso.recommend.models.registry import load_model as load_model
    from sparkperso.recommend.models.registry import model_named as model_named

_EXPORTS = dict.fromkeys(("MODELS", "fit_model", "load_model", "model_named"), "registry")
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
