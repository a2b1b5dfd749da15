"""The interface between a provider's file and the rest of the handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from handler.clock import Clock, Deadline
from handler.duty import Duty, Incident, ProviderSnapshot, ProviderUser, ScheduleOrRole
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object
from handler.typing import Any, NamedTuple, Protocol, TypeVar

_T = TypeVar("_T")
_NO_USERS: Mapping[str, str] = MappingProxyType({})


class Page(NamedTuple):
    """One page of a provider's answer.

    Attributes:
        duties: the current ones, including those whose holder has no visible e-mail.
        schedules_and_roles: all of them, whether anybody holds them or not.
        incidents: the live ones, newest first.
        problems: what could not be read or was left out, safe to log.
        names_missing: whether something that was left out may have a name that the policy uses.
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
        provider, name: of the question in the log.
        listed_kind: the kind of duty of which the answer lists all names, or "".
        fetch: gets the pages; may raise HttpError, or any error on a malformed answer.
        listed_names: the names and ids that the answer lists completely; None means all.
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
    """What the rules for some requests need to know from a provider.

    Attributes:
        schedules: names and ids of schedules in the rules.
        any_schedule: whether any other schedule may count as well.
        roles: whether a role in a live incident may count.
        updates: whether an update to a live incident may count.
        ends: whether it matters when a shift ends.
        holders: the people whose duties matter, by e-mail in normal form; None means everybody.
        users: the provider's ids that the policy maps to one of the holders, with the e-mail.
    """

    schedules: tuple[str, ...] = ()
    any_schedule: bool = False
    roles: bool = False
    updates: bool = False
    ends: bool = False
    holders: frozenset[str] | None = None
    users: Mapping[str, str] = _NO_USERS

    @property
    def on_call(self) -> bool:
        """Whether it matters who is on call."""
        return bool(self.schedules) or self.any_schedule

    @property
    def is_empty(self) -> bool:
        """Whether nothing from this provider matters."""
        return not (self.on_call or self.roles or self.updates)


class ProviderClient(Protocol):
    """One account at a provider. `handler/providers/<id>.py` binds the class to `CLIENT`."""

    def __init__(self, client: Client, clock: Clock, settings: Mapping[str, str]) -> None: ...

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterable[Question]:
        """Return the questions to ask, given what is known so far.

        Called until it returns no new question, by its key: so the next round asks for what an
        answer left open. It asks about the query's holders and schedules wherever the API allows
        it, so that what a decision costs does not grow with the account.
        """


class CutShort(Exception):  # noqa: N818 - not an error of the provider
    """The rest of a list was deliberately not read; the message says why."""


def fetch_object(
    client: Client,
    url: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    read: Callable[[Mapping[str, Any]], _T],
    hint: Callable[[HttpError], str] = lambda _: "",
) -> _T:
    """Get a JSON object, and read it; `hint` explains an error of the provider.

    Raises:
        HttpError: there is no usable response.
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


def user_id_of(user: Mapping[str, Any]) -> str:
    """Give the id of a user whose e-mail is known, or "" if the answer has no usable one."""
    user_id = user.get("id")
    return user_id if isinstance(user_id, str) else ""


def unread_problem(count: int) -> tuple[str, ...]:
    """Return the problem of a page with this many unreadable entries, if any."""
    return (f"{count} entries could not be read",) if count else ()
