"""Access that is still running: whether its duty is, by what the providers say now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditlog.record import Record, record_of
from auditlog.replay import NOT_WHOLE
from auditlog.watch import (
    ENDED,
    NO_ALIAS,
    ON_DUTY,
    UNKNOWN,
    Finding,
    check,
    dependencies_of,
    running_approvals,
)
from handler.duty import INCIDENT_UPDATE, ON_CALL, Duty, Failure, Incident, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.collect import duty_query
from handler.rules.model import Policy, ShiftEnd, policy_from_settings
from tests.auditlog.records import HOUR, LEAD, POLICY, SHIFT, log_records, request_by
from tests.cli.conftest import JANE, NOW, OMAR

MINUTE = timedelta(minutes=1)
LATER = NOW + 3 * HOUR
ALIAS = "jd@corp.example"
WITH_ALIAS = POLICY._replace(aliases={JANE: (ALIAS,)})
ROLES = policy_from_settings(6 * HOUR, incident_roles=("Incident Lead",))
PARTICIPANTS = policy_from_settings(6 * HOUR, participants=True)
UPDATE = Duty("incident.io", INCIDENT_UPDATE, "01H", "", JANE, incident="INC-7")
LIVE = Incident("01H", "INC-7", ())
ASKED = ("incident.io",)


def approved(
    *duties: Duty, policy: Policy = POLICY, labels: dict[str, str] | None = None, **fields: object
) -> Record:
    """The record of Jane's approval at noon by these duties, by the shift if there are none."""
    (line,) = log_records(request_by(labels=labels), duties=duties or (SHIFT,), policy=policy)
    assert line["outcome"] == "approve"
    record = record_of({**line, **fields})
    assert record
    return record


def find(
    record: Record,
    *duties: Duty,
    policy: Policy = POLICY,
    now: datetime = LATER,
    asked: tuple[str, ...] = ASKED,
    **snapshot: Any,  # noqa: ANN401 - the fields of a snapshot
) -> Finding:
    """Check the approval three hours later, or then, when the providers give these duties."""
    (approval,) = running_approvals([record], now)
    return check(approval, ProviderSnapshot(duties, **snapshot), asked, policy, now)


# -- which approvals are running -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "count"),
    [(NOW, 1), (NOW + 6 * HOUR - timedelta(microseconds=1), 1), (NOW + 6 * HOUR, 0)],
)
def test_access_that_is_running(at: datetime, count: int) -> None:
    """Until its very end."""
    assert len(running_approvals([approved()], at)) == count


def test_what_gave_no_access() -> None:
    """Dry runs, and what was left to humans."""
    (no,) = log_records(request_by(OMAR))
    assert running_approvals([approved(dry_run=True), no], NOW) == []


def test_repeated_approvals_are_one() -> None:
    """The one that ends last; whatever may matter for the duty makes it another one."""
    brief = approved(labels={"indent.com/time/duration": "2h"})
    later = approved(decided_at="2026-03-04T13:00:00Z")
    assert [one.since for one in running_approvals([brief, later, approved()], NOW)] == [NOW + HOUR]
    request = brief["trace"]["request"]
    (resource,) = request["resources"]
    labelled = {**request, "resources": [{**resource, "labels": {"Env": "Prod"}}]}
    others = [
        approved(resources=["db:other"]),
        approved(SHIFT._replace(id="S2")),
        approved(caller="authzen"),
        approved(requester=OMAR),
        approved(rules=["other"]),
        approved(trace={**brief["trace"], "request": labelled}),
    ]
    assert len(running_approvals([brief, *others], NOW)) == 7


# -- what is asked -------------------------------------------------------------------------------


def test_what_is_asked() -> None:
    """The duty by its id, what the policy accepts now, and only about this person."""
    (approval,) = running_approvals([approved()], NOW)
    needs = dependencies_of(approval, WITH_ALIAS, NOW)
    assert duty_query("incident.io", needs) == DutyQuery(
        schedules=("S1", "DBA"), holders=frozenset({JANE, ALIAS})
    )
    assert duty_query("PagerDuty", needs).schedules == ("DBA",)


