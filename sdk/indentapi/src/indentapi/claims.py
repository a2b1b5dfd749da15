"""Claims: what reviewers say about petitions."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Unpack

from indentapi.collection import Creating, Deleting, PageFilters
from indentapi.transport import Transport
from indentapi.types import Event


class ClaimFilters(PageFilters, total=False):
    """What a list of claims can be narrowed by."""

    label_selector: str | None


class PetitionClaims(Creating[Event]):
    """`indent.petition.claims(name)`: those of one petition."""

    def __init__(self, transport: Transport, parent_path: str) -> None:
        super().__init__(
            transport,
            f"{parent_path}/claims",
            plural="claims",
            singular="claim",
            filters=ClaimFilters,
        )

    def iter(self, **filters: Unpack[ClaimFilters]) -> Iterator[Event]:
        """Every claim, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[ClaimFilters]) -> builtins.list[Event]:
        """Every claim of every page."""
        return [*self._iter(filters)]


class Claims(PetitionClaims, Deleting[Event]):
    """`indent.claim`: those of the whole space."""
