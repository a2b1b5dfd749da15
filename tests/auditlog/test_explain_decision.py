"""Decisions in words: the one line, and the tree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from auditlog.explain import NO, NOTE, YES, Line, clock_time, tree, why
from handler.duty import Failure
from handler.rules.evaluate import NO_DUTY
from handler.rules.model import Policy, policy_from_settings
from tests.auditlog.decision_records import (
    DATABASE,
    DBAS,
    LEAD,
    LEADS,
    NOW,
    POLICY,
    REPORTER,
    SHIFT,
    STAFF,
    VAULT,
    log_record,
    request_for,
)
from tests.auditlog.records import log_records, request_by

FAILURE = Failure("incident.io", "incidents", "answered 500")
SETTINGS = policy_from_settings(DBAS.duration)
ON_DBA = "on call for DBA (PagerDuty) until 14:00 UTC"


def lines(expected: Line) -> Iterator[str]:
    """Every line of a tree, indented, with its mark in front."""
    sign = {YES: "+", NO: "-", NOTE: " "}[expected.mark]
    yield f"{sign} {expected.text}"
    for each in expected.under:
        yield from (f"  {line}" for line in lines(each))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (log_record(request_for(DATABASE), SHIFT), f'Rule "DBAs reach databases": {ON_DBA}'),
        (
            log_record(request_for(DATABASE), LEAD, policy=SETTINGS),
            "Incident Lead of INC-7 (incident.io) for as long as the incident is live",
        ),
        (
            log_record(request_for(DATABASE), LEAD, policy=SETTINGS, dry_run=True),
            "dry run: Incident Lead of INC-7 (incident.io) for as long as the incident is live",
        ),
        (
            log_record(request_for(DATABASE), REPORTER, policy=SETTINGS),
            "Reporter of INC-7 (incident.io): only counts if the policy names it",
        ),
        (
            log_record(request_for(DATABASE)),
            "the requester has no shift or incident role that the policy accepts",
        ),
        (
            log_record(request_for(DATABASE), failures=[FAILURE]),
            "no answer from incident.io incidents: answered 500",
        ),
        (
            log_record(request_for(DATABASE), SHIFT._replace(level=2), failures=[FAILURE]),
            (
                f"{ON_DBA}: escalation level 2; only level 1 counts; "
                "no answer from incident.io incidents: answered 500"
            ),
        ),
        (
            log_record(request_for(DATABASE), without_email={"PagerDuty": (2, 3)}),
            f"{NO_DUTY}; 2 of 3 people on duty at PagerDuty show no e-mail",
        ),
        (
            log_record(
                request_for(DATABASE),
                SHIFT._replace(level=2),
                failures=[FAILURE],
                without_email={"PagerDuty": (1, 1), "Opsgenie": (1, 2)},
            ),
            (
                f"{ON_DBA}: escalation level 2; only level 1 counts; "
                "no answer from incident.io incidents: answered 500; "
                "the only person on duty at PagerDuty shows no e-mail; "
                "1 of 2 people on duty at Opsgenie shows no e-mail"
            ),
        ),
        (
            log_record(request_for(DATABASE), SHIFT, without_email={"PagerDuty": (1, 2)}),
            f'Rule "DBAs reach databases": {ON_DBA}',
        ),
        (log_record(request_for(VAULT), SHIFT), 'denied by rule "Nobody gets the vault"'),
        (log_record(request_for(), SHIFT), "the request names no resource"),
        (
            log_record(request_for(DATABASE), SHIFT, policy=Policy((STAFF,))),
            'rule "Staff on call": the requester is not one of the people or domains that it names',
        ),
        (
            log_record(request_for(DATABASE), policy=Policy((STAFF,))),
            'rule "Staff on call": the requester is not one of the people or domains that it names',
        ),
        (
            # That one of two rules is about something else tells least, so it comes last.
            log_record(
                request_for(DATABASE), SHIFT._replace(level=3), policy=Policy((LEADS, DBAS))
            ),
            f"{ON_DBA}: escalation level 3; only level 1 counts",
        ),
        ({"message": "refused", "why": "the signature is wrong"}, "the signature is wrong"),
        ({"message": "decision", "outcome": "abstain", "reason": "old", "trace": ["x"]}, "old"),
    ],
)
def test_why_in_one_line(record: dict[str, object], words: str) -> None:
    """An approval gives its reason; a refusal gives the most specific one."""
    assert why(record) == words


def test_one_line_for_a_record_of_another_version() -> None:
    """It is made from the record's values, not from the wording of its reason."""
    record = log_record(request_for(DATABASE), SHIFT._replace(level=2))
    record["reason"] = "no duty of the requester counts"
    for rule in record["trace"]["rules"]:
        rule["why"] = "no duty of the requester counts"
    assert why(record) == f"{ON_DBA}: escalation level 2; only level 1 counts"


