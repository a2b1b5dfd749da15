"""A decision's record in words, and where they stand in a petition's story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from auditlog.explain import Line, duration_in_words
from cli.webhook_client import request_event
from handler.audit import decision_record
from handler.callers.indent import read_events
from handler.durations import format_instant
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.rules.evaluate import decide
from handler.rules.model import Policy, simple
from sandbox.demo_data import JANE
from sandbox.logbook import Logbook
from sandbox.page.words import Verdict, sentence, verdict
from sandbox.space import Space
from tests.sandbox.page_visited import Visitor, asked
from tests.sandbox.space_played import NOON

LEAD = Duty("incident.io", INCIDENT_ROLE, "r1", "Incident Lead", JANE, incident="INC-1")
OWN = LEAD._replace(incident="INC-2", self_declared=True)
SHIFT = Duty("incident.io", ON_CALL, "s1", "DBA", JANE, end=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
DOWN = Failure("incident.io", "schedules", "HTTP 500")
SIX = timedelta(hours=6)
POLICY = simple(SIX)


def decided(
    *duties: Duty,
    failures: tuple[Failure, ...] = (),
    policy: Policy = POLICY,
    dry_run: bool = False,
    asked_for: str = "",
    petition: str = "",
) -> dict[str, Any]:
    """The record that the function itself would write of Jane's request."""
    event = request_event(JANE, ["prod-db"], duration=asked_for)
    if petition:
        event["meta"]["labels"]["petition"] = petition
    _, (requested,) = read_events([event])
    decision = decide(requested.request, ProviderSnapshot(duties, failures), policy, NOON)
    told = decision_record(
        decision,
        snapshot=ProviderSnapshot(duties, failures),
        providers=("incident.io",),
        policy=policy,
        dry_run=dry_run,
        milliseconds=7,
    )
    record = {"timestamp": format_instant(NOON), "level": "INFO", "message": "decision", **told}
    read: dict[str, Any] = json.loads(json.dumps(record))
    return read


def read(record: dict[str, Any]) -> Verdict:
    """The words for a record that is a decision's."""
    found = verdict(record)
    assert found
    return found


def test_approval() -> None:
    """It names the duty and the time, and every fact that led there."""
    found = read(decided(LEAD, SHIFT, OWN, asked_for="90m"))
    assert found.approves
    assert found.at == NOON
    assert found.headline == (
        "The webhook approves: Incident Lead of INC-1 (incident.io), for 1 hour 30 minutes."
    )
    told = texts(found)
    assert "Incident Lead of INC-1 (incident.io): counts" in told
    assert "Incident Lead of INC-2 (incident.io): declared by the requester himself" in told
    assert "on call for DBA (incident.io) until 20:00 UTC: counts" in told
    assert "the request asks for 1 hour 30 minutes: this decides" in told


def test_what_was_asked_for_beyond_the_policy() -> None:
    """It says how long access lasts, and why not as long as was asked for."""
    found = read(decided(LEAD, asked_for="999999h"))
    assert found.headline == (
        "The webhook approves: Incident Lead of INC-1 (incident.io), "
        "for 6 hours instead of 999999 hours: the policy allows 6 hours."
    )


def test_a_wish_that_cannot_be_read() -> None:
    """It is quoted, with what to write instead."""
    assert read(decided(LEAD, asked_for="soonish")).headline == (
        'The webhook leaves it to humans: the requested duration "soonish" can\'t be read; '
        "use for example 90m or 1h30m."
    )


def texts(found: Verdict) -> list[str]:
    """Every fact, in order, whatever it belongs to."""

    def flat(facts: tuple[Line, ...]) -> Iterator[str]:
        for each in facts:
            yield each.text
            yield from flat(each.under)

    return list(flat(found.facts))


def test_abstention() -> None:
    """It says that humans decide, what every duty was judged to be, and who did not answer."""
    found = read(decided(OWN, failures=(DOWN,)))
    assert not found.approves
    assert found.headline == (
        "The webhook leaves it to humans: Incident Lead of INC-2 (incident.io): "
        "declared by the requester himself; no answer from incident.io schedules: HTTP 500."
    )
    assert "no answer from incident.io schedules: HTTP 500" in texts(found)


def test_nobody_on_duty() -> None:
    """Without any duty there is a fact all the same: no provider states one."""
    assert "the providers state no duty of the requester" in texts(read(decided()))


def test_what_no_duty_can_open() -> None:
    """An objection to what is requested is the reason itself."""
    found = read(decided(LEAD, policy=simple(SIX, resource_labels=(("Env", "Prod"),))))
    assert found.headline == (
        "The webhook leaves it to humans: a resource does not carry the label Env=Prod."
    )


def test_dry_run_opens_nothing() -> None:
    """It is no yes: the words say what would have been."""
    found = read(decided(LEAD, dry_run=True))
    assert not found.approves
    assert found.headline.startswith("The webhook would approve, but this is a dry run: Incident")


def test_what_the_log_left_out_is_said() -> None:
    """A record holds 50 facts at most; the page does not pretend that these are all."""
    many = [SHIFT._replace(id=str(number), name=f"S{number}") for number in range(60)]
    assert any("not all is told" in each for each in texts(read(decided(*many))))


@pytest.mark.parametrize(
    "record", [{}, {"message": "refused", "why": "no"}, {"message": "decision"}]
)
def test_other_records_are_no_decisions(record: dict[str, Any]) -> None:
    """The log holds other lines, too."""
    assert verdict(record) is None


def test_what_is_no_duration_stays() -> None:
    """And a sentence has one full stop."""
    assert duration_in_words("soon") == "soon"
    assert duration_in_words("1h30m0s") == "1 hour 30 minutes"
    assert sentence("one.") == "One."
    assert sentence("") == "."


def test_decision_stands_in_its_petitions_story(
    space: Space, log: Logbook, visitor: Visitor
) -> None:
    """With its facts, between the question and the answer; another petition's does not."""
    name = asked(space, visitor).name
    log(json.dumps(decided(SHIFT, petition=name)))
    log(json.dumps(decided(LEAD, petition=f"{name[:-1]}")))
    log("not even JSON")
    words = visitor.get().words
    assert "on call for DBA (incident.io) until 20:00 UTC: counts" in words
    assert "the policy allows 6 hours: this decides" in words
    assert "INC-1 (incident.io)" not in words
    told = [words.index(each) for each in ("Jane Lind asks", "is asked.", "The webhook approves:")]
    assert told == sorted(told)


def test_a_log_with_half_a_pair_is_shown(space: Space, log: Logbook, visitor: Visitor) -> None:
    """The function writes no such line; one of somebody else's does not take the page down."""
    name = asked(space, visitor).name
    record = json.dumps(decided(SHIFT, petition=name)).replace("DBA", "D\\ud800BA")
    log(record)
    answer = visitor.get()
    assert answer.status == HTTPStatus.OK
    assert "Jane Lind asks" in answer.words
    assert "BA (incident.io)" not in answer.words
