"""A double of PagerDuty: an account, with the answers of the vendor's REST API v2.

Facts from the vendor's API reference ("On-Calls", "Schedules", "Schedules V3", "Users"), its
OpenAPI file, and its pages "Errors", "Rate Limits", "Pagination", "Schedules API: v2 to v3". Lists
have the filters that this project uses: `query` finds parts of names and e-mails, in any case. What
is null here may be null there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from math import ceil
from typing import NamedTuple, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from sandbox.vendors.server import (
    OK,
    Clock,
    Double,
    InvalidParameterError,
    Json,
    Request,
    Response,
    utc_now,
)
from sandbox.vendors.store import SHIFT, Store, find

_NEVER = datetime.max.replace(tzinfo=UTC)
_TURN = timedelta(weeks=1)
_TIME_ZONE = "Europe/Berlin"  # the account's
_LIMIT, _MINUTE = 960, 60
_MOST_ROWS = 10_000
_UNAUTHORIZED, _TOO_MANY = 401, 429
_API, _APP = "https://api.pagerduty.com", "https://sandbox.pagerduty.com"
_ROTATION = f"Q{1:025d}"
# The scope that a key needs, by path.
_RIGHTS = {
    "/oncalls": "oncalls.read",
    "/schedules": "schedules.read",
    "/users": "users.read",
    "/v3/schedules": "schedules.read",
}
_SCHEDULE_NOT_FOUND = 3004
# The vendor's code, by status; 2000 is any other.
_CODES = {400: 2001, 401: 2006, 402: 2014, 403: 2010, 404: 2100, 408: 2016, 429: 2020}


# -- what an account has -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """A user; some have no e-mail, and a deleted one has only a summary."""

    id: str
    name: str
    email: str | None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of a schedule from `start` until just before `end`, or for good (None).

    Nobody may be on it: that is an unassigned slot.
    """

    id: str
    person_id: str | None
    start: datetime
    end: datetime | None

    @property
    def until(self) -> datetime:
        """The end as a time, even if it has none."""
        return self.end or _NEVER

    def part(self, start: datetime, until: datetime) -> Shift:
        """Cut it to the part between these times."""
        end = min(self.until, until)
        return replace(self, start=max(self.start, start), end=None if end == _NEVER else end)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when; `v3` marks a shift-based schedule, others have layers."""

    id: str
    name: str
    v3: bool
    shifts: tuple[Shift, ...] = ()

    @property
    def final_shifts(self) -> list[Shift]:
        """The final schedule, in order of time.

        It has all shifts of a shift-based schedule. With layers, only one person is on call at a
        time: of shifts that overlap, the one added last.
        """
        shifts = self.shifts if self.v3 else _cut_overlaps(self.shifts)
        return sorted(shifts, key=lambda shift: shift.start)

    @property
    def members(self) -> list[str]:
        """The ids of everybody in it, on call or not."""
        return list(dict.fromkeys(shift.person_id for shift in self.shifts if shift.person_id))

    def current(self, now: datetime) -> list[Shift]:
        """Give who is on call now, each until their shifts have a gap."""
        stretches: list[Shift] = []
        latest: dict[str | None, int] = {}
        for shift in self.final_shifts:
            place = latest.get(shift.person_id)
            if place is None or shift.start > stretches[place].until:
                latest[shift.person_id] = len(stretches)
                stretches.append(shift)
            elif shift.until > stretches[place].until:
                stretches[place] = replace(stretches[place], end=shift.end)
        return [stretch for stretch in stretches if stretch.start <= now < stretch.until]


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """Who is paged, level by level: the ids of schedules and people."""

    id: str
    name: str
    levels: tuple[tuple[str, ...], ...] = ()

    @property
    def targets(self) -> Iterator[tuple[int, str]]:
        """Each level, counted from 1, with each id at it."""
        for number, level in enumerate(self.levels, 1):
            for target in level:
                yield number, target


def _cut_overlaps(shifts: Iterable[Shift]) -> list[Shift]:
    """Cut from each shift the part that a later one in the list overlaps, as overrides do."""
    visible: list[Shift] = []
    for top in shifts:
        below = [
            shift.part(start, until)
            for shift in visible
            for start, until in ((shift.start, top.start), (top.until, shift.until))
            if max(shift.start, start) < min(shift.until, until)
        ]
        visible = [*below, top]
    return visible


Target: TypeAlias = Schedule | Person | str


class Account(Store):
    """People, schedules and escalation policies, without HTTP.

    Methods return rows as they are after the call. They accept a row, its id, or its name for
    people: a person's e-mail, a schedule's or policy's name.
    """

    def __init__(self, now: Clock) -> None:
        super().__init__(now)
        self._people: dict[str, Person] = {}
        self._schedules: dict[str, Schedule] = {}
        self._policies: dict[str, EscalationPolicy] = {}

    @property
    def people(self) -> list[Person]:
        """Every user who is not deleted."""
        return [person for person in tuple(self._people.values()) if person.deleted_at is None]

    @property
    def schedules(self) -> list[Schedule]:
        """Every schedule, of layers or of shifts."""
        return list(self._schedules.values())

    @property
    def escalation_policies(self) -> list[EscalationPolicy]:
        """Every escalation policy."""
        return list(self._policies.values())

    def add_person(self, name: str, email: str | None) -> Person:
        """Add a user."""
        with self._lock:
            return self._save(self._people, Person(self._id(), name, email))

    def delete_person(self, who: Person | str) -> Person:
        """Delete a user; where they were on call, a bare reference stays."""
        with self._lock:
            row = find(self._people, who)
            return self._save(self._people, replace(row, email=None, deleted_at=self.now()))

    def add_schedule(self, name: str, *, v3: bool = False, id: str | None = None) -> Schedule:  # noqa: A002 - the vendor's word
        """Add a schedule with nobody on it, in no policy; names may be shared."""
        with self._lock:
            row = Schedule(id or (self._long_id() if v3 else self._id()), name, v3)
            return self._save(self._schedules, row)

    def upgrade_schedule(self, schedule: Schedule | str) -> Schedule:
        """Make a schedule with layers shift-based; its id stays."""
        with self._lock:
            row = find(self._schedules, schedule)
            upgraded = replace(row, v3=True, shifts=tuple(row.final_shifts))
            return self._save(self._schedules, upgraded)

    def put_on_shift(
        self,
        schedule: Schedule | str,
        who: Person | str | None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        for_good: bool = False,
    ) -> Shift:
        """Add a shift, by default from now for 8 hours; `who` None leaves the slot unassigned.

        In a schedule with layers it replaces the shifts that it overlaps, as an override does.
        """
        with self._lock:
            row, start = find(self._schedules, schedule), start or self.now()
            end = None if for_good else end or start + SHIFT
            person_id = None if who is None else find(self._people, who).id
            shift = Shift(self._long_id(), person_id, start, end)
            self._save(self._schedules, replace(row, shifts=(*row.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Person | str) -> None:
        """Remove every shift that this person has in the schedule."""
        with self._lock:
            row, person = find(self._schedules, schedule), find(self._people, who)
            others = tuple(shift for shift in row.shifts if shift.person_id != person.id)
            self._save(self._schedules, replace(row, shifts=others))

    def add_escalation_policy(self, name: str, *targets: Target) -> EscalationPolicy:
        """Add a policy with these at its first level; names may be shared."""
        with self._lock:
            policy = self._save(self._policies, EscalationPolicy(self._id(), name))
            for target in targets:
                policy = self.add_target(policy, target)
            return policy

    def add_target(
        self, policy: EscalationPolicy | str, target: Target, level: int = 1
    ) -> EscalationPolicy:
        """Add a schedule, or a person, who is then always on call, to a level of the policy.

        Raises:
            ValueError: the policy has no such level, and it isn't the next one.
        """
        with self._lock:
            row = find(self._policies, policy)
            levels = list(row.levels)
            if not 1 <= level <= len(levels) + 1:
                raise ValueError(f"level {level}: {row.name!r} has {len(levels)}, add the next")
            if level > len(levels):
                levels.append(())
            levels[level - 1] += (self._target_id(target),)
            return self._save(self._policies, replace(row, levels=tuple(levels)))

    def _target_id(self, target: Target) -> str:
        """Find the id of a person, by an e-mail or id, or else of a schedule."""
        if isinstance(target, Person) or (
            isinstance(target, str) and (target in self._people or "@" in target)
        ):
            return find(self._people, target).id
        return find(self._schedules, target).id

    def _id(self) -> str:
        """Make an id as short as the vendor's first ones, the same in every run."""
        return f"P{next(self._numbers):06d}"

    def _long_id(self) -> str:
        """Make an id as long as the newer ones, so that no client relies on the short form."""
        return f"Q{next(self._numbers):013d}"


