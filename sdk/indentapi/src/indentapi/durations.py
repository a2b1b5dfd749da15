"""Durations as people write them, and in the two forms that the API accepts. No I/O."""

from __future__ import annotations

import re
from datetime import timedelta

from indentapi.validation import type_with_article

Duration = timedelta | float | str
"""A timedelta, a number of hours, or a text: `"1h30m"`, `"90 min"`, `"1 day"`."""

_NAMES = (
    ("w week weeks", 604_800 * 10**9),
    ("d day days", 86_400 * 10**9),
    ("h hr hrs hour hours", 3600 * 10**9),
    ("m min mins minute minutes", 60 * 10**9),
    ("s sec secs second seconds", 10**9),
    ("ms", 10**6),
    ("us \u00b5s \u03bcs", 10**3),  # the micro sign, and the Greek letter
    ("ns", 1),
)
_NANOSECONDS = {name: length for names, length in _NAMES for name in names.split()}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))? ?([^0-9. ]+) ?")
_MAX_LENGTH = 64
_LONGEST = timedelta(days=366 * 100)


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
        seconds = _to_seconds(duration)
    except (ValueError, OverflowError):
        seconds = 0
    if not 1 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(
            f"{duration!r:.60} isn't a valid duration: give a timedelta, a number of hours, "
            "or a text with units, for example '90m' or '1h30m'; at least one second"
        )
    return round(seconds)


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
    return _parse_text(duration) if isinstance(duration, str) else duration * 3600


def _parse_text(text: str) -> float:
    """Read a text as the webhook does: each unit once, the larger first, a fraction last.

    Raises:
        ValueError: it isn't a duration; a number without its unit isn't, either.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError("too long")
    text = " ".join(text.lower().split()).removeprefix("+")
    total, position, has_fraction = 0, 0, False
    last_unit = max(_NANOSECONDS.values()) + 1
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or not (part[1] or part[2]):
            raise ValueError("no number, or no unit")
        unit, fraction = _NANOSECONDS.get(part[3], last_unit), part[2] or ""
        amount = int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        if unit >= last_unit or (has_fraction and amount):
            raise ValueError("no unit, or out of order")
        total, position, last_unit = total + amount, part.end(), unit
        has_fraction = has_fraction or bool(fraction)
    return total / 10**9
