"""How often to ask whether something has happened: often at first, so that an instant one shows."""

from __future__ import annotations

from collections.abc import Iterator

_FIRST, _GROWTH, _LONGEST = 0.005, 1.3, 2.0


def intervals() -> Iterator[float]:
    """The seconds between one look and the next: 0.005 at first, growing to 2."""
    interval = _FIRST
    while True:
        yield interval
        interval = min(interval * _GROWTH, _LONGEST)
