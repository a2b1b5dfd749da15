"""The clock and its deadlines."""

from __future__ import annotations

from tests.handler.conftest import SetClock


def test_a_deadline_counts_down_to_zero(set_clock: SetClock) -> None:
    """A deadline counts down to zero, independently of the wall clock."""
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
    """A part of a deadline ends sooner, and doesn't shorten the whole."""
    deadline = set_clock.deadline(6)
    set_clock.advance(1)
    part = deadline.part(0.6)
    assert (part.left(), deadline.left()) == (3, 5)
    set_clock.advance(4)
    assert (part.left(), deadline.left()) == (0, 1)
