"""Who is on call, as `GET /oncalls` tells it: by escalation policy, level, schedule and person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.vendors.exchange import Request
from sandbox.vendors.pagerduty_lists import Window, is_true
from sandbox.vendors.pagerduty_records import Policy, Schedule

# What stands in schedule_ids[] for the people whom a policy pages directly.
_NO_SCHEDULE = "null"
_LOOK_AHEAD = timedelta(days=90)
_ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OnCall:
    """A person who is on call at a level of a policy.

    One whom the policy pages directly is so always: without schedule, start and end.
    """

    policy: Policy
    level: int
    person_id: str
    schedule: Schedule | None = None
    start: datetime | None = None
    end: datetime | None = None


def on_calls(
    request: Request,
    policies: Iterable[Policy],
    schedules: Mapping[str, Schedule],
    window: Window,
    now: datetime,
) -> list[OnCall]:
    """Those that the query lets through. A schedule that no policy uses has none."""
    found = [
        row
        for policy in policies
        for level, target in policy.targets
        for row in _at(policy, level, schedules.get(target), target, window)
        if row.start is None or row.start <= now + _LOOK_AHEAD
    ]
    wanted = [row for row in found if _is_wanted(request, row)]
    return list(_earliest(wanted)) if is_true(request, "earliest") else wanted


def _at(
    policy: Policy, level: int, schedule: Schedule | None, target: str, window: Window
) -> Iterator[OnCall]:
    if schedule is None:
        yield OnCall(policy, level, target)
        return
    for part in window.seen(schedule.stretches):
        if part.person_id:
            yield OnCall(policy, level, part.person_id, schedule, part.start, part.end)


def _is_wanted(request: Request, row: OnCall) -> bool:
    told = {
        "escalation_policy_ids[]": row.policy.id,
        "schedule_ids[]": row.schedule.id if row.schedule else _NO_SCHEDULE,
        "user_ids[]": row.person_id,
    }
    return all(id_ in request.query.get(name, [id_]) for name, id_ in told.items())


def _earliest(rows: Iterable[OnCall]) -> Iterator[OnCall]:
    """Of each person at each level of each policy only the first, whatever the schedule."""
    kept = set()
    for row in sorted(rows, key=lambda row: row.start or _ALWAYS):
        key = row.policy.id, row.level, row.person_id
        if key not in kept:
            kept.add(key)
            yield row
