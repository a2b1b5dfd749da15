"""Durations and instants as they are written on the wire, in exact integers. No I/O.

Go's `time.ParseDuration` and `Duration.String` (package documentation of Go's `time`) are what
Indent's labels use; instants are RFC 3339.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5, the micro sign
    "μs": 10**3,  # U+03BC, the Greek letter
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_MOST_CHARACTERS = 64
_MOST_NANOSECONDS = 2**63 - 1
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)


def parse_go(text: str) -> timedelta | None:
    """Read a Go duration (`6h0m0s`, `90m`, `-1ns`), cut down to whole microseconds.

    Less than one is one, so that what is positive stays so. Returns None for what Go refuses,
    overflow of 64-bit nanoseconds included.
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return timedelta(0)
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or not (part[1] or part[2]):
            return None
        unit, fraction = _NANOSECONDS[part[3]], part[2] or ""
        total += int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = part.end()
    if at == 0 or total > _MOST_NANOSECONDS + (sign < 0):
        return None
    return sign * timedelta(microseconds=total // 1000 or bool(total))


def format_go(duration: timedelta) -> str:
    """Write whole seconds, not negative, as Go does: `6h0m0s`, `15m0s`, `30s`, `0s`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def parse_instant(text: str) -> datetime | None:
    """Read an RFC 3339 instant as UTC; None for anything else, a local time without offset too."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    date, time, fraction, offset = match.groups()
    micros = (fraction or ".0")[1:7].ljust(6, "0")
    try:
        moment = datetime.fromisoformat(f"{date}T{time}.{micros}{offset.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_instant(moment: datetime) -> str:
    """Write an instant as Indent does: UTC, milliseconds, `Z`."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"
