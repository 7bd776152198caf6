"""Styles of a mail, put into its elements: many mail programs read no others."""

from __future__ import annotations

import re
from functools import lru_cache

from css_inline import CSSInliner

INLINE = re.compile(
    r"<mj-style\b[^>]*\binline\s*=\s*[\"']inline[\"'][^>]*>(.*?)</mj-style>",
    re.DOTALL | re.IGNORECASE,
)


def split_inline(mjml: str) -> tuple[str, str]:
    """Returns MJML without its `<mj-style inline="inline">`, and the CSS of those.

    MJML's own compiler knows them, the one in use leaves them in the head.
    """
    styles: list[str] = []

    def taken(match: re.Match[str]) -> str:
        styles.append(match[1])
        return ""

    return INLINE.sub(taken, mjml), "\n".join(styles)


def inlined(html: str, css: str | None) -> str:
    """Returns a whole document, as a parser of HTML 5 reads it, with styles in its elements.

    `css` is put into them, and the document's own styles stay where they are; None puts in the
    document's own, of which only rules for screens (`@media`) stay. Nothing is loaded. Raises
    InlineError for CSS that cannot be read.
    """
    return str(_inliner(css).inline(html))


@lru_cache(64)
def _inliner(css: str | None) -> CSSInliner:
    if css is None:
        return CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
    return CSSInliner(
        inline_style_tags=False,
        keep_style_tags=True,
        extra_css=css or None,
        load_remote_stylesheets=False,
    )
