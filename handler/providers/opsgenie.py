"""Opsgenie: who is on call and is notified at once.

Facts from the vendor's API reference ("Who is On Call API", "Schedule API", "Response").

One answer has every schedule that the key sees, as a tree of who is on shift. A person in it counts
if nothing on the way down delays the alert: on shift themselves, in a team, or on shift of
another schedule that is switched on; below an escalation, only in a step that comes at once and
notifies as usual. Whatever says something else, or nothing where it should, does not count.

The key of a team's integration sees that team's schedules, and nothing tells: a name is unique if
it is so among them. Where that is too little, the policy has to name schedules by id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from handler import emails
from handler.clock import Clock, Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot
from handler.http import Client, HttpError
from handler.json_fields import (
    JsonObject,
    ShapeError,
    as_object,
    get_list,
    get_object,
    get_str,
    read_entries,
    require_list,
    require_str,
)
from handler.providers.atlassian import (
    TIMELINE,
    duties_without_end,
    is_id,
    read_schedule,
    read_shift_ends,
)
from handler.providers.base import (
    DutyQuery,
    Page,
    Question,
    fetch_object,
    unread_problem,
    user_id_of,
)
from handler.providers.registry import BY_ID, other_region
from handler.typing import Any, TypeVar

_T = TypeVar("_T")
PROVIDER = BY_ID["opsgenie"].name
_OPENED = frozenset({"team", "escalation", "schedule"})
_USUAL = "default"
_HINTS: Mapping[int | None, str] = {
    401: "; the key is wrong, or its integration is switched off",
    402: "; the account's plan does not include this",
    403: "; the key's integration needs the right to read, and to access configurations",
}
_TEAM_KEY = "; or it is a team's, which may not see this"
MOST_SCHEDULES = 20
_UNAUTHORIZED, _NOT_FOUND = 401, 404
# How a 422 says that the key is of another region, or none at all.
_NO_KEY = b"Key format is not valid"
_NO_RIGHT = re.compile(rb'"code"\s*:\s*40301\b')


class OpsgenieClient:
    """Questions to one Opsgenie account."""

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._clock = clock
        self._base_url = settings["OPSGENIE_BASE_URL"]
        self._schedules = f"{self._base_url}/v2/schedules"
        self._headers = {"Authorization": f"GenieKey {settings['OPSGENIE_KEY']}"}

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask who is on call; then until when, a call for each schedule.

        Schedules that the rules name by id are asked for one by one. The API has no search by name,
        and a person's own schedules lack those that they are on call for by an override only: there
        one answer tells of all schedules.
        """
        entries, may_be_id = query.schedules, BY_ID["opsgenie"].may_have_id
        by_id = query.holders is not None and not query.any_schedule
        if by_id and len(entries) <= MOST_SCHEDULES and all(map(may_be_id, entries)):
            for id_ in entries:
                fetch = partial(self._on_calls_of, id_)
                yield Question(PROVIDER, f"on-calls of {id_}", ON_CALL, fetch, ())
        elif query.on_call:
            yield Question(PROVIDER, "on-calls", ON_CALL, self._on_calls)
        for schedule_id, duties in duties_without_end(PROVIDER, query, snapshot):
            yield self._timeline(schedule_id, duties)

    def _on_calls(self, deadline: Deadline) -> Iterator[Page]:
        yield self._get("on-calls?flat=false", deadline, read_on_calls)

    def _on_calls_of(self, schedule_id: str, deadline: Deadline) -> Iterator[Page]:
        """Read who is on call for one schedule.

        Schedules on shift in it count only if they are switched on: that is asked for each of them,
        and then who is on call by them as well.
        """
        running: set[str] = set()
        known = {schedule_id}

        def read(body: JsonObject) -> tuple[Page, set[str]]:
            return read_on_calls_of(body, running)

        try:
            page, within = self._get(f"{schedule_id}/on-calls?flat=false", deadline, read)
            yield page
            while (new := within - known) and len(known) <= MOST_SCHEDULES:
                known |= new
                for id_ in sorted(new):
                    try:
                        running |= {id_} if self._get(id_, deadline, _is_running) else set()
                    except (HttpError, ShapeError) as error:
                        # Its people don't count; those of the others do.
                        yield Page(problems=(f"schedule {id_}: {error}",))
                page, within = self._get(f"{schedule_id}/on-calls?flat=false", deadline, read)
                yield page._replace(problems=())
        except HttpError as error:
            if error.status != _NOT_FOUND:
                raise

    def _timeline(self, schedule_id: str, duties: Collection[Duty]) -> Question:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            now = self._clock.now()
            ends, unread = self._get(
                f"{schedule_id}/{TIMELINE}",
                deadline,
                lambda body: read_shift_ends(get_object(body, "data"), _recipient, now),
            )
            ending = (
                duty._replace(end=ends[person])
                for duty in duties
                if (person := duty.user or duty.holder) in ends
            )
            yield Page(tuple(ending), problems=unread_problem(unread))

        return Question(PROVIDER, f"timeline of {schedule_id}", "", fetch)

    def _get(self, path: str, deadline: Deadline, read: Callable[[JsonObject], _T]) -> _T:
        url = f"{self._schedules}/{path}"
        return fetch_object(self._client, url, self._headers, deadline, read, self._hint)

    def _hint(self, error: HttpError) -> str:
        hint = _HINTS.get(error.status, "")
        if _NO_RIGHT.search(error.body):
            hint += _TEAM_KEY
        if _NO_KEY in error.body:
            hint = "; the key isn't one of Opsgenie's"
        if error.status == _UNAUTHORIZED or _NO_KEY in error.body:
            hint += other_region(BY_ID["opsgenie"], self._base_url)
        return hint