@pytest.mark.parametrize(("duty", "policy"), [(LEAD, ROLES), (UPDATE, PARTICIPANTS)])
def test_incidents_are_asked_for(duty: Duty, policy: Policy) -> None:
    """Even if the current policy needs none."""
    (approval,) = running_approvals([approved(duty, policy=policy)], NOW)
    query = duty_query("incident.io", dependencies_of(approval, POLICY, NOW))
    assert (query.roles, query.updates) == (True, False)


# -- on duty -------------------------------------------------------------------------------------

LONG = SHIFT._replace(end=NOW + 9 * HOUR)
OTHER_POLICY = policy_from_settings(HOUR, schedules=("Nights",))
STILL: list[tuple[str, Record, tuple[Duty, ...], Mapping[str, Any]]] = [
    ("still on call", approved(), (LONG,), {}),
    ("extended", approved(), (SHIFT._replace(end=NOW + 4 * HOUR),), {}),
    ("the schedule has another name", approved(), (LONG._replace(name="DB"),), {}),
    ("two have the name", approved(), (LONG._replace(shared_names=frozenset({"DBA"})),), {}),
    ("the policy has changed", approved(), (LONG,), {"policy": OTHER_POLICY}),
    ("by another duty", approved(), (LONG._replace(id="S2"),), {}),
    ("by another rule", approved(), (LEAD,), {"policy": ROLES}),
    ("by another provider", approved(), (LONG._replace(provider="PagerDuty"),), {}),
    ("at another address", approved(), (LONG._replace(holder=ALIAS),), {"policy": WITH_ALIAS}),
    ("leads it", approved(LEAD, policy=ROLES), (LEAD,), {"policy": ROLES}),
    (
        "the incident is live",
        approved(UPDATE, policy=PARTICIPANTS),
        (),
        {"incidents": (LIVE,), "policy": PARTICIPANTS},
    ),
    (
        "another provider fails",
        approved(),
        (LONG,),
        {"failures": (Failure("PagerDuty", "on-calls", "answered 500"),)},
    ),
]


@pytest.mark.parametrize(
    ("record", "duties", "more"), [row[1:] for row in STILL], ids=[row[0] for row in STILL]
)
def test_on_duty(record: Record, duties: tuple[Duty, ...], more: Mapping[str, Any]) -> None:
    """By the same duty, whatever it is called now, or by another one that would be enough."""
    assert find(record, *duties, **more).status == ON_DUTY


def test_a_request_that_had_an_end_of_its_own() -> None:
    """It is checked as one for the rest of the access."""
    record = approved(labels={"indent.com/time/expires": "2026-03-04T15:00:30Z"})
    now = NOW + 3 * HOUR
    assert find(record, LONG._replace(id="S2"), now=now).status == ON_DUTY
    assert find(record, now=now).status == ENDED


def test_a_request_for_all_or_nothing() -> None:
    """A duty that lasts for only a part of the rest is still one."""
    request = {**approved()["trace"]["request"], "all_or_nothing": True}
    record = approved(trace={**approved()["trace"], "request": request})
    ends = policy_from_settings(6 * HOUR, schedules=("DBA",), shift_end=ShiftEnd())
    other = SHIFT._replace(id="S2", end=LATER + HOUR)
    assert find(record, other, policy=ends).status == ON_DUTY


def test_access_that_ends_while_providers_are_asked() -> None:
    """Nothing is reported of somebody who is on duty."""
    (approval,) = running_approvals([approved()], LATER)
    snapshot = ProviderSnapshot((LONG._replace(id="S2"),))
    after = approval.until + MINUTE
    assert check(approval, snapshot, ASKED, POLICY, after).status == ON_DUTY


