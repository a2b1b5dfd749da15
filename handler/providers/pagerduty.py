"""PagerDuty: who is on call, whether an escalation policy uses the schedule or not.

Facts from the vendor's API reference ("On-Calls", "Schedules", "Schedules V3", "Users") and its
pages "Pagination", "Rate Limits" and "Schedules API: v2 to v3 Upgrade Guide". A list is never null,
any other field that is not required may be.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from handler import emails
from handler.clock import Clock, Deadline
from handler.durations import format_instant
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ProviderUser, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import (
    JsonObject,
    ShapeError,
    as_object,
    deferred,
    get_list,
    get_object,
    get_str,
    read_entries,
    require_instant,
    require_list,
    require_str,
)
from handler.providers.base import (
    CutShort,
    DutyQuery,
    Page,
    Question,
    fetch_object,
    unread_problem,
    user_id_of,
)
from handler.providers.registry import BY_ID, other_region
from handler.typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")
_Read: TypeAlias = Callable[[JsonObject], _T]
PROVIDER = BY_ID["pagerduty"].name
LAYERED, SHIFT_BASED = "/schedules", "/v3/schedules"
PAGE_SIZE, SHIFT_BASED_PAGE_SIZE = 100, 1000
# The vendor refuses more (offset and limit in sum).
MOST_ROWS = 10_000
MOST_LOOKED_UP = 20
MOST_ON_SHIFT = 20
MOST_USERS = 5
SHORTEST_ID = 5
# Shorter than a second, and the vendor finds nobody.
_WINDOW = timedelta(minutes=1)
_ASSIGNMENTS = "computed_shift_assignments"
_BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND = 400, 401, 404
_HINTS: Mapping[int | None, str] = {
    401: "; the key is wrong",
    402: "; the account's plan does not include it",
    403: "; the key may not see it: a read-only key of the whole account may",
}


class PagerDutyClient:
    """Questions to one PagerDuty account."""

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._clock = clock
        self._base_url = settings["PAGERDUTY_BASE_URL"]
        self._headers = {
            "Authorization": f"Token token={settings['PAGERDUTY_KEY']}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask about the people, or about everybody; then for what the on-calls leave open."""
        if not query.on_call:
            return
        if query.holders is None:
            yield from self._about_everybody(query, snapshot)
        else:
            yield from self._about_people(query.holders, query, snapshot)

    def _about_everybody(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask who is on call and, where names matter, for all schedules; then for single ones.

        The lists are read whole rather than searched, to see whether an id in the policy is the
        name of another schedule.
        """
        listed_kind = "" if query.schedules else ON_CALL
        yield Question(PROVIDER, "on-calls", listed_kind, self._all_on_calls)
        if query.schedules:
            layered = partial(self._schedules, LAYERED, PAGE_SIZE, {})
            shift_based = partial(self._schedules, SHIFT_BASED, SHIFT_BASED_PAGE_SIZE, {})
            yield Question(PROVIDER, "layer-based schedules", ON_CALL, layered)
            yield Question(PROVIDER, "shift-based schedules", ON_CALL, shift_based)
        unmanned = schedules_to_look_up(query.schedules, snapshot)
        for id_, path in itertools.islice(unmanned, MOST_LOOKED_UP):
            yield Question(PROVIDER, f"schedule {id_}", "", partial(self._schedule, id_, path))

    def _about_people(
        self, people: Collection[str], query: DutyQuery, snapshot: ProviderSnapshot
    ) -> Iterator[Question]:
        """Ask what these people are on call for; then for the schedules that the rules name.

        A user whom the policy maps to one of them is asked about by id.

        Schedules are asked for only on behalf of somebody who has a user here. A schedule's name is
        searched for, to see whether another one has it; whether it is another one's id is asked if
        it can be one. The names of schedules that these people are on call for come first.
        """
        for email in sorted(filter(emails.is_address, people)):
            on_calls = partial(self._on_calls_of, email, query.users)
            yield Question(PROVIDER, "on-calls", ON_CALL, on_calls, (), about=email)
        if query.users:
            ids = sorted(query.users)
            on_calls = partial(self._on_calls_of_users, ids)
            yield Question(PROVIDER, "on-calls", ON_CALL, on_calls, (), about=" ".join(ids))
        users = _users_of(query, snapshot)
        if not users:
            return
        entries = query.schedules
        duties = [duty for duty in snapshot.duties if duty.provider == PROVIDER]
        manned, names = {duty.id for duty in duties}, {duty.name for duty in duties}
        unproven = [entry for entry in entries if entry not in manned]
        unproven.sort(key=lambda entry: entry not in names)
        for entry in unproven[:MOST_LOOKED_UP]:
            is_name = entry in names or not BY_ID["pagerduty"].may_have_id(entry)
            if _can_be_schedule_id(entry):
                # It says all of the name only beside the searches for it.
                yield self._look_up(entry, "", users, (entry,) if is_name else ())
            if is_name:
                for kind, path in (("layer-based", LAYERED), ("shift-based", SHIFT_BASED)):
                    search = partial(self._schedules, path, PAGE_SIZE, {"query": entry})
                    name = f"{kind} schedules of a name"
                    yield Question(PROVIDER, name, ON_CALL, search, (entry,), about=entry)
        for id_, path in schedules_to_look_up(entries, snapshot):
            if path:
                yield self._look_up(id_, path, users)

    def _look_up(
        self,
        id_: str,
        path: str,
        users: Mapping[str, str | None],
        listed_names: tuple[str, ...] = (),
    ) -> Question:
        fetch, about = partial(self._schedule, id_, path, users=users), "".join(listed_names)
        return Question(PROVIDER, f"schedule {id_}", ON_CALL, fetch, listed_names, about)

    def _all_on_calls(self, deadline: Deadline) -> Iterator[Page]:
        yield from self._on_calls((), deadline)

    def _on_calls_of_users(self, ids: list[str], deadline: Deadline) -> Iterator[Page]:
        users = tuple(ProviderUser(PROVIDER, "", id_) for id_ in ids)
        yield Page(users=users, names_missing=True)
        yield from self._on_calls([("user_ids[]", id_) for id_ in ids], deadline)

    def _on_calls_of(
        self, email: str, others: Collection[str], deadline: Deadline
    ) -> Iterator[Page]:
        """Find the user who has this e-mail, and ask what they are on call for.

        The vendor's search finds parts of names and e-mails. Somebody whose e-mail it does not show
        may be the one, and is asked about to be counted. The `others` are asked about by id.
        """
        users: list[ProviderUser] = []
        read = partial(read_users, email=email)
        for some, page in self._pages("/users", [("query", email)], PAGE_SIZE, deadline, read):
            users += some
            yield page
        if sum(bool(user.email) for user in users) > 1:
            raise CutShort("several users have the same e-mail")
        yield Page(users=tuple(users), names_missing=True)
        users.sort(key=lambda user: not user.email)  # whoever has it comes first
        for user in [user for user in users if user.id not in others][:MOST_USERS]:
            yield from self._on_calls([("user_ids[]", user.id)], deadline)

    def _on_calls(self, query: Iterable[tuple[str, str]], deadline: Deadline) -> Iterator[Page]:
        query = (*query, ("include[]", "users"), ("time_zone", "UTC"))
        shifts: dict[tuple[str, str, datetime | None], Duty] = {}
        for page in self._pages("/oncalls", query, PAGE_SIZE, deadline, read_on_calls):
            # One for each escalation policy that uses the schedule: only what is new, or better.
            better = {}
            for duty in page.duties:
                shift = duty.id, duty.user or duty.holder, duty.start
                best = _best_known(shifts.get(shift, duty), duty)
                if best != shifts.get(shift):
                    shifts[shift] = better[shift] = best
            yield page._replace(duties=tuple(better.values()))

    def _schedules(
        self, path: str, size: int, query: Mapping[str, str], deadline: Deadline
    ) -> Iterator[Page]:
        read = partial(read_schedules, path=path)
        yield from self._pages(path, query.items(), size, deadline, read)

    def _schedule(
        self,
        schedule_id: str,
        path: str,
        deadline: Deadline,
        users: Mapping[str, str | None] | None = None,
    ) -> Iterator[Page]:
        """Read who is on shift in one schedule: which of these users, by id and e-mail, or anybody.

        E-mails that are not known cost a call each.
        """
        now = self._clock.now().replace(microsecond=0)
        query = {
            "since": format_instant(now),
            "until": format_instant(now + _WINDOW),
            "include[]": "final_schedule",
            "overflow": "true",
            "time_zone": "UTC",
        }
        read = partial(read_schedule, now=now)
        schedule = self._get_schedule(schedule_id, path, query, deadline, read)
        if schedule is None:
            return
        listed, shifts, problems = schedule
        yield Page(schedules_and_roles=(listed,), problems=problems)
        if users is not None:
            shifts = {id_: duty for id_, duty in shifts.items() if id_ in users}
        for user_id, duty in itertools.islice(shifts.items(), MOST_ON_SHIFT):
            email = users[user_id] if users else None
            if email is None:
                try:
                    email = self._get_if_there(
                        f"/users/{user_id}", {}, deadline, partial(read_email, user_id=user_id)
                    )
                except (HttpError, ShapeError) as error:
                    yield Page(problems=(f"somebody on shift: {error}",))
                    continue
            yield Page((duty._replace(holder=email or "", user=user_id),))
        if len(shifts) > MOST_ON_SHIFT:
            raise CutShort(f"only the first {MOST_ON_SHIFT} people on shift were asked for")

    def _get_schedule(
        self,
        schedule_id: str,
        path: str,
        query: Mapping[str, str],
        deadline: Deadline,
        read: _Read[_T],
    ) -> _T | None:
        """Ask where it is known to be, or in both places, in the order that the vendor advises.

        One place that fails, or does not have it, hides nothing at the other: an account may lack
        shift-based schedules.
        """
        if path:
            return self._get_if_there(f"{path}/{schedule_id}", query, deadline, read)
        try:
            return self.get(f"{SHIFT_BASED}/{schedule_id}", query, deadline, read)
        except HttpError as error:
            failure = error
        schedule = self._get_if_there(f"{LAYERED}/{schedule_id}", query, deadline, read)
        if schedule is None and failure.status not in {_BAD_REQUEST, _NOT_FOUND}:
            raise failure
        return schedule

    def _pages(
        self,
        path: str,
        query: Iterable[tuple[str, str]],
        size: int,
        deadline: Deadline,
        read: Callable[[list[Any]], _T],
    ) -> Iterator[_T]:
        """Read a list to its end; a page may hold fewer rows than its limit."""

        def read_page(body: JsonObject) -> tuple[_T, Callable[[], bool], int]:
            rows = require_list(body, path.rpartition("/")[2])
            return read(rows), deferred(lambda: has_more(body)), len(rows)

        offset, most = 0, MOST_ROWS // size
        for _ in range(most):
            limits = ("limit", size), ("offset", offset)
            page, goes_on, count = self.get(path, (*query, *limits), deadline, read_page)
            yield page
            if not goes_on():
                return
            if not count:
                raise CutShort("an empty page was not the last one")
            offset += count
        raise CutShort(f"only the first {most} pages were read")

    def _get_if_there(
        self, path: str, query: Mapping[str, str], deadline: Deadline, read: _Read[_T]
    ) -> _T | None:
        try:
            return self.get(path, query, deadline, read)
        except HttpError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def get(
        self,
        path: str,
        query: Mapping[str, str | int] | Sequence[tuple[str, str | int]],
        deadline: Deadline,
        read: _Read[_T],
    ) -> _T:
        """Get what is at a path, and read it."""
        url = f"{self._base_url}{path}?{urlencode(query)}"
        return fetch_object(self._client, url, self._headers, deadline, read, self._hint)

    def _hint(self, error: HttpError) -> str:
        hint = _HINTS.get(error.status, "")
        if error.status == _UNAUTHORIZED:
            hint += other_region(BY_ID["pagerduty"], self._base_url)
        return hint


CLIENT = PagerDutyClient


def has_more(body: JsonObject) -> bool:
    """Whether another page follows."""
    if not isinstance(more := body.get("more"), bool):
        raise ShapeError("more is neither true nor false")
    return more


def read_on_calls(rows: Iterable[Any]) -> Page:
    """Read a page of on-calls: a duty for each row with a schedule and a person."""
    duties: list[Duty] = []
    schedules: dict[ScheduleOrRole, None] = {}
    unread = 0
    for row in rows:
        try:
            entry = as_object(row, "on-call")
            # Whom a policy pages directly is on call at any time, so it says nothing about now.
            if entry.get("schedule") is None:
                continue
            reference = get_object(entry, "schedule")
            schedule = _listed(reference)
            schedules[schedule] = None
            duty = _on_call(entry, schedule, get_str(reference, "html_url"))
        except ShapeError:
            unread += 1
            continue
        if duty.holder or duty.user:
            duties.append(duty)
    # Schedules that nobody is on call for, or no policy uses, are missing: any could bear a name.
    problems = unread_problem(unread)
    return Page(tuple(duties), tuple(schedules), problems=problems, names_missing=True)


def _on_call(entry: JsonObject, schedule: ScheduleOrRole, link: str) -> Duty:
    level = entry.get("escalation_level")
    if type(level) is not int or level < 1:
        raise ShapeError("escalation_level isn't a level")
    endless = entry.get("end", "") is None
    user = get_object(entry, "user")
    # A deleted user is a bare reference, without an e-mail.
    holder = emails.normal(get_str(user, "email"))
    return Duty(
        PROVIDER,
        ON_CALL,
        schedule.id,
        schedule.names[0] if schedule.names else "",
        holder,
        level=level,
        start=None if entry.get("start", "") is None else require_instant(entry, "start"),
        end=None if endless else require_instant(entry, "end"),
        endless=endless,
        link=link,
        user=user_id_of(user) if holder else get_str(user, "id"),
    )


def _best_known(*duties: Duty) -> Duty:
    """Choose the duty on the lowest level, and of those the one that ends last."""
    return max(duties, key=lambda duty: (-duty.level, duty.endless, duty.end))


def read_schedules(rows: Iterable[Any], path: str) -> Page:
    """Read a page of schedules, of layers or of shifts: what there is, and what it is called."""
    schedules, unread = read_entries(rows, partial(_in_list, path=path))
    names_missing = unread > 0 or not all(schedule.names for schedule in schedules)
    return Page(
        schedules_and_roles=tuple(schedules),
        problems=unread_problem(unread),
        names_missing=names_missing,
    )


def read_users(rows: Iterable[Any], email: str) -> tuple[list[ProviderUser], Page]:
    """Read a page of users: who has this e-mail, and whose e-mail is not shown."""
    users, unread = read_entries(rows, _user)
    some = [user for user in users if user.email in {email, ""}]
    return some, Page(problems=unread_problem(unread), names_missing=True)


def _users_of(query: DutyQuery, snapshot: ProviderSnapshot) -> dict[str, str | None]:
    """Give the e-mails of the users who were asked about, by id.

    It is None for a user whom only the policy names, and whose e-mail has not been read.
    """
    users: dict[str, str | None] = {}
    for provider, email, id_ in snapshot.users:
        if provider == PROVIDER:
            users[id_] = users.get(id_) or email or (None if id_ in query.users else "")
    return users


def _user(row: JsonObject) -> ProviderUser:
    user_id = require_str(row, "id")
    if not _is_id(user_id):
        raise ShapeError("a user's id is not an id")
    return ProviderUser(PROVIDER, emails.normal(get_str(row, "email")), user_id)


def schedules_to_look_up(
    entries: Iterable[str], snapshot: ProviderSnapshot
) -> Iterator[tuple[str, str]]:
    """Give id and path of each schedule that the policy names but nobody seems to be on call for.

    Maybe no escalation policy uses it: then it is not among the on-calls. The path is empty where
    nobody has read which kind of schedule it is.
    """
    duties = (*snapshot.duties, *snapshot.without_email)
    manned = {duty.id for duty in duties if duty.provider == PROVIDER}
    schedules = [listed for listed in snapshot.schedules_and_roles if listed.provider == PROVIDER]
    manned |= {schedule.id for schedule in schedules if schedule.in_use}
    is_whole = (PROVIDER, ON_CALL) not in snapshot.incomplete
    complete_names = snapshot.complete_names - snapshot.incomplete_names
    for entry in entries:
        complete = is_whole or (PROVIDER, ON_CALL, entry) in complete_names
        paths = {
            schedule.id: schedule.path
            for schedule in schedules
            if entry in {schedule.id, *schedule.names}
        }
        if entry in paths or (schedules and not paths and not complete):
            # An id means that schedule, whatever else is called so. It may be on an unread page.
            paths = {entry: paths.get(entry, "")}
        elif not complete:
            continue
        if len(paths) == 1 and manned.isdisjoint(paths) and all(map(_is_id, paths)):
            yield from paths.items()


def read_schedule(
    body: JsonObject, now: datetime
) -> tuple[ScheduleOrRole, Mapping[str, Duty], tuple[str, ...]]:
    """Read who is on shift in one schedule: by user id, a duty without its holder's e-mail.

    If an escalation policy uses the schedule there is none: only the on-calls show the level.
    """
    entry = get_object(body, "schedule")
    schedule = _listed(entry)
    if require_list(entry, "escalation_policies"):
        return schedule, {}, ()
    final = get_object(entry, "final_schedule")
    is_v3 = _ASSIGNMENTS in final
    assignments, unread = read_entries(
        require_list(final, _ASSIGNMENTS if is_v3 else "rendered_schedule_entries"),
        partial(_assignment, is_v3=is_v3),
    )
    latest: dict[str, tuple[datetime, datetime]] = {}
    for user_id, start, end in assignments:
        if user_id and start <= now < end:
            latest[user_id] = max((end, start), latest.get(user_id, (end, start)))
    name = schedule.names[0] if schedule.names else ""
    duty = Duty(PROVIDER, ON_CALL, schedule.id, name, "", link=get_str(entry, "html_url"))
    shifts = {
        user_id: duty._replace(start=start, end=end) for user_id, (end, start) in latest.items()
    }
    return schedule, shifts, unread_problem(unread)


def _assignment(entry: JsonObject, *, is_v3: bool) -> tuple[str, datetime, datetime]:
    """Give the user id of a shift ("" if nobody is on it), its start and its end."""
    member = get_object(entry, "member" if is_v3 else "user")
    user_id = ""
    if get_str(member, "type") != "empty_member":
        user_id = require_str(member, "user_id" if is_v3 else "id")
        if not _is_id(user_id):
            raise ShapeError("a user's id isn't an id")
    start, end = ("start_time", "end_time") if is_v3 else ("start", "end")
    return user_id, require_instant(entry, start), require_instant(entry, end)


def read_email(body: JsonObject, user_id: str) -> str:
    """Read this user's e-mail, in normal form, or ""."""
    user = get_object(body, "user")
    if require_str(user, "id") != user_id:
        raise ShapeError("another user was answered than was asked for")
    return emails.normal(get_str(user, "email"))


def _in_list(schedule: JsonObject, path: str) -> ScheduleOrRole:
    in_use = bool(get_list(schedule, "escalation_policies"))
    return _listed(schedule, path)._replace(in_use=in_use)


def _listed(schedule: JsonObject, path: str = "") -> ScheduleOrRole:
    # A reference has a summary only; elsewhere it is the name, but it need not be.
    names = dict.fromkeys(filter(None, (get_str(schedule, "summary"), get_str(schedule, "name"))))
    return ScheduleOrRole(PROVIDER, ON_CALL, require_str(schedule, "id"), tuple(names), path=path)


def _can_be_schedule_id(entry: str) -> bool:
    """Whether it can be one: also if it begins with a word, which makes it look like a name."""
    return _is_id(entry) and entry == entry.upper() and len(entry) >= SHORTEST_ID


def _is_id(text: str) -> bool:
    """Whether it can be one: it becomes part of a path, and of what is logged."""
    return text.isascii() and text.isalnum()
