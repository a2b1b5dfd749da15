"""How PagerDuty reads a query: pages by `limit` and `offset`, windows of time, time zones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.pagerduty_records import Shift

Listed = TypeVar("Listed")

_MOST = 10_000
_TURN = timedelta(weeks=1)
INVALID_INPUT, INVALID_TIMES, INVALID_RANGE = 2001, 2004, 2005


class RefusedError(Exception):
    """A parameter's value cannot be; the arguments are the vendor's code and a sentence."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a query asks about: from `since` until just before `until`, or one moment."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise RefusedError(INVALID_RANGE, "until must not be before since")

    def seen(self, shifts: Iterable[Shift]) -> list[Shift]:
        """The shifts in it; the vendor finds none in a window of less than a second."""
        length = self.until - self.since
        if timedelta() < length < timedelta(seconds=1):
            return []
        moment = timedelta(microseconds=0 if length else 1)
        return [
            each for each in shifts if each.start < self.until + moment and self.since < each.last
        ]

    def rendered(self, shifts: Iterable[Shift], *, overflow: bool) -> list[Shift]:
        """The shifts in it, cut at its bounds, or whole: one for good in turns of a week."""
        seen = self.seen(shifts)
        if not overflow:
            return [each.part(self.since, self.until) for each in seen]
        return [each if each.end else each.part(each.start, self.until + _TURN) for each in seen]

    def coverage(self, shifts: Iterable[Shift]) -> float:
        """How much of it somebody is on call, in per cent."""
        covered, reached = timedelta(), self.since
        manned = [each for each in self.seen(shifts) if each.person_id]
        for each in manned:
            last = min(each.last, self.until)
            covered += max(timedelta(), last - max(each.start, reached))
            reached = max(reached, last)
        if length := self.until - self.since:
            return round(100 * (covered / length), 1)
        return 100.0 if manned else 0.0


def page_of(
    request: Request,
    name: str,
    rows: Sequence[Listed],
    rendered: Callable[[Listed], dict[str, Any]],
    *,
    v3: bool = False,
) -> Answer:
    """The rows from `offset` on. Too large a `limit` is taken for the largest."""
    asked = _number(request, "limit", 100 if v3 else 25, least=1)
    offset = _number(request, "offset", 0, least=0)
    if offset + asked > _MOST:
        raise RefusedError(INVALID_INPUT, f"offset and limit must not exceed {_MOST} in sum")
    limit = min(asked, 1000 if v3 else 100)
    body: dict[str, Any] = {
        name: [rendered(row) for row in rows[offset : offset + limit]],
        "limit": limit,
        "offset": offset,
        "more": offset + limit < len(rows),
    }
    if not v3:
        body["total"] = len(rows) if is_true(request, "total") else None
    return Answer(OK, body, page=1 + -(-offset // limit))


def is_true(request: Request, name: str) -> bool:
    """Whether a switch is on: in lower case only."""
    return request.query.get(name, [""])[-1] == "true"


def zone_of(request: Request, account_zone: str) -> ZoneInfo:
    """The time zone to tell times in: the account's unless told."""
    told = request.query.get("time_zone", [account_zone])[-1]
    try:
        return ZoneInfo(told)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RefusedError(INVALID_INPUT, f"time_zone {told!r} is not known") from error


def time_of(request: Request, name: str, zone: ZoneInfo) -> datetime | None:
    """A time of the query, in this zone unless it names an offset."""
    told = request.query.get(name, [""])[-1]
    if not told:
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError as error:
        raise RefusedError(INVALID_TIMES, f"{name} {told!r} is no time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def matches(request: Request, *names: str | None) -> bool:
    """Whether one of these holds what the query searches for, whatever its case."""
    wanted = request.query.get("query", [""])[-1].casefold()
    return any(wanted in name.casefold() for name in names if name is not None)


def _number(request: Request, name: str, default: int, *, least: int) -> int:
    told = request.query.get(name, [str(default)])[-1]
    if not told.isdecimal() or int(told) < least:
        raise RefusedError(INVALID_INPUT, f"{name} {told!r} is no number from {least} on")
    return int(told)
