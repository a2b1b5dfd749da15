"""Suggests durations for invalid texts. Only imported for an error. No I/O."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta

from handler.durations import NANOSECONDS, format_go, parse_duration

EXAMPLE = "use, for example, 90m or 1h30m"
_SECOND = timedelta(seconds=1)
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_WORDS = re.compile(r"[0-9]+(?:\.[0-9]+)?|[a-z]+")
_SHORTEST_WORD = 3
# With less similarity it may be another unit: `nanoseconds`, `weekdays`, `mois`.
_LEAST_ALIKE = 0.8
# The unit of two digits that follow one of these units, and their maximum.
_SMALLER = {"d": ("h", 23), "h": ("m", 59), "m": ("s", 59)}


def typed_duration(text: str) -> timedelta:
    """Read a duration of a second or more.

    Raises:
        ValueError: it isn't one; the message says what to type, without repeating the value.
    """
    duration = parse_duration(text)
    if duration is None:
        raise ValueError(f"isn't a duration: {hint(text)}")
    if duration < _SECOND:
        raise ValueError(f"is less than a second: {EXAMPLE}")
    return duration


def hint(text: str) -> str:
    """Suggest the most similar duration, or give an example."""
    if _NUMBER.fullmatch(text.strip()):
        number = text.strip()
        return f"a number needs a unit, for example {number}m or {number}h"
    near = nearest(text)
    return f"did you mean {near}?" if near else EXAMPLE


def nearest(text: str) -> str:
    """Return the duration that a text probably means (`3h30` -> `3h30m`), or "".

    Numbers and units stay the same, so the length is not guessed.
    """
    # A comma before three digits may separate thousands.
    mended = re.sub(r"(?<=[0-9]),(?=[0-9]{1,2}(?![0-9]))", ".", text.strip().lower())
    mended = re.sub(r"\band\b|(?<![0-9,])[,&+;]", " ", mended)
    if re.sub(r"[0-9a-z.\s]", "", mended):
        return ""
    words = _WORDS.findall(mended)
    if "".join(words) != "".join(mended.split()):
        return ""
    numbers, units = words[::2], [_unit(word) for word in words[1::2]]
    if len(numbers) == len(units) + 1 and units:
        smaller, most = _SMALLER.get(units[-1], ("", 0))
        if len(numbers[-1]) == len("30") and numbers[-1].isdigit() and int(numbers[-1]) <= most:
            units.append(smaller)
    if len(numbers) != len(units) or not all(units) or len(set(units)) < len(units):
        return ""
    parts = sorted(zip(units, numbers, strict=True), key=lambda part: -NANOSECONDS[part[0]])
    duration = parse_duration("".join(number + unit for unit, number in parts))
    return short(duration) if duration and not duration % _SECOND else ""


def short(duration: timedelta) -> str:
    """Write whole seconds as people type them: `3h30m`, `168h`, `1s`."""
    parts = re.findall(r"([0-9]+)([hms])", format_go(duration))
    return "".join(number + unit for number, unit in parts if int(number)) or "0s"


def _unit(word: str) -> str:
    """Return the shortest name of a unit, even if misspelt, or ""."""
    if word not in NANOSECONDS:
        near = difflib.get_close_matches(word, NANOSECONDS, n=1, cutoff=_LEAST_ALIKE)
        if len(word) < _SHORTEST_WORD or not near:
            return ""
        word = near[0]
    return next(unit for unit in NANOSECONDS if NANOSECONDS[unit] == NANOSECONDS[word])
