"""A decision's record in words, and where they stand in a petition's story."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler.decision import decide
from handler.durations import format_instant
from handler.duties import INCIDENT_ROLE, ON_CALL, Duty, Failure, Findings
from handler.events import read_events
from handler.policy import Policy
from handler.record import decision_record
from sandbox.cast import JANE
from sandbox.logbook import Logbook
from sandbox.page.words import Line, Verdict, duration, go_duration, sentence, verdict
from sandbox.send import request_event
from sandbox.space import Space
from tests.sandbox.page_visited import Visitor, asked
from tests.sandbox.space_played import NOON

LEAD = Duty("incident.io", INCIDENT_ROLE, "r1", "Incident Lead", JANE, incident="INC-1")
OWN = LEAD._replace(incident="INC-2", self_declared=True)
SHIFT = Duty("incident.io", ON_CALL, "s1", "DBA", JANE, end=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
DOWN = Failure("incident.io", "schedules", "HTTP 500")
POLICY = Policy(timedelta(hours=6))


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
    (request,) = read_events([event]).requests
    decision = decide(request, Findings(duties, failures), policy, NOON)
    told = decision_record(
        decision, failures=failures, policy=policy, dry_run=dry_run, milliseconds=7
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
    assert found.lines == (
        Line("yes", "Incident Lead of INC-1 (incident.io): this duty counts."),
        Line(
            "no",
            "Incident Lead of INC-2 (incident.io): this duty does not count "
            "(declared by the requester himself).",
        ),
        Line("yes", "On call for DBA until 2026-03-02 20:00 UTC (incident.io): this duty counts."),
        Line("note", "The policy allows 6 hours."),
        Line("note", "1 hour 30 minutes was asked for."),
    )


def test_abstention() -> None:
    """It says that humans decide, what every duty was judged to be, and who did not answer."""
    found = read(decided(OWN, failures=(DOWN,)))
    assert not found.approves
    assert found.headline == "The webhook leaves it to humans: no duty of the requester counts."
    assert [each.mark for each in found.lines] == ["no", "no"]
    assert found.lines[0].text == "No answer from incident.io schedules: HTTP 500."


def test_nobody_on_duty() -> None:
    """Without any duty there is a fact all the same: no provider states one."""
    assert read(decided()).lines == (
        Line("no", "No provider states any duty of the requester now."),
    )


def test_what_no_duty_can_open() -> None:
    """An objection to what is requested is the reason itself."""
    found = read(decided(LEAD, policy=POLICY._replace(resource_labels=(("Env", "Prod"),))))
    assert found.headline == (
        "The webhook leaves it to humans: a resource does not carry the label Env=Prod."
    )
    assert found.lines == ()


def test_dry_run_opens_nothing() -> None:
    """It is no yes: the words say what would have been."""
    found = read(decided(LEAD, dry_run=True))
    assert not found.approves
    assert found.headline.startswith("The webhook would approve, but this is a dry run: Incident")


def test_what_the_log_left_out_is_counted() -> None:
    """A record holds 50 facts at most; the page does not pretend that these are all."""
    many = [SHIFT._replace(id=str(number), name=f"S{number}") for number in range(60)]
    found = read(decided(*many))
    assert len(found.lines) == 51
    assert found.lines[-1] == Line("note", "11 more facts are left out of the log.")


@pytest.mark.parametrize(
    "record", [{}, {"message": "refused", "why": "no"}, {"message": "decision of mine"}]
)
def test_other_records_are_no_decisions(record: dict[str, Any]) -> None:
    """The log holds other lines, too."""
    assert verdict(record) is None


def test_record_without_fields_is_read_all_the_same() -> None:
    """An older function's record does not break the page."""
    found = read({"message": "decision"})
    assert (found.petitions, found.at, found.lines) == (frozenset(), None, ())


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=45), "45 minutes"),
        (timedelta(hours=1, seconds=5), "1 hour 5 seconds"),
        (timedelta(hours=168), "168 hours"),
    ],
)
def test_durations_in_words(length: timedelta, words: str) -> None:
    """As people say them; what is nothing is left out."""
    assert duration(length) == words


def test_what_is_no_duration_stays() -> None:
    """And a sentence has one full stop."""
    assert go_duration("soon") == "soon"
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
    assert "On call for DBA until 2026-03-02 20:00 UTC (incident.io): this duty counts." in words
    assert "The policy allows 6 hours." in words
    assert "INC-1 (incident.io)" not in words
    told = [words.index(each) for each in ("Jane Lind asks", "is asked.", "The webhook approves:")]
    assert told == sorted(told)
