"""JSM Operations, Opsgenie's successor: who is on shift, by account, and whose account it is.

Facts from Atlassian's references ("Jira Service Management ops REST API": schedules, on-calls,
timelines; "Jira Cloud platform REST API": users).

Only a person who is on shift himself counts. Nothing tells when a step of an escalation comes, nor
whether a team goes by one: who is on call by a team, an escalation or another schedule does not.

People are accounts here. Whose e-mail the site does not show, or whose account is closed or no
person's, is only counted. A link to a next page is never followed: it only says that there is one.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from handler import emails
from handler.clock import Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object, deferred, get_object, get_str, require_str
from handler.providers.atlassian import (
    TIMELINE,
    Json,
    ends,
    identifier,
    listed,
    unread,
    without_end,
)
from handler.providers.base import CutShort, DutyQuery, Page, Question
from handler.providers.registry import BY_ID

_T = TypeVar("_T")
PROVIDER = BY_ID["jsm"].name
PAGE_SIZE = 100
MOST_PAGES = 20
MOST_SCHEDULES = 20
ACCOUNTS_A_CALL = 50
_KINDS = frozenset({"user", "team", "escalation", "schedule", "noone"})
_OPS, _USERS = "read:ops-config:jira-service-management", "read:jira-user"
_HINTS = {
    401: "; the e-mail or the token is wrong, or the token lacks the scope {scope}",
    403: "; the account may not see this",
}


class JSM:
    """Questions to one site; one per environment, for which the site's cloud id is kept."""

    def __init__(self, client: Client, settings: Mapping[str, str]) -> None:
        self._client = client
        self._site = settings["JSM_SITE"]
        self._base_url = settings["JSM_BASE_URL"]
        account = f"{settings['JSM_EMAIL']}:{settings['JSM_API_TOKEN']}".encode()
        self._headers = {"Authorization": f"Basic {b2a_base64(account, newline=False).decode()}"}
        self._api = ""

    def questions(self, wants: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for the schedules; then who is on shift, then until when, schedule by schedule."""
        if not wants.on_call:
            return
        yield Question(PROVIDER, "schedules", ON_CALL, self._list)
        wanted = _wanted(wants, snapshot)
        for schedule in wanted[:MOST_SCHEDULES]:
            yield self._on_calls(schedule)
        if len(wanted) > MOST_SCHEDULES:
            yield Question(PROVIDER, "other schedules", "", _too_many)
        for schedule_id, duties in without_end(PROVIDER, wants, snapshot):
            yield self._timeline(schedule_id, duties)

    def _list(self, deadline: Deadline) -> Iterator[Page]:
        url = f"{self._schedules(deadline)}?size={PAGE_SIZE}&offset="
        yield from self._values(url, _OPS, _has_next, deadline, read_schedules)

    def _on_calls(self, schedule: ScheduleOrRole) -> Question:
        def pages(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule.id}/on-calls?flat=false"
            accounts, odd = self._get(url, _OPS, deadline, read_on_shift)
            yield Page(problems=unread(odd))
            made = Duty(PROVIDER, ON_CALL, schedule.id, schedule.names[0], "")
            rest = dict.fromkeys(accounts)
            for people, odd in self._people(accounts, deadline):
                for each in people:
                    rest.pop(each, None)  # an account may come on two pages
                found = dict.fromkeys(people.values())
                yield Page(
                    tuple(made._replace(holder=each) for each in found), problems=unread(odd)
                )
            yield Page(tuple(made._replace(user=each) for each in rest))

        return Question(PROVIDER, f"on-calls of {schedule.id}", "", pages)

    def _timeline(self, schedule_id: str, duties: Collection[Duty]) -> Question:
        def pages(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule_id}/{TIMELINE}"
            read = partial(ends, who=_responder, now=deadline.now())
            until, odd = self._get(url, _OPS, deadline, read)
            yield Page(problems=unread(odd))
            for people, odd in self._people(list(until), deadline):
                found = (
                    duty._replace(end=until[account])
                    for account, email in people.items()
                    for duty in duties
                    if duty.holder == email
                )
                yield Page(tuple(found), problems=unread(odd))

        return Question(PROVIDER, f"timeline of {schedule_id}", "", pages)

    def _people(
        self, accounts: list[str], deadline: Deadline
    ) -> Iterator[tuple[dict[str, str], int]]:
        """Look up e-mails by account, so many at a time."""
        for at in range(0, len(accounts), ACCOUNTS_A_CALL):
            asked = accounts[at : at + ACCOUNTS_A_CALL]
            query = urlencode(
                [*(("accountId", each) for each in asked), ("maxResults", len(asked))]
            )
            url = f"{self._site}/rest/api/3/user/bulk?{query}&startAt="
            read = partial(read_users, asked=asked)
            yield from self._values(url, _USERS, _is_not_last, deadline, read)

    def _values(
        self,
        url: str,
        scope: str,
        more: Callable[[Json], bool],
        deadline: Deadline,
        read: Callable[[list[Any]], _T],
    ) -> Iterator[_T]:
        """Read a list page by page; `url` ends where the number of the first entry goes."""

        def read_one(body: Json) -> tuple[_T, Callable[[], bool], int, int]:
            values = listed(body, "values")
            return (
                read(values),
                deferred(lambda: more(body)),
                len(values),
                hash(tuple(map(hash, map(repr, values)))),
            )

        start, last = 0, None
        for _ in range(MOST_PAGES):
            found, goes_on, count, print_ = self._get(f"{url}{start}", scope, deadline, read_one)
            yield found
            if not goes_on():
                return
            if print_ == last:
                raise CutShort("a page says that there is another, and there is none")
            start, last = start + count, print_
        raise CutShort(f"only the first {MOST_PAGES} pages were read")

    def _schedules(self, deadline: Deadline) -> str:
        """Give the address of the schedules, for which the site tells its cloud id to anybody."""
        if not self._api:
            try:
                url = f"{self._site}/_edge/tenant_info"
                body: object = self._client.get_json(url, {}, deadline)
                cloud_id = identifier(as_object(body, "the answer"), "cloudId")
            except HttpError as error:
                hint = "; so the site tells no cloud id: JSM_SITE may be wrong"
                raise error.with_hint(hint) from error
            self._api = f"{self._base_url}/jsm/ops/api/{cloud_id}/v1/schedules"
        return self._api

    def _get(self, url: str, scope: str, deadline: Deadline, read: Callable[[Json], _T]) -> _T:
        def read_body(answer: object) -> _T:
            return read(as_object(answer, "the answer"))

        try:
            return self._client.get_json(url, self._headers, deadline, read_body)
        except HttpError as error:
            hint = _HINTS.get(error.status or 0, "").format(scope=scope)
            raise error.with_hint(hint) from error


def source(client: Client, settings: Mapping[str, str]) -> JSM:
    """Make the source from its settings."""
    return JSM(client, settings)


def read_schedules(values: list[Any]) -> Page:
    """Read a page of schedules: what they are called, and whether they are switched on."""
    titled, odd, unnamed = [], 0, False
    for value in values:
        try:
            schedule = as_object(value, "schedule")
            schedule_id, name = identifier(schedule, "id"), get_str(schedule, "name")
        except ShapeError:
            odd += 1
            unnamed = True
            continue
        enabled = schedule.get("enabled")
        odd += not isinstance(enabled, bool)
        titled.append(ScheduleOrRole(PROVIDER, ON_CALL, schedule_id, (name,), enabled is True))
    return Page(schedules_and_roles=tuple(titled), problems=unread(odd), unnamed=unnamed)


def read_on_shift(body: Json) -> tuple[list[str], int]:
    """Read the accounts on shift, and how many entries could not be read."""
    accounts: dict[str, None] = {}
    odd = 0
    for value in listed(body, "onCallParticipants"):
        try:
            participant = as_object(value, "participant")
            kind = get_str(participant, "type")
            if kind == "user":
                accounts[require_str(participant, "id")] = None
            odd += kind not in _KINDS
        except ShapeError:
            odd += 1
    return list(accounts), odd


def read_users(values: list[Any], asked: Collection[str]) -> tuple[dict[str, str], int]:
    """Read the e-mail, in normal form, of each account that is a person's and in use."""
    people, odd = {}, 0
    for value in values:
        try:
            user = as_object(value, "user")
            account, email = (
                require_str(user, "accountId"),
                emails.normal(get_str(user, "emailAddress")),
            )
            person = get_str(user, "accountType") == "atlassian"
            active = user.get("active")
        except ShapeError:
            odd += 1
            continue
        odd += not isinstance(active, bool)
        if email and person and active is True and account in asked:
            people[account] = email
    return people, odd


def _wanted(wants: DutyQuery, snapshot: ProviderSnapshot) -> list[ScheduleOrRole]:
    """Give the schedules to ask about, those that are named first."""
    known = {
        each.id: each
        for each in snapshot.schedules_and_roles
        if each.provider == PROVIDER and each.enabled
    }
    names = set(wants.schedules)
    named = {key: each for key, each in known.items() if names & {key, *each.names}}
    return list((named | known if wants.any_schedule else named).values())


def _responder(period: Json) -> str:
    responder = get_object(period, "responder")
    return require_str(responder, "id") if get_str(responder, "type") == "user" else ""


def _has_next(body: Json) -> bool:
    return bool(get_str(get_object(body, "links"), "next"))


def _is_not_last(body: Json) -> bool:
    return body.get("isLast") is not True


def _too_many(_: Deadline) -> Iterator[Page]:
    raise CutShort(f"only the first {MOST_SCHEDULES} of the schedules were asked about")
