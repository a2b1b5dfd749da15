"""A resource as the rules that deny see it: in one form for all of its spellings. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handler.folding import fold
from handler.request import Resource
from handler.rules.globs import fits, matches


class Spelling(NamedTuple):
    """A resource, folded once for all rules.

    Attributes:
        kind, id: the folded ones.
        labels: by the folded name, the folded values of all labels that are called so.
        resource: the resource itself.
    """

    kind: str
    id: str
    labels: Mapping[str, set[str]]
    resource: Resource

    def has_id(self, pattern: str) -> bool:
        """Whether a pattern fits the id, by the letter or folded.

        Only an asterisk of the pattern's own is a wildcard, not what folding makes one of.
        """
        if fits([fold(each) for each in pattern.split("*")], self.id):
            return True
        # Folding puts marks in order, also those on both sides of an asterisk.
        return not pattern.isascii() and matches(pattern, self.resource.id)

    def may_carry(self, name: str, wanted: str) -> bool:
        """Whether the resource lacks a label, or carries one of that name with this value."""
        values = self.labels.get(fold(name), set())
        own = fold(self.resource.labels.get(name, ""))
        return not own or "" in values or fold(wanted) in values


def spelling_of(resource: Resource) -> Spelling:
    """Fold what denying rules look at."""
    labels: dict[str, set[str]] = {}
    for name, value in resource.labels.items():
        labels.setdefault(fold(name), set()).add(fold(value))
    return Spelling(fold(resource.kind), fold(resource.id), labels, resource)
