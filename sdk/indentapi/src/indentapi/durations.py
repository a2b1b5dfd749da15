"""Durations as people give them, and in the two forms in which the API takes them. No I/O."""

from __future__ import annotations

import re
from datetime import timedelta

Duration = timedelta | float | str
"""A timedelta, a number of hours, or a text: `"1h30m"`, `"90m"`, `"3600s"`, `"1.5"` (hours)."""

_UNITS = {"h": 3600, "m": 60, "s": 1}
_PART = r"([0-9]+(?:\.[0-9]+)?)([hms])"
_TEXT = re.compile(f"(?:{_PART})+")
_LONGEST = timedelta(days=366 * 100)


def whole_seconds(duration: Duration) -> int:
    """Round to whole seconds.

    Raises:
        ValueError: it is no duration, shorter than a second or longer than a century.
    """
    try:
        seconds = round(_seconds(duration))
    except (ValueError, OverflowError):
        seconds = 0
    if not 1 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(
            f"{duration!r} is no duration: give a timedelta, a number of hours, "
            "or a text such as '1h30m'; one second at least"
        )
    return seconds


def protobuf(seconds: int) -> str:
    """Write `3600s`, the form of `defaultDuration` (google.protobuf.Duration in JSON)."""
    return f"{seconds}s"


def go(seconds: int) -> str:
    """Write `1h0m0s`, the form of labels (`Duration.String` of Go's package `time`)."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _seconds(duration: Duration) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str):
        text = duration.strip()
        if _TEXT.fullmatch(text):
            return sum(float(n) * _UNITS[unit] for n, unit in re.findall(_PART, text))
        duration = float(text)
    return duration * 3600
