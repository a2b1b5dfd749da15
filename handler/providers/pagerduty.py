"""PagerDuty: who is on call, whether an escalation policy uses the schedule or not.

Facts from the vendor's API reference ("On-Calls", "Schedules", "Schedules V3", "Users") and its
pages "Pagination", "Rate Limits" and "Schedules API: v2 to v3 Upgrade Guide".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from handler import emails
from handler.clock import Deadline
from handler.durations import format_instant, parse_instant
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import (
    ShapeError,
    as_list,
    as_object,
    deferred,
    get_object,
    get_str,
    require_str,
)
from handler.providers.base import CutShort, DutyQuery, Page, Question
from handler.providers.registry import BY_ID, other_region

_T = TypeVar("_T")
PROVIDER = BY_ID["pagerduty"].name
LAYERED, SHIFT_BASED = "/schedules", "/v3/schedules"
_ASSIGNMENTS = "computed_shift_assignments"
_Shift: TypeAlias = tuple[str, str, datetime | None]
Told: TypeAlias = MutableMapping[_Shift, Duty]
_Reading: TypeAlias = Callable[[Mapping[str, Any]], _T]
PAGE_SIZE, SHIFT_BASED_PAGE_SIZE = 100, 1000
# Offset and limit in sum: the vendor refuses more.
MOST_ROWS = 10_000
MOST_LOOKED_UP = 20
MOST_ON_SHIFT = 20
# Shorter than a second, and the vendor finds nobody.
_WINDOW = timedelta(minutes=1)
_BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND = 400, 401, 404
_HINTS: Mapping[int | None, str] = {
    401: "; the key is wrong",
    402: "; the account's plan does not include it",
    403: "; the key may not see it: a read-only key of the whole account may",
}


class PagerDuty:
    """Questions to one PagerDuty account."""

    def __init__(self, client: Client, base_url: str, api_key: str) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = {
            "Authorization": f"Token token={api_key}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }

    def questions(self, wants: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask who is on call and, where names matter, for all schedules; then for single ones.

        The lists are read whole rather than searched: only so does it show that what the policy
        names by id is not the name of another schedule.
        """
        if not wants.on_call:
            return
        names = "" if wants.schedules else ON_CALL
        yield Question(PROVIDER, "on-calls", names, self._on_calls)
        if wants.schedules:
            of_layers = partial(self._schedules, LAYERED, PAGE_SIZE)
            of_shifts = partial(self._schedules, SHIFT_BASED, SHIFT_BASED_PAGE_SIZE)
            yield Question(PROVIDER, "layer-based schedules", ON_CALL, of_layers)
            yield Question(PROVIDER, "shift-based schedules", ON_CALL, of_shifts)
        found = to_look_up(wants.schedules, snapshot)
        for id_, path in itertools.islice(found, MOST_LOOKED_UP):
            yield Question(PROVIDER, f"schedule {id_}", "", partial(self._schedule, id_, path))

    def _on_calls(self, deadline: Deadline) -> Iterator[Page]:
        query = {"include[]": "users", "time_zone": "UTC"}
        told: dict[Any, Any] = {}
        read = partial(read_on_calls, told=told)
        yield from self._pages("/oncalls", query, PAGE_SIZE, deadline, read)

    def _schedules(self, path: str, size: int, deadline: Deadline) -> Iterator[Page]:
        read = partial(read_schedules, path=path)
        yield from self._pages(path, {}, size, deadline, read)

    def _schedule(self, schedule_id: str, path: str, deadline: Deadline) -> Iterator[Page]:
        """Read who is on shift in one schedule; their e-mails cost a call each."""
        now = deadline.now().replace(microsecond=0)
        query = {
            "since": format_instant(now),
            "until": format_instant(now + _WINDOW),
            "include[]": "final_schedule",
            "overflow": "true",
            "time_zone": "UTC",
        }
        found = self._shown(schedule_id, path, query, deadline, partial(read_schedule, now=now))
        if found is None:
            return
        shifts, problems = found
        yield Page(problems=problems)
        for user_id, duty in itertools.islice(shifts.items(), MOST_ON_SHIFT):
            try:
                read = partial(read_email, user_id=user_id)
                holder = self._get_if_there(f"/users/{user_id}", {}, deadline, read)
            except (HttpError, ShapeError) as error:
                yield Page(problems=(f"somebody on shift: {error}",))
                continue
            yield Page((duty._replace(holder=holder) if holder else duty._replace(user=user_id),))
        if len(shifts) > MOST_ON_SHIFT:
            raise CutShort(f"only the first {MOST_ON_SHIFT} people on shift were asked for")

    def _shown(
        self,
        schedule_id: str,
        path: str,
        query: Mapping[str, str],
        deadline: Deadline,
        read: _Reading[_T],
    ) -> _T | None:
        """Ask where it is known to be, or in both places, in the order that the vendor advises."""
        try:
            return self._get_if_there(f"{path or SHIFT_BASED}/{schedule_id}", query, deadline, read)
        except HttpError as error:
            if path or error.status != _BAD_REQUEST:
                raise
        return self._get_if_there(f"{LAYERED}/{schedule_id}", query, deadline, read)

    def _pages(
        self,
        path: str,
        query: Mapping[str, str],
        size: int,
        deadline: Deadline,
        read: Callable[[list[Any]], Page],
    ) -> Iterator[Page]:
        """Read a list to its end; a page begins after the rows that came, if few for the limit."""

        def read_one(body: Mapping[str, Any]) -> tuple[Page, Callable[[], bool], int]:
            rows = rows_of(body, path.rpartition("/")[2])
            return read(rows), deferred(lambda: has_more(body)), len(rows)

        offset, most = 0, MOST_ROWS // size
        for _ in range(most):
            limits = {"limit": size, "offset": offset}
            page, goes_on, count = self._get(path, {**query, **limits}, deadline, read_one)
            yield page
            if not goes_on():
                return
            if not count:
                raise CutShort("an empty page was not the last one")
            offset += count
        raise CutShort(f"only the first {most} pages were read")

    def _get_if_there(
        self, path: str, query: Mapping[str, str], deadline: Deadline, read: _Reading[_T]
    ) -> _T | None:
        try:
            return self._get(path, query, deadline, read)
        except HttpError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def _get(
        self, path: str, query: Mapping[str, str | int], deadline: Deadline, read: _Reading[_T]
    ) -> _T:
        def read_body(answer: object) -> _T:
            return read(as_object(answer, "the answer"))

        url = f"{self._base_url}{path}?{urlencode(query)}"
        try:
            return self._client.get_json(url, self._headers, deadline, read_body)
        except HttpError as error:
            hint = _HINTS.get(error.status, "")
            if error.status == _UNAUTHORIZED:
                hint += other_region(BY_ID["pagerduty"], self._base_url)
            raise error.with_hint(hint) from error


