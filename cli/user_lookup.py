"""Looks up whether a provider has a user with an e-mail: for people, never for a decision.

In the facts of a decision, somebody off duty and a misspelt address look alike.

Facts from the vendors' API references: "Users V2" (incident.io), "Users" (PagerDuty), "User API"
(Opsgenie), "User search" (Jira Cloud platform).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from operator import ne
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

from cli.console import join_words
from cli.context import Context
from handler import emails
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.providers.jsm import JSMClient
from handler.providers.registry import BY_ID, BY_NAME
from handler.rules.model import Policy
from handler.settings import Settings

# For all providers together; each may use half of what is left.
_SECONDS, _SHARE = 6.0, 0.5
# A part of an address is taken for a misspelling of another if it is more similar than this, has
# the same letters, or differs in one: short names of two people can be as similar.
_LIKENESS = 0.75
_JSM_ID = "jsm"
_OPSGENIE, _JSM = BY_ID["opsgenie"].name, BY_ID[_JSM_ID].name
_KNOWN, _UNKNOWN, _HIDDEN = "known", "unknown", "hidden"


class _Lookup(NamedTuple):
    """How to ask a provider for users by e-mail.

    Attributes:
        url, headers: of the call.
        users: gets the users from the answer.
        field: the one of a user that has the e-mail.
    """

    url: str
    headers: Mapping[str, str]
    users: Callable[[Any], Iterable[Any]]
    field: str


_Settings: TypeAlias = Mapping[str, str]


def _incidentio(settings: _Settings, address: str) -> _Lookup:
    return _Lookup(
        f"{settings['INCIDENTIO_BASE_URL']}/v2/users?{urlencode({'email': address})}",
        {"Authorization": f"Bearer {settings['INCIDENTIO_API_KEY']}"},
        lambda body: get_list(as_object(body, "the answer"), "users"),
        "email",
    )


def _pagerduty(settings: _Settings, address: str) -> _Lookup:
    query = urlencode({"query": address, "limit": 100})
    return _Lookup(
        f"{settings['PAGERDUTY_BASE_URL']}/users?{query}",
        {
            "Authorization": f"Token token={settings['PAGERDUTY_KEY']}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        },
        lambda body: get_list(as_object(body, "the answer"), "users"),
        "email",
    )


def _opsgenie(settings: _Settings, address: str) -> _Lookup:
    return _Lookup(
        f"{settings['OPSGENIE_BASE_URL']}/v2/users/{quote(address, safe='')}",
        {"Authorization": f"GenieKey {settings['OPSGENIE_KEY']}"},
        lambda body: [get_object(as_object(body, "the answer"), "data")],
        "username",
    )


_LOOKUPS: Mapping[str, Callable[[_Settings, str], _Lookup]] = {
    "incidentio": _incidentio,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
}


def _find_users(
    client: Client, context: Context, settings: Settings, id_: str, address: str, deadline: Deadline
) -> list[str]:
    """Give the e-mails, in normal form or "", of the users that a provider finds by one."""
    own = settings.providers[id_]
    if id_ == _JSM_ID:
        users: Iterable[Any] = JSMClient(client, context.clock, own).search_accounts(
            address, deadline
        )
        field = "emailAddress"
    else:
        lookup = _LOOKUPS[id_](own, address)
        users = lookup.users(client.get_json(lookup.url, lookup.headers, deadline))
        field = lookup.field
    return [emails.normal(get_str(as_object(user, "a user"), field)) for user in users]


def notes_on_user(
    email: str,
    providers: Collection[str],
    snapshot: ProviderSnapshot,
    settings: Settings,
    context: Context,
) -> list[str]:
    """Say whether the providers that were asked know a requester for whom they reported no duty.

    Args:
        email: the requester's, in normal form.
        providers: the names of those providers.
        snapshot: everything that they answered.
        settings: their keys, and the policy; its aliases are also looked up.
        context: how they are reached.
    """
    policy = settings.policy
    others = policy.addresses(email) - {email}
    person = f"{email} or one of its aliases" if others else email
    mapped = _mapped_notes(person, {email, *others}, providers, snapshot, policy)
    providers = [name for name in providers if name not in mapped]
    if not providers:
        return list(mapped.values())
    client, deadline = context.client(), Deadline(context.clock, _SECONDS)
    try:
        states = {
            name: _state(
                client, context, settings, name, (email, *sorted(others)), deadline.part(_SHARE)
            )
            for name in providers
        }
    finally:
        client.close()
    return [
        *mapped.values(),
        *_known_notes(person, states, snapshot),
        *_unknown_notes(person, email, states, snapshot),
    ]


def _mapped_notes(
    person: str,
    addresses: Collection[str],
    providers: Iterable[str],
    snapshot: ProviderSnapshot,
    policy: Policy,
) -> dict[str, str]:
    """Say, by provider, which users the policy's `identities` take for the requester."""
    failing = {failure.provider for failure in snapshot.failures}
    notes = {}
    for name in providers:
        users = policy.identities.get(name, {}).items()
        if ids := sorted(user for user, email in users if email in addresses):
            now = "nobody of that id is on duty there right now"
            if name in failing:
                now = "whether they are on duty is not known, since not everything could be read"
            notes[name] = f"`identities` maps {join_words(ids)} at {name} to {person}; {now}"
    return notes


