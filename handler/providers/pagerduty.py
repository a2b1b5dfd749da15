"""PagerDuty: who is on call, whether an escalation policy uses the schedule or not.

Facts from the vendor's API reference ("On-Calls", "Schedules", "Schedules V3", "Users") and its
pages "Pagination", "Rate Limits" and "Schedules API: v2 to v3 Upgrade Guide".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from handler.clock import Deadline
from handler.durations import format_instant
from handler.duty import ON_CALL, ProviderSnapshot
from handler.http import Client, HttpError
from handler.json_fields import ShapeError, as_object, deferred
from handler.providers.base import CutShort, DutyQuery, Page, Question
from handler.providers.pagerduty_json import (
    LAYERED,
    PROVIDER,
    SHIFT_BASED,
    has_more,
    read_email,
    read_on_calls,
    read_schedule,
    read_schedules,
    rows_of,
    to_look_up,
)
from handler.providers.registry import BY_ID, other_region

_T = TypeVar("_T")
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