def source(client: Client, settings: Mapping[str, str]) -> PagerDuty:
    """Make the source from its settings."""
    return PagerDuty(client, settings["PAGERDUTY_BASE_URL"], settings["PAGERDUTY_KEY"])


def rows_of(body: Mapping[str, Any], field: str) -> list[Any]:
    """Take a list that has to be there: taken for empty, it would hide who else bears a name."""
    if not isinstance(rows := body.get(field), list):
        raise ShapeError(f"{field} is no list")
    return rows


def has_more(body: Mapping[str, Any]) -> bool:
    """Whether another page follows."""
    if not isinstance(more := body.get("more"), bool):
        raise ShapeError("more is neither true nor false")
    return more


def read_on_calls(rows: Iterable[Any], told: Told) -> Page:
    """Read a page of on-calls, one for each escalation policy that uses a schedule.

    `told` holds the shifts of the pages before: the page has those that are new, or better known.
    """
    duties: dict[_Shift, Duty] = {}
    titled: dict[ScheduleOrRole, None] = {}
    unread = 0
    for row in rows:
        try:
            entry = as_object(row, "on-call")
            # Whom a policy pages directly is on call at any time, so it says nothing about now.
            if entry.get("schedule") is None:
                continue
            schedule = _titled(shown := get_object(entry, "schedule"))
            titled[schedule] = None
            duty = _on_call(entry, schedule, get_str(shown, "html_url"))
        except ShapeError:
            unread += 1
            continue
        person = duty.holder or duty.user
        key = duty.id, person, duty.start
        if person and (better := _joined(told.get(key, duty), duty)) != told.get(key):
            told[key] = duties[key] = better
    # Schedules that nobody is on call for, or no policy uses, are missing: any could bear a name.
    return Page(tuple(duties.values()), tuple(titled), problems=_unread(unread), unnamed=True)


def _on_call(entry: Mapping[str, Any], schedule: ScheduleOrRole, link: str) -> Duty:
    level = entry.get("escalation_level")
    if type(level) is not int or level < 1:
        raise ShapeError("escalation_level is no level")
    endless = entry.get("end", "") is None
    user = get_object(entry, "user")
    # One who was deleted is a bare reference, without an e-mail.
    holder = emails.normal(get_str(user, "email"))
    return Duty(
        PROVIDER,
        ON_CALL,
        schedule.id,
        schedule.names[0] if schedule.names else "",
        holder,
        level=level,
        start=None if entry.get("start", "") is None else _instant(entry, "start"),
        end=None if endless else _instant(entry, "end"),
        endless=endless,
        link=link,
        user="" if holder else get_str(user, "id"),
    )


