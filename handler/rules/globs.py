"""Patterns of ids, in which `*` stands for any run of characters. No I/O."""

from __future__ import annotations

from collections.abc import Sequence


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern fits the whole text, letter case and all.

    Without regular expressions: hundreds of patterns are read at a cold start.
    """
    return fits(pattern.split("*"), text)


def fits(parts: Sequence[str], text: str) -> bool:
    """Whether a text is made of these parts, in order, with any run of characters between two."""
    first, *middle = parts
    if not middle:
        return first == text
    last = middle.pop()
    if len(first) + len(last) > len(text):
        return False
    if not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
