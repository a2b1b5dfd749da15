"""The function's decisions on the page: in words, and among a petition's events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.webhook_client import request_event
from handler.audit import decision_record
from handler.callers.indent import read_events
from handler.durations import format_instant
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.rules.evaluate import decide
from handler.rules.model import Policy, policy_from_settings
from sandbox.demo_data import JANE
from sandbox.function_log import FunctionLog
from sandbox.page.presenter import summarize_decision
from sandbox.space import Space
from tests.sandbox.manual_clock import NOON
from tests.sandbox.page_client import PageClient, request_access

LEAD = Duty("incident.io", INCIDENT_ROLE, "r1", "Incident Lead", JANE, incident="INC-1")
OWN = LEAD._replace(incident="INC-2", self_declared=True)
SHIFT = Duty("incident.io", ON_CALL, "s1", "DBA", JANE, end=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
DOWN = Failure("incident.io", "schedules", "HTTP 500")
POLICY = policy_from_settings(timedelta(hours=6))


def log_record(
    *duties: Duty,
    failures: tuple[Failure, ...] = (),
    policy: Policy = POLICY,
    dry_run: bool = False,
    duration: str = "",
    petition: str = "p-1",
) -> dict[str, Any]:
    """The record that the function itself would write of Jane's request."""
    event = request_event(JANE, ["prod-db"], duration=duration, petition=petition)
    _, (requested,) = read_events([event])
    snapshot = ProviderSnapshot(duties, failures)
    fields = decision_record(
        decide(requested.request, snapshot, policy, NOON),
        snapshot=snapshot,
        providers=("incident.io",),
        policy=policy,
        dry_run=dry_run,
        milliseconds=7,
    )
    record = {"timestamp": format_instant(NOON), "level": "INFO", "message": "decision", **fields}
    copied: dict[str, Any] = json.loads(json.dumps(record))
    return copied


LEADS = "Incident Lead of INC-1 (incident.io)"
LONG = f"{LEADS}, for 6 hours instead of 999999 hours: the policy allows 6 hours"
UNREADABLE = 'the requested duration "soonish" isn\'t valid; use, for example, 90m or 1h30m'
NO_ANSWER = "no answer from incident.io schedules: HTTP 500"
OWNS = "Incident Lead of INC-2 (incident.io): self-declared by the requester"


@pytest.mark.parametrize(
    ("record", "approves", "headline"),
    [
        (
            log_record(LEAD, SHIFT, OWN, duration="90m"),
            True,
            f"The webhook approves: {LEADS}, for 1 hour 30 minutes.",
        ),
        (
            log_record(LEAD, duration="999999h"),
            True,
            f"The webhook approves: {LONG}.",
        ),
        (
            log_record(LEAD, duration="soonish"),
            False,
            f"The webhook leaves it to humans: {UNREADABLE}.",
        ),
        (
            log_record(OWN, failures=(DOWN,)),
            False,
            f"The webhook leaves it to humans: {OWNS}; {NO_ANSWER}.",
        ),
        (
            log_record(LEAD, dry_run=True),
            False,
            f"The webhook would approve, but this is a dry run: {LEADS}, for 6 hours.",
        ),
    ],
)
def test_headlines(record: dict[str, Any], approves: bool, headline: str) -> None:  # noqa: FBT001 - expected
    """What was decided, why, and for how long; a dry run opens nothing."""
    summary = summarize_decision(record)
    assert summary
    assert (summary.approves, summary.at, summary.headline) == (approves, NOON, headline)


def test_a_decision_is_among_its_petition_s_events(
    space: Space, log: FunctionLog, client: PageClient
) -> None:
    """With its facts, between the question and the answer; another petition's is not."""
    name = request_access(space, client).name
    log(json.dumps(log_record(SHIFT, petition=name)))
    log(json.dumps(log_record(LEAD, petition=name[:-1])))
    log("not even JSON")
    log(json.dumps({"message": "decision"}))
    words = client.get().words
    assert "on call for DBA (incident.io) until 20:00 UTC: counts" in words
    assert "the policy allows 6 hours: this decides" in words
    assert "INC-1 (incident.io)" not in words
    order = [words.index(text) for text in ("Jane Lind asks", "is asked.", "The webhook approves:")]
    assert order == sorted(order)


def test_half_a_surrogate_pair_in_the_log(
    space: Space, log: FunctionLog, client: PageClient
) -> None:
    """The function writes no such line; one of somebody else's does not take the page down."""
    name = request_access(space, client).name
    log(json.dumps(log_record(SHIFT, petition=name)).replace("DBA", "D\\ud800BA"))
    answer = client.get()
    assert answer.status == 200
    assert "Jane Lind asks" in answer.words
