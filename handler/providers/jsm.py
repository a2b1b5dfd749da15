"""JSM Operations, Opsgenie's successor: who is on shift, by account, and whose account it is.

Facts from Atlassian's references ("Jira Service Management ops REST API": schedules, on-calls,
timelines; "Jira Cloud platform REST API": users).

Only a person who is on shift themselves counts. Nothing tells when a step of an escalation comes,
nor whether a team goes by one: who is on call by a team, an escalation or another schedule does
not.

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
from handler.clock import Clock, Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import (
    JsonObject,
    deferred,
    get_object,
    get_str,
    read_entries,
    require_list,
    require_str,
)
from handler.providers.atlassian import (
    TIMELINE,
    duties_without_end,
    read_schedule,
    read_shift_ends,
    require_id,
)
from handler.providers.base import (
    CutShort,
    DutyQuery,
    Page,
    Question,
    fetch_object,
    unread_problem,
)
from handler.providers.registry import BY_ID

_T = TypeVar("_T")
PROVIDER = BY_ID["jsm"].name
PAGE_SIZE = 100
MOST_PAGES = 20
MOST_SCHEDULES = 20
ACCOUNTS_A_CALL = 50
_KINDS = frozenset({"user", "team", "escalation", "schedule", "noone"})
_OPS, _USERS = "read:ops-config:jira-service-management", "read:jira-user"
_HINTS: Mapping[int | None, str] = {
    401: "; the e-mail or the token is wrong, or the token lacks the scope {scope}",
    403: "; the account may not see this",
}
_NOT_FOUND, _NO_SITE = 404, ": no such site, so JSM_SITE may be wrong"


class JSMClient:
    """Questions to one site; one per environment, for which the site's cloud id is kept."""

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._clock = clock
        self._site = settings["JSM_SITE"]
        self._base_url = settings["JSM_BASE_URL"]
        account = f"{settings['JSM_EMAIL']}:{settings['JSM_API_TOKEN']}".encode()
        self._headers = {"Authorization": f"Basic {b2a_base64(account, newline=False).decode()}"}
        self._schedules_url = ""

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for the schedules; then who is on shift, then until when, schedule by schedule."""
        if not query.on_call:
            return
        yield Question(PROVIDER, "schedules", ON_CALL, self._list)
        schedules = _schedules_to_ask(query, snapshot)
        for schedule in schedules[:MOST_SCHEDULES]:
            yield self._on_calls(schedule)
        if len(schedules) > MOST_SCHEDULES:
            yield Question(PROVIDER, "other schedules", "", _too_many)
        for schedule_id, duties in duties_without_end(PROVIDER, query, snapshot):
            yield self._timeline(schedule_id, duties)

    def _list(self, deadline: Deadline) -> Iterator[Page]:
        url = f"{self._schedules(deadline)}?size={PAGE_SIZE}&offset="
        yield from self._values(url, _OPS, _has_next, deadline, read_schedules)

    def _on_calls(self, schedule: ScheduleOrRole) -> Question:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule.id}/on-calls?flat=false"
            accounts, unread = self._get(url, _OPS, deadline, read_on_shift)
            yield Page(problems=unread_problem(unread))
            duty = Duty(PROVIDER, ON_CALL, schedule.id, schedule.names[0], "")
            without_email = dict.fromkeys(accounts)
            for people, unread in self._people(accounts, deadline):
                for account in people:
                    without_email.pop(account, None)  # an account may come on two pages
                duties = (duty._replace(holder=email) for email in dict.fromkeys(people.values()))
                yield Page(tuple(duties), problems=unread_problem(unread))
            yield Page(tuple(duty._replace(user=account) for account in without_email))

        return Question(PROVIDER, f"on-calls of {schedule.id}", "", fetch)

    def _timeline(self, schedule_id: str, duties: Collection[Duty]) -> Question:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule_id}/{TIMELINE}"
            read = partial(read_shift_ends, person_of=_responder, now=self._clock.now())
            ends, unread = self._get(url, _OPS, deadline, read)
            yield Page(problems=unread_problem(unread))
            for people, unread in self._people(list(ends), deadline):
                ending = (
                    duty._replace(end=ends[account])
                    for account, email in people.items()
                    for duty in duties
                    if duty.holder == email
                )
                yield Page(tuple(ending), problems=unread_problem(unread))

        return Question(PROVIDER, f"timeline of {schedule_id}", "", fetch)

    def _people(
        self, accounts: list[str], deadline: Deadline
    ) -> Iterator[tuple[dict[str, str], int]]:
        """Look up e-mails by account, so many at a time."""
        for at in range(0, len(accounts), ACCOUNTS_A_CALL):
            some = accounts[at : at + ACCOUNTS_A_CALL]
            query = urlencode([*(("accountId", id_) for id_ in some), ("maxResults", len(some))])
            url = f"{self._site}/rest/api/3/user/bulk?{query}&startAt="
            read = partial(read_users, accounts=some)
            yield from self._values(url, _USERS, _is_not_last, deadline, read)

    def _values(
        self,
        url: str,
        scope: str,
        has_more: Callable[[JsonObject], bool],
        deadline: Deadline,
        read: Callable[[list[Any]], _T],
    ) -> Iterator[_T]:
        """Read a list page by page; `url` ends where the number of the first entry goes."""

        def read_page(body: JsonObject) -> tuple[_T, Callable[[], bool], int, int]:
            values = require_list(body, "values")
            fingerprint = hash(tuple(map(hash, map(repr, values))))
            return read(values), deferred(lambda: has_more(body)), len(values), fingerprint

        start, last = 0, None
        for _ in range(MOST_PAGES):
            page, goes_on, count, fingerprint = self._get(
                f"{url}{start}", scope, deadline, read_page
            )
            yield page
            if not goes_on():
                return
            if fingerprint == last:
                raise CutShort("a page says that there is another, and there is none")
            start, last = start + count, fingerprint
        raise CutShort(f"only the first {MOST_PAGES} pages were read")

    def _schedules(self, deadline: Deadline) -> str:
        """Give the address of the schedules, for which the site tells its cloud id to anybody."""
        if not self._schedules_url:
            cloud_id = fetch_object(
                self._client,
                f"{self._site}/_edge/tenant_info",
                {},
                deadline,
                lambda body: require_id(body, "cloudId"),
                lambda error: _NO_SITE if error.status == _NOT_FOUND else "",
            )
            self._schedules_url = f"{self._base_url}/jsm/ops/api/{cloud_id}/v1/schedules"
        return self._schedules_url

    def _get(
        self, url: str, scope: str, deadline: Deadline, read: Callable[[JsonObject], _T]
    ) -> _T:
        def hint(error: HttpError) -> str:
            return _HINTS.get(error.status, "").format(scope=scope)

        return fetch_object(self._client, url, self._headers, deadline, read, hint)


CLIENT = JSMClient


def read_schedules(values: list[Any]) -> Page:
    """Read a page of schedules: what they are called, and whether they are switched on."""
    schedules, unread = read_entries(values, partial(read_schedule, PROVIDER))
    unclear = sum(not is_clear for _, is_clear in schedules)
    return Page(
        schedules_and_roles=tuple(schedule for schedule, _ in schedules),
        problems=unread_problem(unread + unclear),
        names_missing=unread > 0,
    )


def read_on_shift(body: JsonObject) -> tuple[list[str], int]:
    """Read the accounts on shift, and count the entries that could not be read."""

    def read(participant: JsonObject) -> tuple[str, str]:
        kind = get_str(participant, "type")
        return kind, require_str(participant, "id") if kind == "user" else ""

    participants, unread = read_entries(require_list(body, "onCallParticipants"), read)
    accounts = dict.fromkeys(account for _, account in participants if account)
    return list(accounts), unread + sum(kind not in _KINDS for kind, _ in participants)


def read_users(values: list[Any], accounts: Collection[str]) -> tuple[dict[str, str], int]:
    """Read the e-mail, in normal form, of each account that is a person's and in use."""

    def read(user: JsonObject) -> tuple[str, str, bool, object]:
        account, email = require_str(user, "accountId"), get_str(user, "emailAddress")
        is_person = get_str(user, "accountType") == "atlassian"
        return account, emails.normal(email), is_person, user.get("active")

    users, unread = read_entries(values, read)
    people = {
        account: email
        for account, email, is_person, active in users
        if email and is_person and active is True and account in accounts
    }
    return people, unread + sum(not isinstance(active, bool) for *_, active in users)


def _schedules_to_ask(query: DutyQuery, snapshot: ProviderSnapshot) -> list[ScheduleOrRole]:
    """Give the schedules to ask about, those that are named first."""
    enabled = {
        listed.id: listed
        for listed in snapshot.schedules_and_roles
        if listed.provider == PROVIDER and listed.enabled
    }
    entries = set(query.schedules)
    named = {id_: listed for id_, listed in enabled.items() if entries & {id_, *listed.names}}
    return list((named | enabled if query.any_schedule else named).values())


def _responder(period: JsonObject) -> str:
    responder = get_object(period, "responder")
    return require_str(responder, "id") if get_str(responder, "type") == "user" else ""


def _has_next(body: JsonObject) -> bool:
    return bool(get_str(get_object(body, "links"), "next"))


def _is_not_last(body: JsonObject) -> bool:
    return body.get("isLast") is not True


def _too_many(_: Deadline) -> Iterator[Page]:
    raise CutShort(f"only the first {MOST_SCHEDULES} of the schedules were asked about")
