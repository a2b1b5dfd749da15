"""The clock and its deadlines."""

from __future__ import annotations

from tests.handler.conftest import SetClock


def test_a_deadline_counts_down_to_nothing(set_clock: SetClock) -> None:
    """What is left shrinks with time, whatever the wall clock does, and is never negative."""
    set_clock.advance(1000)
    deadline = set_clock.deadline(6)
    assert deadline.left() == 6
    set_clock.now = set_clock.now.replace(year=1999)
    assert deadline.left() == 6
    set_clock.advance(4)
    assert deadline.left() == 2
    set_clock.advance(2)
    assert deadline.left() == 0
    set_clock.advance(100)
    assert deadline.left() == 0


def test_a_part_of_a_deadline(set_clock: SetClock) -> None:
    """It is over sooner, and takes nothing from the whole."""
    deadline = set_clock.deadline(6)
    set_clock.advance(1)
    part = deadline.part(0.6)
    assert (part.left(), deadline.left()) == (3, 5)
    set_clock.advance(4)
    assert (part.left(), deadline.left()) == (0, 1)
