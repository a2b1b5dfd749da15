"""A fault of the incident.io double: the right answer, edited by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from sandbox.vendors.exchange import Exchange

# Of the double's wrong types, those that only say that something is not there.
HARMLESS = {
    "incidents is null",
    "incident_role_assignments is null",
    "assignee is null",
    "schedules is null",
    "current_shifts is null",
    "user is null",
    "the user's email is null",
}
LISTS = {"incidents": "incident_role", "schedules": "on_call"}


class Edited(NamedTuple):
    """The right body after `edit`, which changes it in place."""

    edit: Callable[[Any], None]

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        body = json.loads(exchange.right.rendered())
        self.edit(body)
        exchange.send(replace(exchange.right, body=body))


def put(*path: str | int, value: object) -> Edited:
    """Another value in one place."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return Edited(edit)


def drop(*path: str | int) -> Edited:
    """One field less."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return Edited(edit)
