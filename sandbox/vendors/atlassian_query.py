"""How both APIs read a query and write a time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sandbox.vendors.atlassian_timeline import UNITS, Unit, Window, window
from sandbox.vendors.exchange import Request


class RefusedError(Exception):
    """The call is answered with an error: an HTTP status, and a message if not the usual one."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


class InvalidError(RefusedError):
    """A parameter's value cannot be; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(422, message)


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC; with milliseconds only if there are some."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def last(request: Request, name: str, default: str) -> str:
    """The value that counts if there are several."""
    return request.query.get(name, [default])[-1]


def flag(request: Request, name: str) -> bool:
    """Whether it is on; off unless told."""
    told = last(request, name, "false")
    if told not in {"true", "false"}:
        raise InvalidError(f"{name} must be true or false.")
    return told == "true"


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds."""
    told = last(request, name, str(default))
    if not told.isdecimal() or not least <= int(told) <= most:
        raise InvalidError(f"{name} must be a number from {least} to {most}.")
    return int(told)


def moment(request: Request, default: datetime) -> datetime:
    """The `date`, which needs an offset; its plus sign, sent as it is, arrives as a space."""
    told = last(request, "date", default.isoformat())
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidError("date must be a time with an offset, like 2026-03-02T08:00:00Z.")
    return found


def asked_window(request: Request, now: datetime) -> Window:
    """The stretch of a timeline that `interval`, `intervalUnit` and `date` ask for."""
    unit: Unit | None = next(
        (each for each in UNITS if each == last(request, "intervalUnit", "weeks")), None
    )
    if unit is None:
        raise InvalidError(f"intervalUnit must be one of {', '.join(UNITS)}.")
    return window(moment(request, now), number(request, "interval", 1, 1, 100), unit)


def expansions(request: Request, known: Collection[str]) -> set[str]:
    """What `expand` names, in one value or many."""
    named = {name for value in request.query.get("expand", []) for name in value.split(",") if name}
    if unknown := sorted(named.difference(known)):
        raise InvalidError(f"expand cannot be {unknown[0]}; it can be {', '.join(known)}.")
    return named
