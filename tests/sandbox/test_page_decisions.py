"""The function's decisions on the page, in words, and as steps of a request."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auditlog.explain import tree, why
from cli.webhook_client import request_event
from handler.audit import decision_record
from handler.callers.indent import read_events
from handler.durations import format_instant
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.rules.evaluate import decide
from handler.rules.model import Policy, Rule, Selector, policy_from_settings
from sandbox.demo_data import JANE
from sandbox.function_log import FunctionLog
from sandbox.page.decisions import summarize_decision
from sandbox.page.presenter import MAX_OTHER_DECISIONS
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
    """The record that the function would log for Jane's request."""
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


TOO_LONG = log_record(LEAD, duration="999999h")
LIMIT = TOO_LONG["trace"]["limits"][-1]
DENY_PROD = Policy((Rule("No prod", Selector(ids=("prod-*",)), deny=True), *POLICY.rules))


@pytest.mark.parametrize(
    ("record", "approves", "outcome"),
    [
        (log_record(LEAD, SHIFT, OWN, duration="90m"), True, "Approved for 1 hour 30 minutes"),
        (
            TOO_LONG,
            True,
            f"Approved for 6 hours instead of 999999 hours ({LIMIT})",
        ),
        (log_record(LEAD, duration="soonish"), False, "Left to humans"),
        (log_record(OWN, failures=(DOWN,)), False, "Left to humans"),
        (log_record(failures=(DOWN,)), False, "Left to humans"),
        (log_record(LEAD, policy=DENY_PROD), False, "Left to humans"),
        (log_record(LEAD, dry_run=True), False, "Dry run, would be approved for 6 hours"),
    ],
)
def test_headlines(record: dict[str, Any], approves: bool, outcome: str) -> None:  # noqa: FBT001 - expected
    """The headline has the outcome, the duration and the reason."""
    summary = summarize_decision(record)
    assert (summary.approves, summary.at, summary.outcome) == (approves, NOON, outcome)
    assert summary.headline == f"{outcome}: {why(record).removeprefix('dry run: ')}."


def test_a_fact_is_shown_once() -> None:
    """No reason repeats the headline, and nothing of the record is lost."""
    off_duty, denied = log_record(), log_record(LEAD, policy=DENY_PROD)
    for record in (off_duty, denied, log_record(LEAD)):
        summary = summarize_decision(record)
        assert bool(summary.reasons) == summary.approves
        shown = [*summary.reasons, *summary.technical]
        assert sorted(map(str, shown)) == sorted(map(str, tree(record).under[1:]))


def test_durations_are_in_words(space: Space, log: FunctionLog, client: PageClient) -> None:
    """The log's form of durations doesn't reach the page."""
    name = request_access(space, client, duration="7h").name
    log(json.dumps(log_record(LEAD, petition=name, duration="7h")))
    words = client.get().words
    assert "6 hours" in words
    assert "0m0s" not in words


def test_a_decision_is_on_its_request_s_card(
    space: Space, log: FunctionLog, client: PageClient
) -> None:
    """A decision and its reasons are on the card of its own request only."""
    name = request_access(space, client).name
    log(json.dumps(log_record(SHIFT, petition=name)))
    log(json.dumps(log_record(LEAD, petition=name[:-1])))
    log("not even JSON")
    log(json.dumps({"message": "decision"}))
    words = client.get().words
    assert f"✓ {SHIFT.describe(NOON)}" in words
    assert LIMIT in words
    card = client.get().part(f"petition-{name}")
    assert "INC-1" not in card
    order = [card.index(text) for text in ("Jane Lind requests", "Approved for", "Technical")]
    assert order == sorted(order)


def test_requests_from_elsewhere(space: Space, log: FunctionLog, client: PageClient) -> None:
    """Decisions on other requests are listed below, with their caller."""
    assert "Requests from elsewhere" not in client.get().words
    for number in range(MAX_OTHER_DECISIONS + 1):
        log(json.dumps({**log_record(LEAD, petition=f"p-{number}"), "call": f"call-{number}"}))
    log(json.dumps({**log_record(petition="p-x"), "call": "c1", "caller": "conductorone"}))
    name = request_access(space, client).name
    log(json.dumps(log_record(SHIFT, petition=name)))
    html = client.get().html
    others = html[html.index('id="other-decisions"') :]
    assert others.count('id="decision-') == MAX_OTHER_DECISIONS
    assert others.index('id="decision-c1-0"') < others.index('id="decision-call-10-0"')
    assert 'id="decision-call-1-0"' not in others
    assert "Caller: ConductorOne." in others
    assert "on call for DBA" not in others


def test_half_a_surrogate_pair_in_the_log(
    space: Space, log: FunctionLog, client: PageClient
) -> None:
    """A log line with half a surrogate pair doesn't break the page."""
    name = request_access(space, client).name
    log(json.dumps(log_record(SHIFT, petition=name)).replace("DBA", "D\\ud800BA"))
    answer = client.get()
    assert answer.status == 200
    assert "Jane Lind requests" in answer.words