@pytest.mark.parametrize(("grace", "status"), [(15 * MINUTE, ON_DUTY), (timedelta(0), ENDED)])
def test_a_grace_period(grace: timedelta, status: str) -> None:
    """Access that its rule ends soon after the shift is as the policy wants it."""
    ends = policy_from_settings(
        6 * HOUR, schedules=("DBA",), shift_end=ShiftEnd(timedelta(minutes=15))
    )
    record = approved(policy=ends)
    now = NOW + 2 * HOUR + 5 * MINUTE
    policy = policy_from_settings(6 * HOUR, schedules=("DBA",), shift_end=ShiftEnd(grace))
    assert find(record, policy=policy, now=now).status == status
    assert find(record, now=now).status == ENDED
    # Another rule, which approved something else, says nothing of the end of a shift.
    both = {**record, "rules": ["", "another"]}
    assert find(both, policy=ends, now=now).status == ENDED
    # Their shift was taken over: that is not the end that the policy means.
    assert find(record, policy=ends, now=NOW + HOUR).status == ENDED


# -- ended ---------------------------------------------------------------------------------------

OVER: list[tuple[str, Record, tuple[Duty, ...], Mapping[str, Any]]] = [
    ("the shift is over", approved(), (), {}),
    ("the answer is old", approved(), (SHIFT,), {}),
    ("somebody else is on call", approved(), (LONG._replace(holder=OMAR),), {}),
    ("at an address that isn't theirs", approved(), (LONG._replace(holder=ALIAS),), {}),
    ("on a higher level", approved(), (LONG._replace(level=2),), {}),
    (
        "another schedule of the name, which two have",
        approved(),
        (LONG._replace(id="S2", shared_names=frozenset({"DBA"})),),
        {},
    ),
    ("a schedule of that id elsewhere", approved(), (LONG._replace(name="x", provider="P"),), {}),
    (
        "leads another incident",
        approved(LEAD, policy=ROLES),
        (LEAD._replace(incident="INC-8"),),
        {},
    ),
    (
        "the incident is over",
        approved(UPDATE, policy=PARTICIPANTS),
        (),
        {"incidents": (LIVE._replace(reference="INC-8"),)},
    ),
    (
        "somebody on duty elsewhere shows no e-mail",
        approved(),
        (),
        {"without_email": (LONG._replace(id="S2", holder="", user="U1"),)},
    ),
    (
        "somebody without an e-mail was on duty",
        approved(),
        (),
        {"without_email": (SHIFT._replace(holder="", user="U1"),)},
    ),
]


@pytest.mark.parametrize(
    ("record", "duties", "more"), [row[1:] for row in OVER], ids=[row[0] for row in OVER]
)
def test_duty_ended(record: Record, duties: tuple[Duty, ...], more: Mapping[str, Any]) -> None:
    """Nobody has it any more, or somebody else, or it is another one."""
    finding = find(record, *duties, **more)
    assert (finding.status, finding.why) == (ENDED, "")
    assert [duty.id for duty in finding.ended] == [duty["id"] for duty in record["evidence"]]


def test_one_of_two_duties_ended() -> None:
    """The rule needs both, so access rests on nothing; only what ended is listed."""
    record = approved()
    lead = {**record["evidence"][0], "kind": "incident_role", "id": "R1", "incident": "INC-7"}
    record = {**record, "evidence": [*record["evidence"], lead]}
    finding = find(record, LEAD, policy=OTHER_POLICY)
    assert (finding.status, [duty.kind for duty in finding.ended]) == (ENDED, [ON_CALL])


@pytest.mark.parametrize(
    ("end", "statuses"),
    [
        # Berlin's clocks go forward on 29 March, and back on 25 October, at 1:00 UTC.
        (datetime(2026, 3, 29, 3, tzinfo=ZoneInfo("Europe/Berlin")), (ON_DUTY, ENDED)),
        (datetime(2026, 10, 25, 2, 59, 59, tzinfo=ZoneInfo("Europe/Berlin")), (ON_DUTY, ENDED)),
        (datetime(2026, 10, 25, 2, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), (ON_DUTY, ENDED)),
        (
            datetime(2026, 11, 1, 1, 30, fold=1, tzinfo=ZoneInfo("America/New_York")),
            (ON_DUTY, ENDED),
        ),
    ],
)
def test_ends_over_a_change_of_clocks(end: datetime, statuses: tuple[str, str]) -> None:
    """A duty counts until the moment at which it ends, whatever the clocks on the wall say."""
    at = end.astimezone(NOW.tzinfo)
    shift = SHIFT._replace(start=at - 8 * HOUR, end=end)
    record = approved(decided_at=(at - 2 * HOUR).isoformat())
    second = timedelta(seconds=1)
    assert [find(record, shift, now=now).status for now in (at - second, at)] == list(statuses)


