"""Durations and instants (RFC 3339), as people type them and as protocols write them. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = (
    ("w week weeks", 604_800 * 10**9),
    ("d day days", 86_400 * 10**9),
    ("h hr hrs hour hours", 3600 * 10**9),
    ("m min mins minute minutes", 60 * 10**9),
    ("s sec secs second seconds", 10**9),
    ("ms", 10**6),
    ("us \u00b5s \u03bcs", 10**3),  # the micro sign, and the Greek letter
    ("ns", 1),
)
NANOSECONDS = {name: length for names, length in _UNITS for name in names.split()}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))? ?([^0-9. ]+) ?")
_MOST_CHARACTERS = 64
_MOST_NANOSECONDS = 2**63 - 1
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)


def parse_duration(text: str) -> timedelta | None:
    """Read a duration as Go's `Duration.String` and people write it: `1h30m`, `90 min`, `-1ns`.

    Every number but `0` needs a unit. Each unit may occur once, larger units come first, and only
    the last number may have a fraction: `1h1h`, `30m1h` and `1.5h30m` may be typing errors.

    Returns None for anything else, and for more nanoseconds than fit into 64 bits. The result is in
    whole microseconds, rounded down, but at least one, so that a positive duration stays positive.
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    text = " ".join(text.lower().split())
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return timedelta(0)
    total, at, larger, cut = 0, 0, _MOST_NANOSECONDS, False
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or not (part[1] or part[2]):
            return None
        unit, fraction = NANOSECONDS.get(part[3], larger), part[2] or ""
        amount = int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        amount = max(amount, bool(fraction.strip("0")))
        if unit >= larger or (cut and amount):
            return None
        total, at, larger, cut = total + amount, part.end(), unit, cut or bool(fraction)
    if at == 0 or total > _MOST_NANOSECONDS + (sign < 0):
        return None
    return sign * timedelta(microseconds=total // 1000 or bool(total))


def format_go(duration: timedelta) -> str:
    """Write whole seconds, not negative, as Go does: `6h0m0s`, `15m0s`, `30s`, `0s`."""
    hours, minutes, seconds = _split(duration)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def in_words(duration: timedelta) -> str:
    """Write whole seconds, not negative, for people: `6 hours`, `1 hour 30 minutes`."""
    parts = zip(_split(duration), ("hour", "minute", "second"), strict=True)
    words = (f"{count} {unit}{'s' * (count != 1)}" for count, unit in parts if count)
    return " ".join(words) or "less than a second"


def _split(duration: timedelta) -> tuple[int, int, int]:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return minutes // 60, minutes % 60, seconds


def parse_instant(text: str) -> datetime | None:
    """Read an RFC 3339 instant as UTC; None for anything else, such as a time without offset."""
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
