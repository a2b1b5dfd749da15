"""The child processes of a process, read from /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children_of(parent: int) -> set[int]:
    """The children of a process that it hasn't reaped yet."""
    children = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # pid (name) state ppid ...; the name may contain anything.
            _, ppid = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if int(ppid) == parent:
                children.add(int(stat.parent.name))
    return children
