"""Durations as people write them, and in the two forms in which the API takes them. No I/O."""

from __future__ import annotations

import re
from datetime import timedelta

from indentapi.validation import type_with_article

Duration = timedelta | float | str
"""A timedelta, a number of hours, or a text: `"1h30m"`, `"90 min"`, `"1 day"`, `"1.5"` (hours)."""

_SECONDS_PER_UNIT = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_UNIT = r"d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?"
_PART = rf"([0-9]+(?:\.[0-9]+)?)\s*({_UNIT})(?![a-z])"
_TEXT = re.compile(rf"{_PART}(?:\s*{_PART})*", re.IGNORECASE)
_PARTS = re.compile(_PART, re.IGNORECASE)
_MAX = timedelta(days=366 * 100)


def parse_duration(duration: Duration) -> int:
    """The duration in whole seconds.

    Raises:
        TypeError: it is none of the three types.
        ValueError: it isn't a duration, or is shorter than a second or longer than a century.
    """
    if isinstance(duration, bool) or not isinstance(duration, timedelta | int | float | str):
        raise TypeError(
            "a duration must be a timedelta, a number of hours, or a text such as '1h30m', "
            f"not {type_with_article(duration)}"
        )
    try:
        seconds = round(_to_seconds(duration))
    except (ValueError, OverflowError):
        seconds = 0
    if not 1 <= seconds <= _MAX.total_seconds():
        raise ValueError(
            f"{duration!r} isn't a valid duration: give a timedelta, a number of hours, "
            "or a text such as '1h30m'; at least one second"
        )
    return seconds


def format_protobuf(seconds: int) -> str:
    """Write `3600s`, the form of `defaultDuration` (google.protobuf.Duration in JSON)."""
    return f"{seconds}s"


def format_go(seconds: int) -> str:
    """Write `1h0m0s`, the form of labels (`Duration.String` of Go's package `time`)."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _to_seconds(duration: Duration) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str):
        text = duration.strip()
        if _TEXT.fullmatch(text):
            parts = _PARTS.findall(text)
            return sum(float(number) * _SECONDS_PER_UNIT[unit[0].lower()] for number, unit in parts)
        duration = float(text)
    return duration * 3600
