"""What the state of every double is kept in: tables of rows by id."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from typing import Protocol, TypeVar

from sandbox.vendors.server import Clock


class Row(Protocol):
    """A thing of a vendor's, as it is at one moment."""

    @property
    def id(self) -> str:
        """Its id, unlike that of any other thing of the vendor's."""


AnyRow = TypeVar("AnyRow", bound=Row)


class Store:
    """The base of a vendor's state.

    Attributes:
        now: the clock.
        changes: how many rows were saved so far.
    """

    def __init__(self, now: Clock) -> None:
        self.now = now
        self.changes = 0
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    def _save(self, table: dict[str, AnyRow], row: AnyRow) -> AnyRow:
        """Add a row, or put it in the place of the one that has its id."""
        table[row.id] = row
        self.changes += 1
        return row


def find(table: Mapping[str, AnyRow], wanted: AnyRow | str) -> AnyRow:
    """Find a row as it is now: by itself, by its id, or by what people call it.

    Raises:
        LookupError: several are called so, or none is.
    """
    if not isinstance(wanted, str):
        return table[wanted.id]
    if wanted in table:
        return table[wanted]
    rows = [row for row in table.values() if _label(row) == wanted]
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} are called {wanted!r}, not 1")
    return rows[0]


def _label(row: Row) -> object:
    """Give what people call it: a person's e-mail, an incident's reference, any other name."""
    labels = (getattr(row, name) for name in ("email", "reference", "name") if hasattr(row, name))
    return next(labels)
