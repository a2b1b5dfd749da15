"""Compares resources with selectors: exactly, or folded for denying rules. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handler.folding import fold
from handler.request import Resource
from handler.typing import NamedTuple


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches the whole text; `*` stands for any characters.

    It uses no regular expressions, as a cold start reads hundreds of patterns.
    """
    return fits(pattern.split("*"), text)


def fits(parts: Sequence[str], text: str) -> bool:
    """Whether a text consists of these parts, in order, with anything between them."""
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
        place = text.find(part, at, end)
        if place < 0:
            return False
        at = place + len(part)
    return True


class FoldedResource(NamedTuple):
    """An action on a resource, folded once for all rules.

    Attributes:
        labels: all values of each folded name.
        resource: as it was requested.
    """

    action: str
    kind: str
    id: str
    labels: Mapping[str, set[str]]
    resource: Resource

    def has_id(self, pattern: str) -> bool:
        """Whether a pattern matches the id, exactly or folded.

        Only the pattern's own asterisks are wildcards, not those that result from folding.
        """
        if fits([fold(part) for part in pattern.split("*")], self.id):
            return True
        # Folding reorders marks, even across an asterisk.
        return not pattern.isascii() and matches(pattern, self.resource.id)

    def may_carry(self, name: str, value: str) -> bool:
        """Whether the resource lacks this label, or has it with this value."""
        values = self.labels.get(fold(name), set())
        own = fold(self.resource.labels.get(name, ""))
        return not own or "" in values or fold(value) in values


def fold_resource(resource: Resource, action: str) -> FoldedResource:
    """Fold a resource for the denying rules."""
    labels: dict[str, set[str]] = {}
    for name, value in resource.labels.items():
        labels.setdefault(fold(name), set()).add(fold(value))
    return FoldedResource(fold(action), fold(resource.kind), fold(resource.id), labels, resource)
