"""JSM Operations, Opsgenie's successor: who is on shift, by account, and whose account it is.

Facts from Atlassian's references ("Jira Service Management ops REST API": schedules, on-calls,
timelines; "Jira Cloud platform REST API": users).

Only a person who is on shift themselves counts. Nothing tells when a step of an escalation comes,
nor whether a team goes by one: who is on call by a team, an escalation or another schedule does
not.

People are accounts here. An account that shows no e-mail is only counted, unless the policy maps
it to one; an account that is closed or isn't a person's is only counted in any case. A link to a
next page is never followed: it only says that there is one.
"""

from __future__ import annotations

from _thread import allocate_lock
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from urllib.parse import urlencode

from handler import emails
from handler.clock import Clock, Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot, ProviderUser, ScheduleOrRole
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
    is_id,
    read_schedule,
    read_shift_ends,
    require_id,
)
from handler.providers.base import (
    CutShort,
    DutyQuery,
    Page,
    Question,
    fetch_list,
    fetch_object,
    unread_problem,
)
from handler.providers.registry import BY_ID
from handler.typing import Any, TypeVar

_T = TypeVar("_T")
PROVIDER = BY_ID["jsm"].name
PAGE_SIZE = 100
MOST_PAGES = 20
MOST_SCHEDULES = 20
ACCOUNTS_A_CALL = 50
MOST_ACCOUNTS = 100
_KINDS = frozenset({"user", "team", "escalation", "schedule", "noone"})
_OPS, _USERS = "read:ops-config:jira-service-management", "read:jira-user"
_USERS_PATH = "rest/api/3/user"
# The part of the time for which a question waits until another one has found the cloud id.
_PATIENCE = 0.3
_UNAUTHORIZED = 401
_NO_SUCH_ID = frozenset({404})
_NO_ID = frozenset({400, 404, 422})
_HINTS: Mapping[int | None, str] = {
    401: "; the e-mail or the token is wrong, or the token lacks the scope {scope}",
    403: "; the account may not see this",
}
_NOT_FOUND, _NO_SITE = 404, ": no such site, so JSM_SITE may be wrong"