def test_one_line_for_several_resources() -> None:
    """The duty matches, but the requested time is too short: the reason says so."""
    request = request_for(DATABASE, duration="24h")._replace(all_or_nothing=True)
    record = log_record(request, SHIFT)
    assert why(record) == record["reason"]
    assert record["reason"].startswith("access for 24 hours is requested, but ")


def test_the_tree_of_an_approval() -> None:
    """Each rule with its result for each duty, each provider, and what limited the duration."""
    record = log_record(
        request_for(DATABASE, duration="30m"), SHIFT, LEAD._replace(self_declared=True)
    )
    assert list(lines(tree(record))) == [
        "+ approved: jane@example.com gets db:prod for 30 minutes, until 12:30 UTC",
        f'    why: Rule "DBAs reach databases": {ON_DBA}',
        '  + rule "DBAs reach databases": approves until 14:15 UTC',
        f"    + {ON_DBA}: counts",
        (
            "    - Incident Lead of INC-7 (incident.io): "
            "not a schedule or role that the rule accepts"
        ),
        '  - rule "Leads reach databases": not matched',
        "    - Incident Lead of INC-7 (incident.io): self-declared by the requester",
        f"    - {ON_DBA}: not a schedule or role that the rule accepts",
        '    rule "Vault keepers": it covers other resources or actions',
        '    rule "Nobody gets the vault": it denies other requests',
        "    how long",
        "      the duty ends at 2026-03-04T14:15:00.000Z, including any grace period",
        "      the request asks for 30 minutes (this decides)",
        "  + providers: PagerDuty, incident.io answered",
        f"    decided at 2026-03-04T12:00:00Z by policy {POLICY.fingerprint}",
    ]


def test_the_tree_of_a_refusal() -> None:
    """What prevents the approval, and which provider did not answer."""
    record = log_record(request_for(DATABASE), failures=[FAILURE])
    assert list(lines(tree(record)))[:6] == [
        "- left to humans: jane@example.com requests db:prod",
        "    why: no answer from incident.io incidents: answered 500",
        '  - rule "DBAs reach databases": not matched',
        '  - rule "Leads reach databases": not matched',
        '    rule "Vault keepers": it covers other resources or actions',
        '    rule "Nobody gets the vault": it denies other requests',
    ]
    assert list(lines(tree(record)))[6:-1] == [
        f"  - {NO_DUTY}",
        "    providers",
        "    - no answer from incident.io incidents: answered 500",
        "    + PagerDuty answered",
    ]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"any_schedule": True, "roles": True}, "is not on call and holds no incident role"),
        ({"schedules": ["DBA"]}, "is not on call for a schedule of the policy"),
        ({"roles": True}, "holds no incident role"),
        (
            {"schedules": ["DBA"], "roles": True, "updates": True},
            (
                "is not on call for a schedule of the policy, holds no incident role and posted "
                "no update to a live incident"
            ),
        ),
    ],
)
def test_no_duty_is_reported_once(wanted: dict[str, object], sentence: str) -> None:
    """It names what the providers were asked for: other duties are unknown."""
    record = log_record(request_for(DATABASE))
    record["trace"]["wanted"] = {"PagerDuty": {}, "incident.io": wanted}
    assert why(record) == f"jane@example.com {sentence}"
    assert "\n".join(lines(tree(record))).count(sentence) == 1
    record = log_record(request_for(DATABASE), failures=[FAILURE])
    record["trace"]["wanted"] = {"incident.io": wanted}
    output = list(lines(tree(record)))
    assert f"  - jane@example.com {sentence}, as far as the providers answered" in output


def test_a_reason_that_many_rules_share_appears_once() -> None:
    """A rule that fails for lack of a duty does not repeat the reason for each rule."""
    record = log_record(request_for(DATABASE), SHIFT._replace(level=2))
    output = "\n".join(lines(tree(record)))
    assert output.count("no duty of the requester counts") == 0


