"""A resource in the one form that denying rules compare. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handler.folding import fold
from handler.request import Resource
from handler.rules.globs import fits, matches


class FoldedResource(NamedTuple):
    """A resource, folded once for all rules.

    Attributes:
        kind, id: folded.
        labels: by folded name, the folded values of all labels with such a name.
        resource: the resource itself.
    """

    kind: str
    id: str
    labels: Mapping[str, set[str]]
    resource: Resource

    def has_id(self, pattern: str) -> bool:
        """Whether a pattern fits the id, exactly or folded.

        Only the pattern's own asterisks are wildcards, not those that folding makes.
        """
        if fits([fold(part) for part in pattern.split("*")], self.id):
            return True
        # Folding orders marks, also across an asterisk.
        return not pattern.isascii() and matches(pattern, self.resource.id)

    def may_carry(self, name: str, value: str) -> bool:
        """Whether the resource lacks this label, or has one of that name with this value."""
        values = self.labels.get(fold(name), set())
        own = fold(self.resource.labels.get(name, ""))
        return not own or "" in values or fold(value) in values


def fold_resource(resource: Resource) -> FoldedResource:
    """Fold what denying rules compare."""
    labels: dict[str, set[str]] = {}
    for name, value in resource.labels.items():
        labels.setdefault(fold(name), set()).add(fold(value))
    return FoldedResource(fold(resource.kind), fold(resource.id), labels, resource)
