"""The vendor's JSON of one schedule, with who is on it when: of layers, or of shifts."""

from __future__ import annotations

from sandbox.vendors.pagerduty_json import Json, Rendering
from sandbox.vendors.pagerduty_lists import Window
from sandbox.vendors.pagerduty_records import Schedule, Shift

_SET_UP, _FIRST_TURN_ENDS = "2024-01-08T09:00:00Z", "2024-01-15T09:00:00Z"
_ROTATION, _EVENT = f"Q{1:025d}", f"Q{2:025d}"
_TURN_SECONDS = 7 * 24 * 60 * 60


def layered(rendering: Rendering, one: Schedule, window: Window | None, *, overflow: bool) -> Json:
    """A schedule of layers; who is on is told for a window only, and nobody is a gap in it."""
    entries: list[Json] = []
    coverage = None
    if window:
        parts = window.rendered(one.final, overflow=overflow)
        entries = [_entry(rendering, part, part.person_id) for part in parts if part.person_id]
        coverage = window.coverage(one.final)
    rendered = {"rendered_schedule_entries": entries, "rendered_coverage_percentage": coverage}
    none: Json = {
        "rendered_schedule_entries": [],
        "rendered_coverage_percentage": 0.0 if window else None,
    }
    layer = {
        "id": f"P{1:06d}",
        "name": "Layer 1",
        "start": _SET_UP,
        "end": None,
        "rotation_virtual_start": _SET_UP,
        "rotation_turn_length_seconds": _TURN_SECONDS,
        # Everybody in it, on call or not: a reader must not take them for on call.
        "users": [{"user": each} for each in rendering.references(one.members)],
        "restrictions": [],
    }
    return {
        **rendering.listed_schedule(one.id),
        "schedule_layers": [{**layer, **rendered}],
        "overrides_subschedule": {"name": "Overrides", **none},
        "final_schedule": {"name": "Final Schedule", **rendered},
    }


def shift_based(
    rendering: Rendering, one: Schedule, window: Window | None, *, overflow: bool
) -> Json:
    """A schedule of shifts; who is on is told for a window only: by id, maybe several at once."""
    body = {**rendering.schedule(one.id), "rotations": [_rotation(rendering, one)]}
    if window:
        parts = window.rendered(one.final, overflow=overflow)
        body["final_schedule"] = {
            "type": "final_schedule",
            "rendered_coverage_percentage": window.coverage(one.final),
            "computed_shift_assignments": [_assignment(rendering, part) for part in parts],
        }
    return body


def _entry(rendering: Rendering, part: Shift, person_id: str) -> Json:
    return {
        "id": part.id,
        "start": rendering.instant(part.start),
        "end": rendering.instant(part.last),
        "user": rendering.user_reference(person_id),
    }


def _assignment(rendering: Rendering, part: Shift) -> Json:
    return {
        "type": "computed_shift_assignment",
        "start_time": rendering.instant(part.start),
        "end_time": rendering.instant(part.last),
        "member": _member(part.person_id),
        "source": {"type": "schedule_rotation", "rotation_id": _ROTATION},
    }


def _member(person_id: str | None) -> Json:
    if person_id is None:
        return {"type": "empty_member"}
    return {"type": "user_member", "user_id": person_id}


def _rotation(rendering: Rendering, one: Schedule) -> Json:
    zone = rendering.account_zone
    return {
        "id": _ROTATION,
        "type": "schedule_rotation",
        "events": [
            {
                "id": _EVENT,
                "type": "schedule_event",
                "name": "Weekly",
                "start_time": {"date_time": _SET_UP, "time_zone": zone},
                "end_time": {"date_time": _FIRST_TURN_ENDS, "time_zone": zone},
                "effective_since": _SET_UP,
                "effective_until": None,
                "recurrence": ["RRULE:FREQ=WEEKLY"],
                "assignment_strategy": {
                    "type": "rotating_member_assignment_strategy",
                    "shifts_per_member": 1,
                    "members": [_member(each) for each in one.members],
                },
            }
        ],
    }
