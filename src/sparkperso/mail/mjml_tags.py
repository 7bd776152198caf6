"""MJML 4's tags, where each may stand, and the attributes that there are.

What MJML does not know, or not there, it drops or writes between the rows of its tables, without a
word.
"""

from __future__ import annotations

from typing import Final

CONTENT: Final = frozenset(
    {
        *("mj-accordion", "mj-button", "mj-carousel", "mj-divider", "mj-image", "mj-navbar"),
        *("mj-raw", "mj-social", "mj-spacer", "mj-table", "mj-text"),
    }
)
CHILDREN: Final[dict[str, frozenset[str]]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset(
        {
            *("mj-attributes", "mj-breakpoint", "mj-font", "mj-preview", "mj-raw", "mj-style"),
            "mj-title",
        }
    ),
    "mj-body": frozenset({"mj-hero", "mj-raw", "mj-section", "mj-wrapper"}),
    "mj-wrapper": frozenset({"mj-hero", "mj-raw", "mj-section"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": CONTENT,
    "mj-hero": CONTENT,
    "mj-accordion": frozenset({"mj-accordion-element", "mj-raw"}),
    "mj-accordion-element": frozenset({"mj-accordion-text", "mj-accordion-title", "mj-raw"}),
    "mj-carousel": frozenset({"mj-carousel-image", "mj-raw"}),
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-social": frozenset({"mj-raw", "mj-social-element"}),
}
"""Tag → the tags that may stand in it, and nothing else: neither text nor HTML."""
TEXTS: Final = frozenset(
    {
        *("mj-accordion-text", "mj-accordion-title", "mj-button", "mj-navbar-link", "mj-preview"),
        *("mj-raw", "mj-social-element", "mj-style", "mj-table", "mj-text", "mj-title"),
    }
)
"""Tags that hold text and HTML, and no tag of MJML's."""
EMPTY: Final = frozenset(
    {
        *("mj-all", "mj-breakpoint", "mj-carousel-image", "mj-class", "mj-divider", "mj-font"),
        *("mj-image", "mj-spacer"),
    }
)
ATTRIBUTES_OF: Final = "mj-attributes"
"""Holds any tag, for its attributes."""
TAGS: Final = frozenset({*CHILDREN, *TEXTS, *EMPTY, ATTRIBUTES_OF})

SIDES: Final = ("", "-bottom", "-left", "-right", "-top")
ATTRIBUTES: Final = frozenset(
    {
        *(f"{name}{side}" for name in ("border", "padding", "inner-border") for side in SIDES),
        *(f"ico-padding{side}" for side in SIDES),
        *("align", "alt", "background-color", "background-height", "background-position"),
        *("background-position-x", "background-position-y", "background-repeat"),
        *("background-size", "background-url", "background-width", "base-url", "border-color"),
        *("border-radius", "border-style", "border-width", "cellpadding", "cellspacing", "color"),
        *("container-background-color", "css-class", "dir", "direction", "fluid-on-mobile"),
        *("font-family", "font-size", "font-style", "font-weight", "full-width", "gap"),
        *("hamburger", "height", "href", "ico-align", "ico-close", "ico-color", "ico-font-family"),
        *("ico-font-size", "ico-line-height", "ico-open", "ico-text-decoration"),
        *("ico-text-transform", "icon-align", "icon-height", "icon-position", "icon-size"),
        *("icon-unwrapped-alt", "icon-unwrapped-url", "icon-width", "icon-wrapped-alt"),
        *("icon-wrapped-url", "id", "inline", "inner-background-color", "inner-border-radius"),
        *("inner-padding", "lang", "left-icon", "letter-spacing", "line-height", "max-width"),
        *("mj-class", "mode", "name", "owa", "position", "rel", "right-icon", "role", "sizes"),
        *("src", "srcset", "table-layout", "target", "tb-border", "tb-border-radius"),
        *("tb-hover-border-color", "tb-selected-border-color", "tb-width", "text-align"),
        *("text-decoration", "text-padding", "text-transform", "thumbnails", "thumbnails-src"),
        *("title", "type", "usemap", "vertical-align", "width"),
    }
)
"""Of all tags together: one that is none of them is a slip of the pen."""
