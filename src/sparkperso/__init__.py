"""sparkperso: personalisation on Spark, from raw events to recommendation tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparkperso.lake_view import LakeView, Membership, Recommendation, SimilarItem, open_lake

__version__ = "0.1.0"
__all__ = ["LakeView", "Membership", "Recommendation", "SimilarItem", "__version__", "open_lake"]


def __getattr__(name: str) -> Any:
    """Loads what users call when it is first asked for: importing the package stays cheap."""
    if name in __all__:
        return getattr(import_module("sparkperso.lake_view"), name)
    raise AttributeError(f"module 'sparkperso' has no attribute '{name}'")
