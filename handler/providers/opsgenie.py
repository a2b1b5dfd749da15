"""Opsgenie: who is on call and is notified at once.

Facts from the vendor's API reference ("Who is On Call API", "Schedule API", "Response").

One answer tells every schedule that the key sees, as a tree of who is on shift. A person in it
counts if nothing on the way down delays the alert: on shift himself, in a team, or on shift of
another schedule that is switched on; below an escalation, only in a step that comes at once and
notifies as usual. Whatever says something else, or nothing where it should, does not count.

The key of a team's integration sees that team's schedules, and nothing tells: a name is unique if
it is so among them. Where that is too little, the policy has to name schedules by id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from handler import emails
from handler.clock import Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str, require_str
from handler.providers.atlassian import (
    TIMELINE,
    Json,
    ends,
    identifier,
    listed,
    unread,
    without_end,
)
from handler.providers.base import DutyQuery, Page, Question
from handler.providers.registry import BY_ID, other_region

_T = TypeVar("_T")
PROVIDER = BY_ID["opsgenie"].name
_OPENED = frozenset({"team", "escalation", "schedule"})
_USUAL = "default"
_HINTS = {
    401: "the key is wrong, or its integration is switched off",
    402: "the account's plan does not include this",
    403: "the key's integration needs the right to read, and to access configurations",
}
_OF_A_TEAM = "; or it is a team's, which may not see this"
_UNAUTHORIZED = 401
# How a 422 says that the key is of another region, or none at all.
_NO_KEY = b"Key format is not valid"
_NO_RIGHT = re.compile(rb'"code"\s*:\s*40301\b')


class Opsgenie:
    """Questions to one Opsgenie account."""

    def __init__(self, client: Client, base_url: str, api_key: str) -> None:
        self._client = client
        self._base_url = base_url
        self._schedules = f"{base_url}/v2/schedules"
        self._headers = {"Authorization": f"GenieKey {api_key}"}

    def questions(self, wants: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask who is on call, in one call; then until when, a call for each schedule."""
        if wants.on_call:
            yield Question(PROVIDER, "on-calls", ON_CALL, self._on_calls)
        for schedule, duties in without_end(PROVIDER, wants, snapshot):
            yield self._timeline(schedule, duties)

    def _on_calls(self, deadline: Deadline) -> Iterator[Page]:
        yield self._get("on-calls?flat=false", deadline, read_on_calls)

    def _timeline(self, schedule: str, duties: Collection[Duty]) -> Question:
        def pages(deadline: Deadline) -> Iterator[Page]:
            until, odd = self._get(
                f"{schedule}/{TIMELINE}", deadline, partial(_ends, deadline.now())
            )
            found = (
                each._replace(end=until[each.holder]) for each in duties if each.holder in until
            )
            yield Page(tuple(found), problems=unread(odd))

        return Question(PROVIDER, f"timeline of {schedule}", "", pages)

    def _get(self, path: str, deadline: Deadline, read: Callable[[Json], _T]) -> _T:
        def read_body(answer: object) -> _T:
            return read(as_object(answer, "the answer"))

        url = f"{self._schedules}/{path}"
        try:
            return self._client.get_json(url, self._headers, deadline, read_body)
        except HttpError as error:
            hint = f"; {_HINTS[error.status]}" if error.status in _HINTS else ""
            hint += _OF_A_TEAM if _NO_RIGHT.search(error.body) else ""
            if _NO_KEY in error.body:
                hint = "; the key isn't one of Opsgenie's"
            if error.status == _UNAUTHORIZED or _NO_KEY in error.body:
                hint += other_region(BY_ID["opsgenie"], self._base_url)
            raise error.with_hint(hint) from error


def source(client: Client, settings: Mapping[str, str]) -> Opsgenie:
    """Make the source from its settings."""
    return Opsgenie(client, settings["OPSGENIE_BASE_URL"], settings["OPSGENIE_KEY"])


def _ends(now: datetime, body: Json) -> tuple[dict[str, datetime], int]:
    return ends(get_object(body, "data"), _recipient, now)


def read_on_calls(body: Json) -> Page:
    """Read who is on call: a duty for each person who is notified at once."""
    seen: list[tuple[ScheduleOrRole, Json]] = []
    odd, unnamed = 0, False
    for entry in listed(body, "data"):
        try:
            schedule = as_object(entry, "schedule")
            parent = get_object(schedule, "_parent")
            schedule_id, name = identifier(parent, "id"), get_str(parent, "name")
        except ShapeError:
            odd += 1
            unnamed = True
            continue
        enabled = parent.get("enabled")
        odd += not isinstance(enabled, bool)
        seen.append(
            (ScheduleOrRole(PROVIDER, ON_CALL, schedule_id, (name,), enabled is True), schedule)
        )
    running = {each.id for each, _ in seen if each.enabled}
    duties: list[Duty] = []
    for each, schedule in seen:
        if each.enabled:
            people, more = _at_once(schedule, running)
            odd += more
            duties += (
                Duty(PROVIDER, ON_CALL, each.id, each.names[0], holder, user=user)
                for holder, user in people
            )
    return Page(tuple(duties), tuple(each for each, _ in seen), (), unread(odd), unnamed)


def _at_once(schedule: Json, running: Collection[str]) -> tuple[Collection[tuple[str, str]], int]:
    """Say who of a schedule is notified at once, and how many entries are not understood."""
    people: dict[tuple[str, str], None] = {}
    try:
        waiting = [(each, False) for each in get_list(schedule, "onCallParticipants")]
    except ShapeError:
        return people, 1
    odd = 0
    for value, is_step in waiting:  # grows on the way: a tree may be deeper than Python's stack
        try:
            each = as_object(value, "participant")
            if not _comes_at_once(each, is_step=is_step):
                continue
            kind, within = get_str(each, "type"), get_list(each, "onCallParticipants")
            if kind == "user":
                people[_person(each)] = None
            elif kind not in _OPENED:
                odd += kind != "none"
            elif kind != "schedule" or get_str(each, "id") in running:
                waiting += [(inner, kind == "escalation") for inner in within]
        except ShapeError:
            odd += 1
    return people, odd


def _comes_at_once(participant: Json, *, is_step: bool) -> bool:
    after, how = participant.get("escalationTime"), get_str(participant, "notifyType")
    if not is_step and after is None and not how:
        return True
    if type(after) is not int or after < 0 or not how:
        raise ShapeError("a step does not say when it comes")
    return after == 0 and how == _USUAL


def _person(user: Json) -> tuple[str, str]:
    """Give the e-mail, which a user's name is, or else the id."""
    if holder := emails.normal(get_str(user, "name")):
        return holder, ""
    return "", require_str(user, "id")


def _recipient(period: Json) -> str:
    recipient = get_object(period, "recipient")
    return emails.normal(get_str(recipient, "name")) if get_str(recipient, "type") == "user" else ""
