"""What the JSON of both APIs has in common: rotations, and the layers of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sandbox.vendors.atlassian_query import instant
from sandbox.vendors.atlassian_records import Responder, Schedule, Tables
from sandbox.vendors.atlassian_timeline import Period, Window, periods

Json = dict[str, Any]

LAYERS = ("base", "forwarding", "override")
_FORWARDED = ("forwarding",)
_ALL = ("base", "forwarding", "historical")


def rotations(
    one: Schedule, tables: Tables, rendered: Callable[[Responder | None], Json]
) -> list[Json]:
    """Everybody in each rotation, on shift or not: a reader must not take them for on call."""
    everybody = tables.responders()
    return [
        {
            "id": _rotation_id(one, order),
            "name": name,
            "startDate": instant(shifts[0].start),
            "type": "weekly",
            "length": 1,
            "participants": [
                rendered(everybody[who] if who else None)
                for who in dict.fromkeys(shift.who for shift in shifts)
            ],
        }
        for order, (name, shifts) in enumerate(one.rotations().items(), 1)
    ]


def timeline(
    one: Schedule,
    tables: Tables,
    shown: Window,
    now: datetime,
    expand: Collection[str],
    rendered: Callable[[Period], Json],
) -> Json:
    """Who was, is and will be on call; `base` is before forwardings, which is not who it is."""

    def layer(kinds: Collection[str], *, forwarded: bool = True) -> Json:
        return {
            "rotations": [
                {
                    "id": _rotation_id(one, order),
                    "name": name,
                    "order": order,
                    "periods": [
                        rendered(each)
                        for each in periods(tables, shifts, shown, now, forwarded=forwarded)
                        if each.kind in kinds
                    ],
                }
                for order, (name, shifts) in enumerate(one.rotations().items(), 1)
            ]
        }

    body: Json = {
        "startDate": instant(shown.start),
        "endDate": instant(shown.end),
        "finalTimeline": layer(_ALL),
    }
    if "base" in expand:
        body["baseTimeline"] = layer(_ALL, forwarded=False)
    if "forwarding" in expand:
        body["forwardingTimeline"] = layer(_FORWARDED)
    if "override" in expand:
        body["overrideTimeline"] = {"rotations": []}
    return body


def _rotation_id(one: Schedule, order: int) -> str:
    return f"{one.id[:-4]}{order:04}"
