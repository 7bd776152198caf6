"""Content of content management systems: fetched, mapped, kept, and put beside that of conf/."""

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.services.content.cache import ContentCache as ContentCache
    from sparkperso.services.content.refresh import ContentService as ContentService
    from sparkperso.services.content.refresh import open_content as open_content

_EXPORTS = {"ContentCache": "cache", "ContentService": "refresh", "open_content": "refresh"}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