class JSMClient:
    """Questions to one site; one per environment, for which what it finds out of the site is kept.

    Accounts are asked for at Atlassian's gateway, the only host that takes a token with scopes for
    that; the site itself takes a token without.
    """

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._clock = clock
        self._site = settings["JSM_SITE"]
        self._base_url = settings["JSM_BASE_URL"]
        account = f"{settings['JSM_EMAIL']}:{settings['JSM_API_TOKEN']}".encode()
        self._headers = {"Authorization": f"Basic {b2a_base64(account, newline=False).decode()}"}
        self._cloud_id = ""
        self._finding = allocate_lock()  # the first questions ask for it once
        self._is_for_site = False

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for accounts and schedules; then who is on shift; then until when.

        The API has no call for what a person is on call for, so any schedule means all of them;
        those that the rules name are searched for, unless there are many.
        """
        if not query.on_call:
            return
        entries = query.schedules
        if query.holders is None or query.any_schedule or len(entries) > MOST_SCHEDULES:
            yield Question(PROVIDER, "schedules", ON_CALL, self._list)
        else:
            for entry in entries:
                search = partial(self._search, entry)
                yield Question(PROVIDER, "a schedule", ON_CALL, search, (entry,), about=entry)
        for email in sorted(filter(emails.is_address, query.holders or ())):
            yield Question(PROVIDER, "accounts", "", partial(self._account, email), about=email)
        users = _accounts_of(query, snapshot)
        schedules = _schedules_to_ask(query, snapshot)
        for schedule in schedules[:MOST_SCHEDULES]:
            yield self._on_calls(schedule, users)
        if len(schedules) > MOST_SCHEDULES:
            yield Question(PROVIDER, "other schedules", "", _too_many)
        for schedule_id, duties in duties_without_end(PROVIDER, query, snapshot):
            yield self._timeline(schedule_id, duties)

    def search_accounts(self, email: str, deadline: Deadline) -> list[Any]:
        """Find accounts by the beginning of a name or of an e-mail that they show."""
        path = f"search?{urlencode({'query': email, 'maxResults': MOST_ACCOUNTS})}"
        return self._ask_users(
            deadline,
            lambda users: fetch_list(
                self._client, f"{users}/{path}", self._headers, deadline, _hint_for(_USERS)
            ),
        )

    def _account(self, email: str, deadline: Deadline) -> Iterator[Page]:
        """Find the one account in use that shows this e-mail."""
        rows = self.search_accounts(email, deadline)
        people, unread = read_users(rows)
        own = [account for account, address in people.items() if address == email]
        users = tuple(ProviderUser(PROVIDER, email, account) for account in own)
        yield Page(users=users if len(own) == 1 else (), problems=unread_problem(unread))
        if len(rows) >= MOST_ACCOUNTS:
            raise CutShort("more accounts were found than are read")

    def _list(self, deadline: Deadline) -> Iterator[Page]:
        yield from self._pages(f"{self._schedules(deadline)}?", deadline)

    def _search(self, entry: str, deadline: Deadline) -> Iterator[Page]:
        """Find the schedule that has this id, or those that have this name.

        What may be an id is asked for as one first: it means that schedule, whatever else is called
        so.
        """
        url = self._schedules(deadline)
        if _may_be_id(entry):
            try:
                page = self._get(
                    f"{url}/{entry}", _OPS, deadline, lambda body: read_schedules([body])
                )
            except HttpError as error:
                # Another status may mean that something has this id, unless it cannot be one.
                no_such_id = _NO_SUCH_ID if BY_ID["jsm"].may_have_id(entry) else _NO_ID
                if error.status not in no_such_id:
                    raise
            else:
                yield page
                if entry in {listed.id for listed in page.schedules_and_roles}:
                    return
        yield from self._pages(f"{url}?{urlencode({'query': entry})}&", deadline)

    def _pages(self, url: str, deadline: Deadline) -> Iterator[Page]:
        def get(offset: int, read: Callable[[JsonObject], _T]) -> _T:
            return self._get(f"{url}size={PAGE_SIZE}&offset={offset}", _OPS, deadline, read)

        yield from self._values(get, _has_next, read_schedules)

    def _on_calls(
        self, schedule: ScheduleOrRole, users: Mapping[str, str | None] | None
    ) -> Question:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule.id}/on-calls?flat=false"
            accounts, unread = self._get(url, _OPS, deadline, read_on_shift)
            yield Page(problems=unread_problem(unread))
            duty = Duty(PROVIDER, ON_CALL, schedule.id, schedule.names[0], "")
            inactive = dict.fromkeys(accounts if users is None else ())
            for people, unread in self._people(accounts, users, deadline):
                for account in people:
                    inactive.pop(account, None)  # an account may come on two pages
                duties = (
                    duty._replace(holder=email, user=account) for account, email in people.items()
                )
                yield Page(tuple(duties), problems=unread_problem(unread))
            yield Page(tuple(duty._replace(user=account, inactive=True) for account in inactive))

        return Question(PROVIDER, f"on-calls of {schedule.id}", "", fetch)

    def _timeline(self, schedule_id: str, duties: Collection[Duty]) -> Question:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            url = f"{self._schedules(deadline)}/{schedule_id}/{TIMELINE}"
            read = partial(read_shift_ends, person_of=_responder, now=self._clock.now())
            ends, unread = self._get(url, _OPS, deadline, read)
            ending = (duty._replace(end=ends[duty.user]) for duty in duties if duty.user in ends)
            yield Page(tuple(ending), problems=unread_problem(unread))

        return Question(PROVIDER, f"timeline of {schedule_id}", "", fetch)

    def _people(
        self, accounts: list[str], users: Mapping[str, str | None] | None, deadline: Deadline
    ) -> Iterator[tuple[dict[str, str], int]]:
        """Give e-mails by account: those of the users, or of all, so many at a time.

        Those that are not known are looked up, and whether the account is a person's and in use.
        """
        if users is not None:
            own = {account: users[account] for account in accounts if account in users}
            yield {account: email for account, email in own.items() if email is not None}, 0
            accounts = [account for account, email in own.items() if email is None]
        for at in range(0, len(accounts), ACCOUNTS_A_CALL):
            some = accounts[at : at + ACCOUNTS_A_CALL]
            query = urlencode([*(("accountId", id_) for id_ in some), ("maxResults", len(some))])
            get = partial(self._get_users, f"bulk?{query}&startAt=", deadline)
            for people, unread in self._values(get, _is_not_last, read_users):
                yield {id_: email for id_, email in people.items() if id_ in some}, unread

    def _values(
        self,
        get: Callable[[int, Callable[[JsonObject], Any]], Any],
        has_more: Callable[[JsonObject], bool],
        read: Callable[[list[Any]], _T],
    ) -> Iterator[_T]:
        """Read a list page by page; `get` gets the page that begins with an entry's number."""

        def read_page(body: JsonObject) -> tuple[_T, Callable[[], bool], int, int]:
            values = require_list(body, "values")
            fingerprint = hash(tuple(map(hash, map(repr, values))))
            return read(values), deferred(lambda: has_more(body)), len(values), fingerprint

        start, last = 0, None
        for _ in range(MOST_PAGES):
            page, goes_on, count, fingerprint = get(start, read_page)
            yield page
            if not goes_on():
                return
            if fingerprint == last:
                raise CutShort("a page says that there is another, and there is none")
            start, last = start + count, fingerprint
        raise CutShort(f"only the first {MOST_PAGES} pages were read")

    def _get_users(
        self, path: str, deadline: Deadline, start: int, read: Callable[[JsonObject], _T]
    ) -> _T:
        return self._ask_users(
            deadline, lambda users: self._get(f"{users}/{path}{start}", _USERS, deadline, read)
        )

    def _ask_users(self, deadline: Deadline, ask: Callable[[str], _T]) -> _T:
        """Ask at the gateway, or at the site if only that takes the token.

        The one that took it is asked first from then on, and the other one if it no longer does.
        """

        def ask_at(*, site: bool) -> _T:
            if site:
                return ask(f"{self._site}/{_USERS_PATH}")
            gateway = f"{self._base_url}/ex/jira/{self._find_cloud_id(deadline)}"
            return ask(f"{gateway}/{_USERS_PATH}")

        first = self._is_for_site
        try:
            return ask_at(site=first)
        except HttpError as error:
            if error.status != _UNAUTHORIZED:
                raise
            refusal = error
        try:
            answer = ask_at(site=not first)
        except HttpError:
            raise refusal from None
        self._is_for_site = not first
        return answer

    def _schedules(self, deadline: Deadline) -> str:
        return f"{self._base_url}/jsm/ops/api/{self._find_cloud_id(deadline)}/v1/schedules"

    def _find_cloud_id(self, deadline: Deadline) -> str:
        """Give the site's cloud id, which it gives to anybody.

        Whoever is asking for it already may belong to an earlier call, after which the function was
        frozen: nobody waits for them for long.
        """
        is_first = self._finding.acquire(timeout=deadline.left() * _PATIENCE)
        try:
            self._cloud_id = self._cloud_id or fetch_object(
                self._client,
                f"{self._site}/_edge/tenant_info",
                {},
                deadline,
                lambda body: require_id(body, "cloudId"),
                lambda error: _NO_SITE if error.status == _NOT_FOUND else "",
            )
        finally:
            if is_first:
                self._finding.release()
        return self._cloud_id

    def _get(
        self, url: str, scope: str, deadline: Deadline, read: Callable[[JsonObject], _T]
    ) -> _T:
        return fetch_object(self._client, url, self._headers, deadline, read, _hint_for(scope))


