"""Jira's users: by account id one by one or in bulk, or by what begins like a name or e-mail."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.vendors import jsm_json as render
from sandbox.vendors.atlassian_query import RefusedError, last, number
from sandbox.vendors.atlassian_records import Person
from sandbox.vendors.exchange import OK, Answer, Request

_LARGEST = 200
_MOST = 1_000_000


def one_user(request: Request, people: Mapping[str, Person], url: str) -> Answer:
    """The user of one account id."""
    if found := people.get(last(request, "accountId", "")):
        return Answer(OK, render.user(found, url))
    raise RefusedError(404, "There is no such user.")


def many_users(request: Request, people: Mapping[str, Person], url: str) -> Answer:
    """A page of those of several account ids; who is unknown is left out without a word."""
    asked = list(dict.fromkeys(request.query.get("accountId", [])))
    if not asked:
        raise RefusedError(400, "accountId is required.")
    found = [people[each] for each in asked if each in people]
    start = number(request, "startAt", 0, 0, _MOST)
    size = min(number(request, "maxResults", 10, 1, _MOST), _LARGEST)
    rows, seen = found[start : start + size], start + size
    ids = "&".join(f"accountId={each}" for each in asked)
    page = f"{url}/rest/api/3/user/bulk?{ids}&maxResults={size}"
    more = {"nextPage": f"{page}&startAt={seen}"} if seen < len(found) else {}
    body = {
        "self": f"{page}&startAt={start}",
        **more,
        "maxResults": size,
        "startAt": start,
        "total": len(found),
        "isLast": not more,
        "values": [render.user(each, url) for each in rows],
    }
    return Answer(OK, body, page=1 + start // size)


def matching_users(request: Request, people: Mapping[str, Person], url: str) -> Answer:
    """Whose name or visible e-mail begins so, in any case; a hidden e-mail only if it is whole.

    Who is inactive is not found.
    """
    query = last(request, "query", "").lower()
    if not query:
        raise RefusedError(400, "query is required.")
    start = number(request, "startAt", 0, 0, _MOST)
    size = number(request, "maxResults", 50, 1, _MOST)
    found = [each for each in people.values() if each.active and _matches(each, query)]
    return Answer(OK, [render.user(each, url) for each in found[start : start + size]])


def _matches(one: Person, query: str) -> bool:
    words = [*one.name.lower().split(), one.name.lower()]
    email = (one.email or "").lower()
    if one.hidden:
        return email == query or any(word.startswith(query) for word in words)
    return any(word.startswith(query) for word in (*words, email))
