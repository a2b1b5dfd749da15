"""What a provider's file and the rest of the handler say to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from handler.clock import Clock, Deadline
from handler.duty import Duty, Incident, ProviderSnapshot, ProviderUser, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object

_T = TypeVar("_T")


class Page(NamedTuple):
    """One page of a provider's answer.

    Attributes:
        duties: the current ones, also those whose holder's e-mail it does not show.
        schedules_and_roles: all of them, held by somebody or not.
        incidents: the live ones, newest first.
        problems: what could not be read or was left out, in words safe to log.
        names_missing: whether something that was left out may have a name of the policy.
        users: the users of the people who were asked about.
    """

    duties: tuple[Duty, ...] = ()
    schedules_and_roles: tuple[ScheduleOrRole, ...] = ()
    incidents: tuple[Incident, ...] = ()
    problems: tuple[str, ...] = ()
    names_missing: bool = False
    users: tuple[ProviderUser, ...] = ()


class Question(NamedTuple):
    """One thing to ask a provider, answered page by page.

    Attributes:
        provider, name: who is asked for what, as the log says it.
        listed_kind: the kind of duty whose names the answer lists completely, or "".
        fetch: gets the pages; may raise HttpError, or anything on a malformed answer.
        listed_names: the names and ids of which the answer lists every bearer; None means all.
        about: what sets it apart from others of the same name, and may not be logged.
    """

    provider: str
    name: str
    listed_kind: str
    fetch: Callable[[Deadline], Iterator[Page]]
    listed_names: tuple[str, ...] | None = None
    about: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two questions the same one."""
        return self.provider, self.name, self.about


class DutyQuery(NamedTuple):
    """What the rules for some requests need to know of a provider.

    Attributes:
        schedules: those that rules name, by name or id.
        any_schedule: whether being on call for any other counts as well.
        roles: whether a role in a live incident may count.
        updates: whether an update to a live incident may count.
        ends: whether it matters when a shift ends.
        holders: whose duties matter, by e-mail in normal form; None means everybody's.
    """

    schedules: tuple[str, ...] = ()
    any_schedule: bool = False
    roles: bool = False
    updates: bool = False
    ends: bool = False
    holders: frozenset[str] | None = None

    @property
    def on_call(self) -> bool:
        """Whether it matters who is on call."""
        return bool(self.schedules) or self.any_schedule

    @property
    def is_empty(self) -> bool:
        """Whether nothing of this provider matters."""
        return not (self.on_call or self.roles or self.updates)


class ProviderClient(Protocol):
    """One account at a provider. `handler/providers/<id>.py` binds the class to `CLIENT`."""

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None: ...

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterable[Question]:
        """Give what to ask, given what is known so far.

        Called until it gives no new question, by its key: so what an answer leaves open is asked in
        the next round. It asks about the query's holders and schedules wherever the API allows it,
        so that what a decision costs does not grow with the account.
        """


class CutShort(Exception):  # noqa: N818 - it is no error of the provider's
    """The rest of a list was given up on purpose; the message says why."""


def fetch_object(
    client: Client,
    url: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    read: Callable[[Mapping[str, Any]], _T],
    hint: Callable[[HttpError], str] = lambda _: "",
) -> _T:
    """Get a JSON object, and read it; `hint` says what the provider means by an error.

    Raises:
        HttpError: there is no such answer.
        ShapeError: it isn't an object, or not what `read` expects.
    """
    return _fetch(
        client, url, headers, deadline, lambda body: read(as_object(body, "the answer")), hint
    )


def fetch_list(
    client: Client,
    url: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    hint: Callable[[HttpError], str],
) -> list[Any]:
    """Get a JSON list, which must not be null; as `fetch_object` otherwise."""
    return _fetch(client, url, headers, deadline, _read_list, hint)


def _read_list(body: object) -> list[Any]:
    if not isinstance(body, list):
        raise ShapeError("the answer is not a list")
    return body


def _fetch(
    client: Client,
    url: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    read: Callable[[Any], _T],
    hint: Callable[[HttpError], str],
) -> _T:
    try:
        return client.get_json(url, headers, deadline, read)
    except HttpError as error:
        raise error.with_hint(hint(error)) from error


def unread_problem(count: int) -> tuple[str, ...]:
    """Give the problem of a page on which so many entries could not be read, if any."""
    return (f"{count} entries could not be read",) if count else ()
