"""What Opsgenie and its successor have in common: whose end is asked for, and timelines. No I/O."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from handler.durations import parse_instant
from handler.duty import Duty, ProviderSnapshot
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str, require_str
from handler.providers.base import DutyQuery

Json = Mapping[str, Any]

# A timeline begins with today, and what reaches out of it is cut. However late today is, more than
# the longest approval is left: an end that is only the timeline's cuts no access short.
TIMELINE = "timeline?interval=8&intervalUnit=days"
MOST_TIMELINES = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def without_end(
    provider: str, wants: DutyQuery, snapshot: ProviderSnapshot
) -> list[tuple[str, list[Duty]]]:
    """Give the duties whose end a rule needs, by schedule."""
    found: defaultdict[str, list[Duty]] = defaultdict(list)
    for duty in snapshot.duties if wants.ends else ():
        if (
            duty.provider == provider
            and duty.holder in wants.holders
            and (wants.any_schedule or any(map(duty.is_named, wants.schedules)))
        ):
            found[duty.id].append(duty)
    # The same ones in every round, those that are read already among them.
    return [
        (schedule, [each for each in found[schedule] if not each.end])
        for schedule in sorted(found)[:MOST_TIMELINES]
    ]


def ends(body: Json, who: Callable[[Json], str], now: datetime) -> tuple[dict[str, datetime], int]:
    """Say until when each person on shift now is so, and how many entries could not be read.

    Periods of one person that touch or overlap, in whatever rotations, are one. `who` gives the
    person of a period, or "" where it is nobody, or a team's or an escalation's.
    """
    periods: list[tuple[datetime, datetime, str]] = []
    unread = 0
    for rotation in listed(get_object(body, "finalTimeline"), "rotations"):
        try:
            entries = listed(as_object(rotation, "rotation"), "periods")
        except ShapeError:
            unread += 1
            continue
        for entry in entries:
            try:
                period = as_object(entry, "period")
                start, end = (_instant(period, field) for field in ("startDate", "endDate"))
                periods.append((start, end, who(period)))
            except ShapeError:
                unread += 1
    until: dict[str, datetime] = {}
    for start, end, person in sorted(periods):
        if person and start <= until.get(person, now) < end:
            until[person] = end
    return until, unread


def _instant(parent: Json, field: str) -> datetime:
    moment = parse_instant(get_str(parent, field))
    if moment is None:
        raise ShapeError(f"{field} is no RFC 3339 instant")
    return moment


def listed(parent: Json, field: str) -> list[Any]:
    """Read a list that must be there."""
    if parent.get(field) is None:
        raise ShapeError(f"{field} is missing")
    return get_list(parent, field)


def identifier(parent: Json, field: str) -> str:
    """Read an id that may become part of an address."""
    found = require_str(parent, field)
    if not _ID.fullmatch(found):
        raise ShapeError(f"{field} is no id")
    return found


def unread(count: int) -> tuple[str, ...]:
    """Say so where entries could not be read."""
    return (f"{count} entries could not be read",) if count else ()
