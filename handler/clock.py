"""Time, which is passed as an argument. Only app.py reads the machine's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from handler.typing import NamedTuple

# Enough for whoever is asked to answer, if they can.
ENOUGH_SECONDS = 1.0


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

    def ran_out_early(self, seconds: float) -> bool:
        """Whether a step that began with so many seconds left had too little time.

        A call that comes late leaves its steps little. That they fail then says nothing about whom
        they asked, so it must not be remembered for other calls.
        """
        return not self.left() and seconds < ENOUGH_SECONDS

    def part(self, share: float) -> Deadline:
        """Give an earlier one, after this share of the remaining time."""
        return Deadline(self._clock, self.left() * share)
