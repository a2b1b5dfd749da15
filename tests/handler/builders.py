"""Requests, questions and answers for tests of queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from handler.callers.indent import read_request
from handler.clock import Deadline
from handler.duty import ON_CALL, Duty, ScheduleOrRole
from handler.providers.base import Page, Question
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.model import Policy

Fetch = Callable[[Deadline], Iterator[Page]]
GIVEN_UP = "given up: no complete answer in time"
LONG = 20.0
JANE, JOAN = "jane@example.com", "joan@example.com"
DBA = {"on_call": {"schedules": ["DBA"]}}
AT_PAGERDUTY = {"on_call": {"schedules": ["API", "DBA"], "provider": "pagerduty"}}
LEADS = {"incident_role": {"roles": ["Lead"]}}
FOR_JOAN = {"requester": {"emails": [JOAN]}}


def make_request(kind: str = "db", email: str = JANE, **labels: str) -> Request:
    """A request for a database, by Jane by default."""
    return read_request(Resource(email=email), (Resource(kind, "1"),), labels)


def make_policy(when: dict[str, Any], *rules: dict[str, Any], **more: object) -> Policy:
    """A policy with a rule for databases, and these other rules."""
    first = {"name": "r", "resources": {"kinds": ["db"]}, "when": when, "duration": "6h", **more}
    return read_policy(json.dumps({"rules": [first, *rules], "aliases": {}}))


def make_duty(name: str, id_: str = "", *, kind: str = ON_CALL, shortform: str = "") -> Duty:
    """A duty of Jane's at the provider P."""
    return Duty("P", kind, id_ or f"id of {name}", name, "jane@example.com", shortform=shortform)


def make_page(*duties: Duty) -> Page:
    """A page with these duties, and their schedules or roles."""
    return Page(
        duties,
        tuple(
            ScheduleOrRole(duty.provider, duty.kind, duty.id, (duty.name, duty.shortform))
            for duty in duties
        ),
    )


def make_question(name: str, ask_: Fetch, lists: str = ON_CALL, provider: str = "P") -> Question:
    """A question to a provider, P by default."""
    return Question(provider, name, lists, ask_)


def fetching(*pages: Page, then: Exception | None = None) -> Fetch:
    """Answer with these pages, then end or raise."""

    def pages_of(_deadline: Deadline) -> Iterator[Page]:
        yield from pages
        if then:
            raise then

    return pages_of