def test_the_tree_counts_people_without_an_email() -> None:
    """How many people on duty cannot be matched; an unknown provider appears under its id."""
    record = log_record(request_for(DATABASE), without_email={"PagerDuty": (2, 3)})
    record["without_email"]["acme"] = {"people": 1, "of": 1}
    output = list(lines(tree(record)))
    assert output[-4:-1] == [
        "    + PagerDuty, incident.io answered",
        "      2 of 3 people on duty at PagerDuty show no e-mail, so they cannot be matched",
        "      the only person on duty at acme shows no e-mail, so they cannot be matched",
    ]


def test_the_tree_of_a_denial() -> None:
    """It marks the denying rule; the other rules did not matter, and no provider was asked."""
    record = log_record(request_for(DATABASE, VAULT), SHIFT, providers=())
    assert list(lines(tree(record)))[1:-1] == [
        '    why: denied by rule "Nobody gets the vault"',
        '  - rule "Nobody gets the vault": denies the request',
        (
            '    rule "DBAs reach databases", rule "Leads reach databases", '
            'rule "Vault keepers": another rule denies the request'
        ),
        f"    {ON_DBA}: no rule checked it",
        "    providers: none was asked, since no answer could change the decision",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"caller": "indent", "decision_id": "c-0"}, "caller: indent, decision c-0"),
        (
            {"caller": "authzen", "caller_request": "r-1", "decision_id": "c-0"},
            "caller: authzen, request r-1, decision c-0",
        ),
        (
            {"caller": "authzen", "requester_id": "jdoe", "decision_id": "c-0"},
            "caller: authzen, requester jdoe, decision c-0",
        ),
        ({"caller": "authzen"}, "caller: authzen"),
    ],
)
def test_who_asked(fields: dict[str, str], line: str) -> None:
    """The caller and its names for request and requester; older records have none of them."""
    (record,) = log_records(request_by())
    assert f"    {line}" in lines(tree(record | fields))
    assert not any("caller" in one for one in lines(tree(record)))


def test_dry_runs_are_marked() -> None:
    """The tree marks a rule in dry run, and a function in dry run: neither approves anything."""
    policy = Policy((DBAS._replace(dry_run=True),))
    output = list(lines(tree(log_record(request_for(DATABASE), SHIFT, policy=policy))))
    assert output[0].startswith("- left to humans:")
    assert (
        '    rule "DBAs reach databases": would approve until 14:15 UTC, but is in dry run'
        in output
    )
    output = list(lines(tree(log_record(request_for(DATABASE), SHIFT, dry_run=True))))
    assert output[0] == (
        "  left to humans, in dry run: jane@example.com would get db:prod "
        "for 2 hours 15 minutes, until 14:15 UTC"
    )


def test_omissions_are_reported() -> None:
    """The tree of a truncated record says so, and how many resources there were."""
    record = log_record(request_for(*([DATABASE] * 60)), SHIFT)
    output = list(lines(tree(record)))
    assert " and 10 more for 2 hours 15 minutes" in output[0]
    assert "    the record was cut to size or hides an e-mail, so some facts are missing" in output


def test_a_request_without_an_email_or_a_resource() -> None:
    """It also has a tree."""
    record = log_record(request_for()._replace(requester=DATABASE))
    output = "- left to humans: somebody without an e-mail requests nothing"
    assert next(lines(tree(record))) == output


def test_only_decisions_have_a_tree() -> None:
    """Records of another kind or of an older form are rejected."""
    for record in ({"message": "refused"}, {"message": "decision", "outcome": "no", "trace": []}):
        with pytest.raises(ValueError, match="not the record of a decision"):
            tree(record)


def test_a_tree_as_data() -> None:
    """The tree is plain JSON, for a page or a script."""
    output = Line("a", YES, (Line("b"),))
    assert output.as_data() == {
        "text": "a",
        "mark": "yes",
        "under": [{"text": "b", "mark": "note", "under": []}],
    }


def test_times_of_another_day_have_a_date() -> None:
    """Only a time of the same day has no date."""
    assert clock_time(NOW, NOW) == "12:00 UTC"
    assert clock_time(NOW, NOW.replace(day=5)) == "2026-03-04 12:00 UTC"
