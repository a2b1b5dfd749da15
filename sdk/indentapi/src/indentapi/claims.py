"""Claims: what reviewers say about petitions."""

from __future__ import annotations

from indentapi.collection import Creating, Deleting
from indentapi.shapes import Event
from indentapi.transport import Transport


class PetitionClaims(Creating[Event]):
    """`indent.petition.claims(name)`: those of one petition. A list knows `label_selector`."""

    def __init__(self, transport: Transport, parent_path: str) -> None:
        super().__init__(
            transport,
            f"{parent_path}/claims",
            plural="claims",
            singular="claim",
            filters=("label_selector",),
        )


class Claims(PetitionClaims, Deleting[Event]):
    """`indent.claim`: those of the whole space. A list knows `label_selector`."""
