"""The state of a double: tables of rows by id, changed under a lock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol, TypeVar

from sandbox.vendors.server import Clock

SHIFT = timedelta(hours=8)
"""How long a shift lasts, unless a test says otherwise."""


class Row(Protocol):
    """A person, schedule, incident or the like, at one moment."""

    @property
    def id(self) -> str:
        """Its id, which is unique in the account."""


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
        """Add a row, or replace the one with its id."""
        table[row.id] = row
        self.changes += 1
        return row


def find(table: Mapping[str, AnyRow], key: AnyRow | str) -> AnyRow:
    """Find a row as it is now: by an older version of it, by its id, or by its name for people.

    Raises:
        LookupError: several have that name, or none has.
    """
    if not isinstance(key, str):
        return table[key.id]
    if key in table:
        return table[key]
    rows = [row for row in table.values() if _label(row) == key]
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} are called {key!r}, not 1")
    return rows[0]


def _label(row: Row) -> object:
    """Give its name for people: a person's e-mail, an incident's reference, any other name."""
    labels = (getattr(row, name) for name in ("email", "reference", "name") if hasattr(row, name))
    return next(labels)
