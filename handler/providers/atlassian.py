"""What Opsgenie and its successor have in common: whose end is asked for, and timelines. No I/O."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from handler.duty import ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.json_fields import (
    JsonObject,
    ShapeError,
    get_object,
    get_str,
    read_entries,
    require_instant,
    require_list,
    require_str,
)
from handler.providers.base import DutyQuery

# A timeline begins today, and cuts what reaches beyond it. Of nine days, more than the longest
# approval is left however late it is, even if the clocks go forward meanwhile: an end that is only
# the timeline's shortens no access, and isn't `CERTAIN`.
TIMELINE = "timeline?interval=9&intervalUnit=days"
MOST_TIMELINES = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def duties_without_end(
    provider: str, query: DutyQuery, snapshot: ProviderSnapshot
) -> list[tuple[str, list[Duty]]]:
    """Give the duties whose end a rule needs, by schedule."""
    by_schedule: defaultdict[str, list[Duty]] = defaultdict(list)
    for duty in snapshot.duties if query.ends else ():
        if (
            duty.provider == provider
            and (query.holders is None or duty.holder in query.holders)
            and (query.any_schedule or any(map(duty.is_named, query.schedules)))
        ):
            by_schedule[duty.id].append(duty)
    # The same schedules in every round: those whose ends are read are among them.
    return [
        (schedule, [duty for duty in by_schedule[schedule] if not duty.end])
        for schedule in sorted(by_schedule)[:MOST_TIMELINES]
    ]


def read_shift_ends(
    timeline: JsonObject, person_of: Callable[[JsonObject], str], now: datetime
) -> tuple[dict[str, datetime], int]:
    """Read when the shift of each person on shift ends; count the unreadable entries.

    Periods of one person that touch or overlap, in whatever rotations, are one. `person_of` gives
    the person of a period, or "" where it is nobody, or a team's or an escalation's.
    """

    def read_period(period: JsonObject) -> tuple[datetime, datetime, str]:
        start, end = require_instant(period, "startDate"), require_instant(period, "endDate")
        return start, end, person_of(period)

    rotations, unread = read_entries(
        require_list(get_object(timeline, "finalTimeline"), "rotations"),
        lambda rotation: require_list(rotation, "periods"),
    )
    periods: list[tuple[datetime, datetime, str]] = []
    for entries in rotations:
        readable, odd = read_entries(entries, read_period)
        periods += readable
        unread += odd
    ends: dict[str, datetime] = {}
    for start, end, person in sorted(periods):
        if person and start <= ends.get(person, now) < end:
            ends[person] = end
    return ends, unread


def read_schedule(provider: str, schedule: JsonObject) -> tuple[ScheduleOrRole, bool]:
    """Read a schedule, and whether it says if it is on: one that doesn't say so is off."""
    enabled = schedule.get("enabled")
    names = (get_str(schedule, "name"),)
    listed = ScheduleOrRole(provider, ON_CALL, require_id(schedule, "id"), names, enabled is True)
    return listed, isinstance(enabled, bool)


def require_id(parent: JsonObject, field: str) -> str:
    """Read an id that may become part of an address."""
    text = require_str(parent, field)
    if not is_id(text):
        raise ShapeError(f"{field} is not an id")
    return text


def is_id(text: str) -> bool:
    """Whether a text can be an id, and so part of an address."""
    return _ID.fullmatch(text) is not None
