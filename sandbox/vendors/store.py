"""What every provider's state is kept in: tables of rows by id, and a count of their changes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar


class Row(Protocol):
    """A thing of a provider's, as it is at one moment."""

    @property
    def id(self) -> str:
        """What nothing else of the provider's is called by."""


Kept = TypeVar("Kept", bound=Row)


class Tables:
    """What a provider's state starts from; `changes` grows with every row that is kept."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.changes = 0
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    def _keep(self, table: dict[str, Kept], row: Kept) -> Kept:
        table[row.id] = row
        self.changes += 1
        return row


def find(table: Mapping[str, Kept], wanted: Kept | str, called: str) -> Kept:
    """The row as it is now: by itself, by its id, or by what only one is called."""
    if not isinstance(wanted, str):
        return table[wanted.id]
    if wanted in table:
        return table[wanted]
    match [row for row in table.values() if getattr(row, called) == wanted]:
        case [row]:
            return row
        case rows:
            raise LookupError(f"{len(rows)} have the {called} {wanted!r}, not 1")
