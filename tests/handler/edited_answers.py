"""A fault of the incident.io double: the right answer, edited by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.vendors.server import Exchange

# Of the double's wrong types, those that only say that something is not there.
HARMLESS = {
    "incidents: null",
    "incidents.*.incident_role_assignments: null",
    "incidents.*.incident_role_assignments.*.assignee: null",
    "schedules: null",
    "schedules.*.current_shifts: null",
    "schedules.*.current_shifts.*.user: null",
    "schedules.*.current_shifts.*.user.email: null",
}
LISTS = {"incidents": "incident_role", "schedules": "on_call"}


@dataclass(frozen=True)
class Edited:
    """The right body after `edit`, which changes it in place."""

    edit: Callable[[Any], None]

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        body = json.loads(exchange.response.body_bytes())
        self.edit(body)
        exchange.send(replace(exchange.response, body=body))


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
