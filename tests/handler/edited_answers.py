"""Faults of the incident.io double: the correct answer, edited by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.vendors.server import Exchange

# Wrong types that only mean that a value is missing.
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
    """Answer with the correct body, changed in place by `edit`."""

    edit: Callable[[Any], None]

    def __call__(self, exchange: Exchange) -> None:
        """Send the edited answer."""
        body = json.loads(exchange.response.body_bytes())
        self.edit(body)
        exchange.send(replace(exchange.response, body=body))


def put(*path: str | int, value: object) -> Edited:
    """Replace the value at a path."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return Edited(edit)


def drop(*path: str | int) -> Edited:
    """Remove the field at a path."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return Edited(edit)
