"""Puts `[email]` and `[card]` where a text or a tree of values holds one."""

from __future__ import annotations

from typing import Any

from sparkperso.privacy.scan import scan


def mask(text: str) -> tuple[str, int]:
    """Returns a text with its findings masked, and their number; masking again changes nothing."""
    findings = scan(text)
    for finding in reversed(findings):
        text = f"{text[: finding.start]}[{finding.kind}]{text[finding.end :]}"
    return text, len(findings)


def mask_tree(value: Any) -> tuple[Any, int]:
    """Returns JSON's values with all texts masked (keys and whole numbers too), and how often."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        pairs = [(mask(key), mask_tree(inner)) for key, inner in value.items()]
        masked = {key: inner for (key, _), (inner, _) in pairs}
        return masked, sum(more + most for (_, more), (_, most) in pairs)
    if isinstance(value, list):
        items = [mask_tree(inner) for inner in value]
        return [item for item, _ in items], sum(count for _, count in items)
    return _number(value)


def _number(value: Any) -> tuple[Any, int]:
    """Returns a card number that came as a number masked; other values as they are."""
    if type(value) is int and value > 0:
        text, count = mask(str(value))
        return (text, count) if count else (value, 0)
    return value, 0