CLIENT = OpsgenieClient


def read_on_calls(body: JsonObject) -> Page:
    """Read who is on call: a duty for each person who is notified at once."""
    entries = require_list(body, "data")
    schedules, _ = read_entries(
        entries, lambda entry: read_schedule(PROVIDER, get_object(entry, "_parent"))[0]
    )
    return _read_on_calls(entries, {schedule.id for schedule in schedules if schedule.enabled})[0]


def read_on_calls_of(body: JsonObject, running: Collection[str]) -> tuple[Page, set[str]]:
    """Read who is on call for one schedule, and the ids of the schedules on shift in it.

    `running` are those of them that are known to be switched on.
    """
    return _read_on_calls([get_object(body, "data")], running)


def _read_on_calls(entries: list[Any], running: Collection[str]) -> tuple[Page, set[str]]:
    schedules, unread = read_entries(
        entries, lambda entry: (read_schedule(PROVIDER, get_object(entry, "_parent")), entry)
    )
    names_missing = unread > 0
    unread += sum(not is_clear for (_, is_clear), _ in schedules)
    duties: list[Duty] = []
    within: set[str] = set()
    for (schedule, _), entry in schedules:
        if schedule.enabled:
            people, inner, odd = _notified_at_once(entry, running)
            unread += odd
            within |= inner
            duties += (
                Duty(PROVIDER, ON_CALL, schedule.id, schedule.names[0], holder, user=user_id)
                for holder, user_id in people
            )
    page = Page(
        tuple(duties),
        tuple(schedule for (schedule, _), _ in schedules),
        problems=unread_problem(unread),
        names_missing=names_missing,
    )
    return page, within


def _is_running(body: JsonObject) -> bool:
    return read_schedule(PROVIDER, get_object(body, "data"))[0].enabled


def _notified_at_once(
    schedule: JsonObject, running: Collection[str]
) -> tuple[Collection[tuple[str, str]], set[str], int]:
    """Give e-mail and id of those notified at once, and the ids of the schedules on the way.

    Count the entries that are not understood.
    """
    people: dict[tuple[str, str], None] = {}
    within: set[str] = set()
    try:
        waiting = [(entry, False) for entry in get_list(schedule, "onCallParticipants")]
    except ShapeError:
        return people, within, 1
    odd = 0
    for entry, is_step in waiting:  # grows on the way: a tree may be deeper than Python's stack
        try:
            participant = as_object(entry, "participant")
            if not _comes_at_once(participant, is_step=is_step):
                continue
            kind = get_str(participant, "type")
            members = get_list(participant, "onCallParticipants")
            if kind == "user":
                people[_person(participant)] = None
            elif kind not in _OPENED:
                odd += kind != "none"
            elif kind != "schedule":
                waiting += [(member, kind == "escalation") for member in members]
            else:
                id_ = get_str(participant, "id")
                if is_id(id_):
                    within.add(id_)
                if id_ in running:
                    waiting += [(member, False) for member in members]
        except ShapeError:
            odd += 1
    return people, within, odd


def _comes_at_once(participant: JsonObject, *, is_step: bool) -> bool:
    after, how = participant.get("escalationTime"), get_str(participant, "notifyType")
    if not is_step and after is None and not how:
        return True
    if type(after) is not int or after < 0 or not how:
        raise ShapeError("a step does not say when it comes")
    return after == 0 and how == _USUAL


def _person(user: JsonObject) -> tuple[str, str]:
    """Give the e-mail, which a user's name is, and the id; one of them may be ""."""
    holder = emails.normal(get_str(user, "name"))
    return holder, user_id_of(user) if holder else require_str(user, "id")


def _recipient(period: JsonObject) -> str:
    """Give the id of a period's user, or the e-mail if there is no id."""
    recipient = get_object(period, "recipient")
    if get_str(recipient, "type") != "user":
        return ""
    return get_str(recipient, "id") or emails.normal(get_str(recipient, "name"))