# -- unknown -------------------------------------------------------------------------------------

CUT_ID, HIDDEN_ID = "i" * 200, "of (an e-mail)"
DOUBTFUL: list[tuple[str, Record, Mapping[str, Any], str]] = [
    (
        "a provider fails",
        approved(),
        {"failures": (Failure("incident.io", "schedules", "answered 500"),)},
        "no answer from incident.io schedules: answered 500",
    ),
    (
        "another provider fails, which may know of another duty",
        approved(),
        {"failures": (Failure("PagerDuty", "on-calls", "answered 500"),)},
        "no answer from PagerDuty on-calls: answered 500",
    ),
    (
        "a provider isn't asked",
        approved(),
        {"asked": ("PagerDuty",)},
        "incident.io was not asked, since its key is not set here",
    ),
    (
        "its duty is hidden",
        approved(),
        {"without_email": (LONG._replace(holder="", user="U1"),)},
        "somebody on duty for DBA shows no e-mail at incident.io",
    ),
    (
        "a provider isn't asked, and an older line doesn't say who was",
        approved(trace={**approved()["trace"], "providers": []}),
        {"asked": ()},
        "incident.io was not asked, since its key is not set here",
    ),
    ("the line is cut", approved(whole=False), {}, NOT_WHOLE),
    (
        "the line lacks duties",
        approved(omitted={"evidence": 1}, whole=False),
        {"duties": (LONG,)},
        NOT_WHOLE,
    ),
    ("the line has no duties", approved(evidence=[], whole=False), {"duties": (LONG,)}, NOT_WHOLE),
    ("its id is cut", approved(SHIFT._replace(id=CUT_ID)), {}, NOT_WHOLE),
    ("its id is hidden", approved(SHIFT._replace(id=HIDDEN_ID)), {}, NOT_WHOLE),
]


@pytest.mark.parametrize(
    ("record", "more", "why"), [row[1:] for row in DOUBTFUL], ids=[row[0] for row in DOUBTFUL]
)
def test_unknown(record: Record, more: Mapping[str, Any], why: str) -> None:
    """What can't be checked is neither fine nor reported as ended."""
    more = dict(more)
    finding = find(record, *more.pop("duties", ()), **more)
    assert (finding.status, finding.why, finding.ended) == (UNKNOWN, why, ())


def test_a_cut_line_whose_duty_is_known() -> None:
    """Labels may be missing, for example; the duty itself is enough."""
    assert find(approved(whole=False), LONG).status == ON_DUTY
    # A decision from what is left of the request would prove nothing.
    assert find(approved(whole=False), LONG._replace(id="S2")).status == UNKNOWN


def test_a_duty_of_another_address() -> None:
    """The log hides the address: it is any of the policy's, and nobody's if it has none."""
    record = approved(SHIFT._replace(holder=ALIAS), policy=WITH_ALIAS)
    held = LONG._replace(holder=ALIAS)
    assert find(record, held, policy=WITH_ALIAS).status == ON_DUTY
    assert find(record, policy=WITH_ALIAS).status == ENDED
    finding = find(record, held)
    assert (finding.status, finding.why) == (UNKNOWN, NO_ALIAS)


def test_several_reasons_are_all_given() -> None:
    """Each once."""
    failure = Failure("incident.io", "schedules", "answered 500")
    finding = find(approved(whole=False), failures=(failure, failure))
    assert finding.why == f"{NOT_WHOLE}; no answer from {failure}"