# -- the API -------------------------------------------------------------------------------------

_Row = TypeVar("_Row")


class _OnCall(NamedTuple):
    """A person on call at a level of a policy: through a schedule, or always."""

    policy: EscalationPolicy
    level: int
    person_id: str
    schedule: Schedule | None = None
    shift: Shift | None = None


class PagerDuty(Account, Double):
    """An account that one read-only API key reads over HTTP.

    Attributes:
        scopes: what the key may read.
    """

    page_parameters = ("offset",)

    def __init__(
        self,
        api_key: str,
        *,
        scopes: Sequence[str] = tuple(_RIGHTS.values()),
        now: Clock = utc_now,
    ) -> None:
        Account.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /oncalls": self._list_on_calls,
                "GET /schedules": self._list_layer_based,
                "GET /schedules/{schedule_id}": self._get_layer_based,
                "GET /users": self._list_users,
                "GET /users/{user_id}": self._get_user,
                "GET /v3/schedules": self._list_shift_based,
                "GET /v3/schedules/{schedule_id}": self._get_shift_based,
            },
            now,
        )
        self.api_key = api_key
        self.scopes = tuple(scopes)

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function asks this provider."""
        return {"PAGERDUTY_KEY": self.api_key, "PAGERDUTY_BASE_URL": self.url}

    def answer(self, request: Request) -> Response:
        """Answer as the vendor does."""
        if not request.is_authorized(f"Token token={self.api_key}"):
            return self.error(401)
        if request.lacks_right(_RIGHTS, self.scopes):
            return self.error(403)
        try:
            with self._lock:
                response = super().answer(request)
        except InvalidParameterError as error:
            return self.error(400, detail=str(error))
        return replace(response, headers=_rate_limit(_LIMIT - 1, _MINUTE))

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,
        code: int | None = None,
        detail: str = "",
    ) -> Response:
        """Make an error; the headers say after how many seconds to retry."""
        message = HTTPStatus(status).phrase
        error: Json = {"message": message, "code": code or _CODES.get(status, 2000)}
        if detail:
            error["errors"] = [detail]
        seconds = ceil((retry_at - self.now()).total_seconds()) if retry_at else _MINUTE
        headers = _rate_limit(0 if status == _TOO_MANY else _LIMIT - 1, seconds)
        return Response(status, {"error": error}, {} if status == _UNAUTHORIZED else headers)

    def point_to_another_page(self, body: Json, request: Request, number: int) -> None:  # noqa: ARG002 - the base class's
        """Say that there is more after the requested page."""
        body |= {"offset": request.number("offset", 0), "more": True}

    def _list_on_calls(self, request: Request) -> Response:
        """List who is on call now. A schedule that no policy uses has nobody.

        `null` among the ids of schedules adds those whom a policy pages directly.
        """
        now, zone = self.now(), self._zone(request)
        schedule_ids = request.query.get("schedule_ids[]")
        user_ids = request.query.get("user_ids[]")
        rows = [
            row
            for policy in self._policies.values()
            for level, target in policy.targets
            if schedule_ids is None
            or (target if target in self._schedules else "null") in schedule_ids
            if user_ids is None or self._may_page(target, user_ids)
            for row in self._on_calls_by(policy, level, target, now)
            if user_ids is None or row.person_id in user_ids
        ]
        user = self._user if "users" in request.query.get("include[]", []) else self._user_reference
        return _page(
            request,
            "oncalls",
            rows,
            lambda row: {
                "escalation_policy": _policy_reference(row.policy),
                "escalation_level": row.level,
                "schedule": row.schedule and _schedule_reference(row.schedule),
                "user": user(row.person_id),
                "start": row.shift and _time(row.shift.start, zone),
                "end": row.shift and row.shift.end and _time(row.shift.end, zone),
            },
        )

    def _may_page(self, target: str, user_ids: Collection[str]) -> bool:
        """Tell whether a policy's target is one of these people, or a schedule that they are in."""
        if target in self._people:
            return target in user_ids
        return any(shift.person_id in user_ids for shift in self._schedules[target].shifts)

    def _on_calls_by(
        self, policy: EscalationPolicy, level: int, target: str, now: datetime
    ) -> Iterator[_OnCall]:
        if target in self._people:
            yield _OnCall(policy, level, target)
            return
        schedule = self._schedules[target]
        for shift in schedule.current(now):
            if shift.person_id:
                yield _OnCall(policy, level, shift.person_id, schedule, shift)

    def _list_layer_based(self, request: Request) -> Response:
        rows = self._search_schedules(request, v3=False)
        return _page(request, "schedules", rows, self._layer_based)

    def _list_shift_based(self, request: Request) -> Response:
        rows = self._search_schedules(request, v3=True)
        return _page(request, "schedules", rows, _schedule_reference, v3=True)

    def _search_schedules(self, request: Request, *, v3: bool) -> list[Schedule]:
        query = request.parameter("query").casefold()
        return [
            schedule
            for schedule in self.schedules
            if schedule.v3 is v3 and query in schedule.name.casefold()
        ]

    def _get_layer_based(self, request: Request, schedule_id: str) -> Response:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            return self.error(404, code=_SCHEDULE_NOT_FOUND)
        if schedule.v3:
            return self.error(400, detail="This schedule is at /v3/schedules")
        entries = [
            {
                "id": shift.id,
                "start": _time(shift.start, self._zone(request)),
                "end": _time(shift.until, self._zone(request)),
                "user": self._user_reference(shift.person_id),
            }
            for shift in self._shifts_in_window(request, schedule)
            if shift.person_id
        ]
        # Everybody in it, on call or not: being listed here is not being on call.
        members = [{"user": self._user_reference(member)} for member in schedule.members]
        layer = {"id": f"P{1:06d}", "name": "Layer 1", "end": None, "users": members}
        body = {
            **self._layer_based(schedule),
            "schedule_layers": [{**layer, "rendered_schedule_entries": entries}],
            "final_schedule": {"name": "Final Schedule", "rendered_schedule_entries": entries},
        }
        return Response(OK, {"schedule": body})

    def _get_shift_based(self, request: Request, schedule_id: str) -> Response:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            return self.error(404)
        if not schedule.v3:
            return self.error(400, detail="This schedule is at /schedules")
        body = {**self._schedule(schedule), "rotations": [self._rotation(schedule)]}
        if "final_schedule" in request.query.get("include[]", []):
            assignments = [
                {
                    "type": "computed_shift_assignment",
                    "start_time": _time(shift.start, self._zone(request)),
                    "end_time": _time(shift.until, self._zone(request)),
                    "member": _member(shift.person_id),
                    "source": {"type": "schedule_rotation", "rotation_id": _ROTATION},
                }
                for shift in self._shifts_in_window(request, schedule)
            ]
            body["final_schedule"] = {
                "type": "final_schedule",
                "computed_shift_assignments": assignments,
            }
        return Response(OK, {"schedule": body})

    def _shifts_in_window(self, request: Request, schedule: Schedule) -> list[Shift]:
        """Give the shifts between `since` and `until`; none if the query lacks either.

        They are cut at these times, or whole with `overflow`; an endless one is split into weeks.
        """
        if not {"since", "until"} <= request.query.keys():
            return []
        since, until = _time_of(request, "since"), _time_of(request, "until")
        shifts = [
            shift for shift in schedule.final_shifts if shift.start < until and since < shift.until
        ]
        if request.parameter("overflow") != "true":
            return [shift.part(since, until) for shift in shifts]
        turn_end = until + _TURN
        return [shift if shift.end else shift.part(shift.start, turn_end) for shift in shifts]

    def _list_users(self, request: Request) -> Response:
        """List users whose name or e-mail contains the query, in any letter case."""
        query = request.parameter("query").casefold()
        rows = [
            person
            for person in self.people
            if any(query in text.casefold() for text in (person.name, person.email or ""))
        ]
        return _page(request, "users", rows, lambda person: self._user(person.id))

    def _get_user(self, _: Request, user_id: str) -> Response:
        person = self._people.get(user_id)
        if person is None or person.deleted_at:
            return self.error(404)
        return Response(OK, {"user": self._user(user_id)})

    def _zone(self, request: Request) -> ZoneInfo:
        """Give the time zone of the times in the answer: the account's unless the query has one."""
        name = request.parameter("time_zone", _TIME_ZONE)
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise InvalidParameterError("time_zone", f"{name!r} is not known") from error

    # -- its JSON, in full and as references --

    def _user_reference(self, id_: str) -> Json:
        """A reference, without an e-mail; for a deleted user there is nothing else."""
        person = self._people[id_]
        reference = _reference("user", id_, person.name, "users")
        if person.deleted_at is None:
            return reference
        deleted_at = _time(person.deleted_at, ZoneInfo(_TIME_ZONE))
        return {**reference, "self": None, "html_url": None, "deleted_at": deleted_at}

    def _user(self, id_: str) -> Json:
        """A user in full, or the reference to a deleted one."""
        person = self._people[id_]
        if person.deleted_at is not None:
            return self._user_reference(id_)
        return {
            **self._user_reference(id_),
            "type": "user",
            "name": person.name,
            "email": person.email,
            "time_zone": _TIME_ZONE,
            "role": "user",
            "description": None,
            "teams": [],
        }

    def _schedule(self, schedule: Schedule) -> Json:
        """The fields that both kinds of schedule have."""
        policies = [
            _policy_reference(policy)
            for policy in self._policies.values()
            if any(target == schedule.id for _, target in policy.targets)
        ]
        return {
            **_schedule_reference(schedule),
            "type": "schedule_v3" if schedule.v3 else "schedule",
            "name": schedule.name,
            "description": "Who looks after it.",
            "time_zone": _TIME_ZONE,
            "escalation_policies": policies,
            "teams": [],
        }

    def _layer_based(self, schedule: Schedule) -> Json:
        """A schedule with layers, as in the list."""
        users = [self._user_reference(member) for member in schedule.members]
        return {**self._schedule(schedule), "users": users}

    def _rotation(self, schedule: Schedule) -> Json:
        """Everybody in a shift-based schedule, on call or not."""
        strategy = {
            "type": "rotating_member_assignment_strategy",
            "shifts_per_member": 1,
            "members": [_member(person_id) for person_id in schedule.members],
        }
        event = {"type": "schedule_event", "name": "Weekly", "assignment_strategy": strategy}
        return {"id": _ROTATION, "type": "schedule_rotation", "events": [event]}


