"""Signed links in e-mails: tokens, and the addresses that they may lead to.

`make_links` writes the links of a campaign, which the collector's routes for mail read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.email.tokens import make_links as make_links

_EXPORTS = {
    "make_links": "tokens",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
