"""Time, which is passed as an argument. Only app.py reads the machine's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """Three views of time: the instant in UTC, seconds that never jump, and waiting."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


class Deadline:
    """A moment by which all steps must be done."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._at - self._clock.monotonic())

    def part(self, share: float) -> Deadline:
        """Give an earlier one, after this share of the remaining time."""
        return Deadline(self._clock, self.left() * share)
