"""How incident.io cuts a list into pages and filters it: `page_size`, `after`, `[one_of]`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.incidentio_records import Incident, Person, Schedule, Update

Listed = TypeVar("Listed", Incident, Person, Schedule, Update)


class InvalidError(Exception):
    """A parameter's value cannot be; the arguments are its name and a message."""


def page_of(
    request: Request,
    name: str,
    ordered: list[Listed],
    wanted: Callable[[Listed], bool],
    rendered: Callable[[Listed], dict[str, Any]],
    *,
    largest: int,
    counted: bool = True,
) -> Answer:
    """The rows after the one that `after` names, whether or not that one is still wanted."""
    size, skipped = size_of(request, largest), 0
    if after := request.query.get("after", [""])[-1]:
        places = {one.id: place for place, one in enumerate(ordered, 1)}
        if after not in places:
            raise InvalidError("after", "There is nothing of this id.")
        skipped = places[after]
    before = sum(wanted(one) for one in ordered[:skipped])
    rest = [one for one in ordered[skipped:] if wanted(one)]
    meta: dict[str, Any] = {"page_size": size}
    if counted:
        meta["total_record_count"] = before + len(rest)
    if len(rest) > size:
        meta["after"] = rest[size - 1].id
    body = {name: [rendered(one) for one in rest[:size]], "pagination_meta": meta}
    return Answer(OK, body, page=1 + -(-before // size))


def size_of(request: Request, largest: int) -> int:
    """How many rows a page shall have: 25 unless told."""
    told = request.query.get("page_size", ["25"])[-1]
    if not told.isdecimal() or not 1 <= int(told) <= largest:
        raise InvalidError("page_size", f"Must be a number from 1 to {largest}.")
    return int(told)


def one_of(
    request: Request, name: str, known: Collection[str], default: Collection[str]
) -> Collection[str]:
    """The values that a filter lets through."""
    values = request.query.get(f"{name}[one_of]", default)
    if wrong := [value for value in values if value not in known]:
        raise InvalidError(name, f"{wrong[0]!r} is none of {', '.join(known)}.")
    return values