def create_double() -> PagerDuty:
    """Create an account whose key is random."""
    return PagerDuty(secrets.token_urlsafe(15))


def _rate_limit(remaining: int, seconds: int) -> dict[str, str]:
    """Make the headers of a rate limit; the double itself does not limit."""
    return {
        "ratelimit-limit": str(_LIMIT),
        "ratelimit-remaining": str(remaining),
        "ratelimit-reset": str(seconds),
    }


def _page(
    request: Request,
    name: str,
    rows: Sequence[_Row],
    to_json: Callable[[_Row], Json],
    *,
    v3: bool = False,
) -> Response:
    """Give the rows from `offset` on. A `limit` that is too large means the largest."""
    limit = request.number("limit", 100 if v3 else 25, least=1)
    offset = request.number("offset", 0)
    if offset + limit > _MOST_ROWS:
        raise InvalidParameterError("offset", f"and limit must not exceed {_MOST_ROWS} in sum")
    limit = min(limit, 1000 if v3 else 100)
    body: Json = {
        name: [to_json(row) for row in rows[offset : offset + limit]],
        "limit": limit,
        "offset": offset,
        "more": offset + limit < len(rows),
        **({} if v3 else {"total": None}),
    }
    return Response(OK, body, page=1 + -(-offset // limit))


def _time_of(request: Request, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(request.parameter(name))
    except ValueError as error:
        raise InvalidParameterError(name, "must be a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(moment: datetime, zone: ZoneInfo) -> str:
    """Write ISO 8601 in whole seconds, with the zone's offset at that time, or Z."""
    return moment.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")


def _reference(kind: str, id_: str, summary: str, folder: str) -> Json:
    return {
        "id": id_,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"{_API}/{folder}/{id_}",
        "html_url": f"{_APP}/{folder}/{id_}",
    }


def _schedule_reference(schedule: Schedule) -> Json:
    """Its type says whether it is shift-based or has layers."""
    if not schedule.v3:
        return _reference("schedule", schedule.id, schedule.name, "schedules")
    page = {"html_url": f"{_APP}/schedules/{schedule.id}"}
    return {**_reference("schedule_v3", schedule.id, schedule.name, "v3/schedules"), **page}


def _policy_reference(policy: EscalationPolicy) -> Json:
    return _reference("escalation_policy", policy.id, policy.name, "escalation_policies")


def _member(person_id: str | None) -> Json:
    if person_id is None:
        return {"type": "empty_member"}
    return {"type": "user_member", "user_id": person_id}
