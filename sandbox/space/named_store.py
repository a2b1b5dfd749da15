"""Items by their names, for several threads."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from sandbox.space.api import not_found

Item = TypeVar("Item")


class NamedStore(Generic[Item]):
    """Items in the order in which they were added.

    Args:
        kind: what an item is called, for the error about one that does not exist.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.RLock()
        self._items: dict[str, Item] = {}

    def get(self, name: str) -> Item:
        """The item of this name; ApiError if there is none."""
        with self._lock:
            if name not in self._items:
                raise not_found(self._kind, name)
            return self._items[name]

    def remove(self, name: str) -> Item:
        """Delete the item of this name, and return it; ApiError if there is none."""
        with self._lock:
            item = self.get(name)
            del self._items[name]
            return item

    def all(self) -> list[Item]:
        """Every item."""
        with self._lock:
            return list(self._items.values())

    def save(self, name: str, item: Item) -> Item:
        """Add an item, or replace the one of this name; return it."""
        with self._lock:
            self._items[name] = item
            return item