def _joined(one: Duty, other: Duty) -> Duty:
    """Make one duty of one shift: on the lowest level, until the latest end on that level."""
    return max((one, other), key=lambda each: (-each.level, each.endless, each.end))


def read_schedules(rows: Iterable[Any], path: str) -> Page:
    """Read a page of schedules, of layers or of shifts: what there is, and what it is called."""
    titled, unread, unnamed = [], 0, False
    for row in rows:
        try:
            titled.append(_titled(as_object(row, "schedule"), path))
        except ShapeError:
            unread += 1
            unnamed = True
            continue
        unnamed = unnamed or not titled[-1].names
    return Page(schedules_and_roles=tuple(titled), problems=_unread(unread), unnamed=unnamed)


def to_look_up(entries: Iterable[str], snapshot: ProviderSnapshot) -> Iterator[tuple[str, str]]:
    """Give id and path of each schedule that the policy names but nobody seems to be on call for.

    Maybe no escalation policy uses it: then it is not among the on-calls.
    """
    manned = {
        each.id for each in (*snapshot.duties, *snapshot.without_email) if each.provider == PROVIDER
    }
    listed = [each for each in snapshot.schedules_and_roles if each.provider == PROVIDER]
    whole = (PROVIDER, ON_CALL) not in snapshot.incomplete
    for entry in entries:
        found = {each.id: each.path for each in listed if entry in {each.id, *each.names}}
        if entry in found or (listed and not found and not whole):
            # An id means that schedule, whatever else is called so. It may be on an unread page.
            found = {entry: found.get(entry, "")}
        elif not whole:
            continue
        if len(found) == 1 and manned.isdisjoint(found):
            yield from (each for each in found.items() if _is_id(each[0]))


def read_schedule(
    body: Mapping[str, Any], now: datetime
) -> tuple[Mapping[str, Duty], tuple[str, ...]]:
    """Read who is on shift in one schedule: by user id, a duty without its holder's e-mail.

    There is none where an escalation policy uses it: the on-calls alone tell on which level.
    Where that is not said, it could be on any.
    """
    shown = get_object(body, "schedule")
    schedule = _titled(shown)
    if "escalation_policies" not in shown or shown["escalation_policies"] is None:
        raise ShapeError("escalation_policies is missing")
    if as_list(shown["escalation_policies"], "escalation_policies"):
        return {}, ()
    final = get_object(shown, "final_schedule")
    v3 = _ASSIGNMENTS in final
    name = schedule.names[0] if schedule.names else ""
    made = Duty(PROVIDER, ON_CALL, schedule.id, name, "", link=get_str(shown, "html_url"))
    shifts: dict[str, Duty] = {}
    unread = 0
    for each in rows_of(final, _ASSIGNMENTS if v3 else "rendered_schedule_entries"):
        try:
            entry = as_object(each, "shift")
            user_id = _user_id(entry, v3=v3)
            start, end = (_instant(entry, f"{at}_time" if v3 else at) for at in ("start", "end"))
        except ShapeError:
            unread += 1
            continue
        known = shifts.get(user_id)
        longer = known is None or known.end is None or known.end < end
        if user_id and start <= now < end and longer:
            shifts[user_id] = made._replace(start=start, end=end)
    return shifts, _unread(unread)


def _user_id(entry: Mapping[str, Any], *, v3: bool) -> str:
    """Give the id of whoever is on a shift, or "" where it is nobody's."""
    member = get_object(entry, "member" if v3 else "user")
    if get_str(member, "type") == "empty_member":
        return ""
    if not _is_id(user_id := require_str(member, "user_id" if v3 else "id")):
        raise ShapeError("a user's id is no id")
    return user_id


def read_email(body: Mapping[str, Any], user_id: str) -> str:
    """Read this user's e-mail, in normal form, or ""."""
    user = get_object(body, "user")
    if require_str(user, "id") != user_id:
        raise ShapeError("another user was answered than was asked for")
    return emails.normal(get_str(user, "email"))


def _titled(schedule: Mapping[str, Any], path: str = "") -> ScheduleOrRole:
    # A reference has a summary only; elsewhere it is the name, but it need not be.
    names = dict.fromkeys(filter(None, (get_str(schedule, "summary"), get_str(schedule, "name"))))
    return ScheduleOrRole(PROVIDER, ON_CALL, require_str(schedule, "id"), tuple(names), path=path)


def _instant(entry: Mapping[str, Any], field: str) -> datetime:
    if (moment := parse_instant(get_str(entry, field))) is None:
        raise ShapeError(f"{field} is no RFC 3339 instant")
    return moment


def _is_id(text_: str) -> bool:
    """Whether it can be one: it becomes part of a path, and of what is logged."""
    return text_.isascii() and text_.isalnum()


def _unread(count: int) -> tuple[str, ...]:
    return (f"{count} entries could not be read",) if count else ()