def _state(
    client: Client,
    context: Context,
    settings: Settings,
    name: str,
    addresses: Iterable[str],
    deadline: Deadline,
) -> str:
    """Say whether a provider has a user with one of these addresses, or why that is unknown."""
    id_ = BY_NAME[name].id
    if id_ not in {*_LOOKUPS, _JSM_ID}:
        return "`oncall` cannot search there"
    state = _UNKNOWN
    for address in addresses:
        try:
            addresses_there = _find_users(client, context, settings, id_, address, deadline)
        except HttpError as error:
            if name == _OPSGENIE and error.status == HTTPStatus.NOT_FOUND:
                continue
            return str(error)
        except ShapeError as error:
            return f"the answer could not be read: {error}"
        if any(emails.same(other, address) for other in addresses_there):
            return _KNOWN
        # Found by a hidden e-mail; at other providers, a part of the name may have matched.
        if name == _JSM and "" in addresses_there:
            state = _HIDDEN
    return state


def _known_notes(
    person: str, states: Mapping[str, str], snapshot: ProviderSnapshot
) -> Iterable[str]:
    failing = {failure.provider for failure in snapshot.failures}
    for name, state in states.items():
        if state == _KNOWN:
            now = "is not on duty there right now"
            if name == _OPSGENIE:
                now += ", or only in a later escalation step, which does not count"
            if name in failing:
                now = "may be on duty there: not everything could be read"
            yield f"{name} has a user with the e-mail {person}, who {now}"
        elif state == _HIDDEN:
            yield (
                f"{name} has an account that may be {person}, but does not show its e-mail, "
                "so its duties do not count"
            )


def _unknown_notes(
    person: str, email: str, states: Mapping[str, str], snapshot: ProviderSnapshot
) -> Iterable[str]:
    without = [name for name, state in states.items() if state == _UNKNOWN]
    if len(without) == len(states):
        providers = join_words(without)
        nobody = f"no user has the e-mail {person} at {providers}"
        yield f"{nobody}: check the spelling{_nearest_on_duty(email, snapshot)}"
        if _JSM in without:
            reason = "they show their e-mail and JSM_EMAIL's account may browse users"
            yield f"{_JSM} finds users only if {reason}"
    elif without:
        yield f"no user has the e-mail {person} at {join_words(without)}"
    not_sure = {failure.provider for failure in snapshot.failures}
    not_sure |= {duty.provider for duty in snapshot.without_email}
    for name, state in states.items():
        if state not in {_KNOWN, _UNKNOWN, _HIDDEN}:
            prefix, user = "", f"a user with the e-mail {person}"
            if name not in not_sure:
                prefix, user = f"nobody on duty at {name} has the e-mail {person}; ", "such a user"
            yield f"{prefix}could not look up whether {name} has {user}: {state}"


def _nearest_on_duty(email: str, snapshot: ProviderSnapshot) -> str:
    """Give the address on duty that this one may be a misspelling of; `oncall who` lists them."""
    local, _, domain = email.rpartition("@")
    for holder in sorted({duty.holder for duty in snapshot.duties}):
        other, _, its_domain = holder.rpartition("@")
        if _alike(local, other) and _alike(domain, its_domain):
            return f"; did you mean {holder}, who is on duty?"
    return ""


def _alike(one: str, other: str) -> bool:
    if sorted(one) == sorted(other):
        return True
    if len(one) == len(other) and sum(map(ne, one, other)) == 1:
        return True
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() > _LIKENESS