CLIENT = JSMClient


def _hint_for(scope: str) -> Callable[[HttpError], str]:
    return lambda error: _HINTS.get(error.status, "").format(scope=scope)


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


def read_users(values: list[Any]) -> tuple[dict[str, str], int]:
    """Read the e-mail, in normal form, of each account that is a person's and in use.

    It is "" where the account does not show it.
    """

    def read(user: JsonObject) -> tuple[str, str, bool, object]:
        account, email = require_str(user, "accountId"), get_str(user, "emailAddress")
        is_person = get_str(user, "accountType") == "atlassian"
        return account, emails.normal(email), is_person, user.get("active")

    users, unread = read_entries(values, read)
    people = {
        account: email
        for account, email, is_person, active in users
        if is_person and active is True
    }
    return people, unread + sum(not isinstance(active, bool) for *_, active in users)


def _accounts_of(query: DutyQuery, snapshot: ProviderSnapshot) -> Mapping[str, str | None] | None:
    """Give these people's e-mails by account, if an account of each of them is known.

    The e-mail of an account that only the policy names is None, since it has not been read.
    """
    if query.holders is None:
        return None
    users: dict[str, str | None] = dict.fromkeys(query.users)
    users |= {user.id: user.email for user in snapshot.users if user.provider == PROVIDER}
    addresses = [email for email in query.holders if emails.is_address(email)]
    return users if {*users.values(), *query.users.values()}.issuperset(addresses) else None


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


def _may_be_id(entry: str) -> bool:
    """Whether it looks like an id: those that there are have a digit, which few names have."""
    return is_id(entry) and any(map(str.isdigit, entry))


def _has_next(body: JsonObject) -> bool:
    return bool(get_str(get_object(body, "links"), "next"))


def _is_not_last(body: JsonObject) -> bool:
    return body.get("isLast") is not True


def _too_many(_: Deadline) -> Iterator[Page]:
    raise CutShort(f"only the first {MOST_SCHEDULES} of the schedules were asked about")
