"""sparkperso: personalisation on Spark, from raw events to recommendation tables.

What users call is imported when it is first used: importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.lake_view import LakeView as LakeView
    from sparkperso.lake_view import Membership as Membership
    from sparkperso.lake_view import NextItem as NextItem
    from sparkperso.lake_view import Recommendation as Recommendation
    from sparkperso.lake_view import SimilarItem as SimilarItem
    from sparkperso.lake_view import open_lake as open_lake

__version__ = "0.1.0"
_EXPORTS = {
    "LakeView": "lake_view",
    "Membership": "lake_view",
    "NextItem": "lake_view",
    "Recommendation": "lake_view",
    "SimilarItem": "lake_view",
    "open_lake": "lake_view",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
