"""Patterns of ids, in which `*` stands for any run of characters. No I/O."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern fits the whole text, letter case and all.

    Without regular expressions: hundreds of patterns are read at a cold start.
    """
    first, *middle = pattern.split("*")
    if not middle:
        return pattern == text
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
