"""Contentful's rich text as HTML.

A document is a tree of nodes: blocks and inlines with `content`, texts with `value` and `marks`
(https://www.contentful.com/developers/docs/concepts/rich-text).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

TAGS = {
    "paragraph": "p",
    **{f"heading-{level}": f"h{level}" for level in range(1, 7)},
    "unordered-list": "ul",
    "ordered-list": "ol",
    "list-item": "li",
    "blockquote": "blockquote",
    "table": "table",
    "table-row": "tr",
    "table-cell": "td",
    "table-header-cell": "th",
}
MARKS = {
    "bold": "strong",
    "italic": "em",
    "underline": "u",
    "code": "code",
    "superscript": "sup",
    "subscript": "sub",
    "strikethrough": "s",
}


def is_rich_text(value: Any) -> bool:
    """Says whether a value is a document of rich text."""
    return isinstance(value, Mapping) and value.get("nodeType") == "document"


def rich_text_html(document: Mapping[str, Any]) -> str:
    """Returns a document as HTML.

    Raises ValueError for what only the site could show: an entry within the text, or a link to one.
    """
    return _inside(document)


def _inside(node: Mapping[str, Any]) -> str:
    return "".join(_node(one) for one in node.get("content") or ())


def _node(node: Mapping[str, Any]) -> str:
    kind, data = node.get("nodeType"), node.get("data") or {}
    if kind == "text":
        return _text(node)
    if kind == "hr":
        return "<hr>"
    if kind == "hyperlink":
        return f'<a href="{escape(str(data.get("uri") or ""))}">{_inside(node)}</a>'
    if kind == "asset-hyperlink":
        return f'<a href="{escape(_asset(data)[0])}">{_inside(node)}</a>'
    if kind == "embedded-asset-block":
        url, title = _asset(data)
        return f'<img src="{escape(url)}" alt="{escape(title)}">'
    if kind not in TAGS:
        raise ValueError(f"rich text holds a '{kind}', which has no HTML of its own")
    return f"<{TAGS[kind]}>{_inside(node)}</{TAGS[kind]}>"


def _text(node: Mapping[str, Any]) -> str:
    html = escape(str(node.get("value") or ""), quote=False).replace("\n", "<br>")
    for mark in node.get("marks") or ():
        tag = MARKS.get(mark.get("type"))
        html = f"<{tag}>{html}</{tag}>" if tag else html
    return html


def _asset(data: Mapping[str, Any]) -> tuple[str, str]:
    """Address and title of an asset that is linked; the link was followed."""
    target = data.get("target") or {}
    url = (target.get("file") or {}).get("url")
    if not url:
        raise ValueError("rich text shows an asset that is not published, or lies too deep")
    return str(url), str(target.get("description") or target.get("title") or "")
