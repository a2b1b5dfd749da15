"""`oncall who`: everybody who would be approved for something, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.doubles import faults
from sandbox.doubles.incidentio import IncidentIO
from sandbox.doubles.opsgenie import Opsgenie
from tests.ops.conftest import DATABASE, JANE, NORA, NOW, OMAR, RITA, Command

POLICY = """
rules:
  - name: On call
    resources: {kinds: [postgres.v1.Role]}
    when: {on_call: {schedules: [Production]}}
    duration: 3h
    end_with_shift: {grace: 15m}
  - name: Named leads
    resources: {kinds: [postgres.v1.Role]}
    when:
      all:
        - incident_role: {roles: any}
        - requester: {emails: [jane@example.com, rita@example.com]}
    duration: 1h
  - name: On call for vaults
    resources: {kinds: [vault]}
    when: {on_call: {schedules: [Vault]}}
    duration: 1h
  - name: Not for Nora
    resources: any
    when: {requester: {emails: [nora@example.com]}}
    deny: true
aliases: {"o@corp.example": [omar@example.com]}
"""


def test_everybody_who_would_be_approved(oncall: Command, double: IncidentIO) -> None:
    """Each holder is held against every rule: decoys are not listed, aliases are."""
    double.put_on_shift("Production", NORA)
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", DATABASE, "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    on_call = 'Rule "On call": on call for Production (incident.io) until 14:00 UTC'
    assert answer.lines == [
        "who               until      for                 why",
        f"----------------  ---------  ------------------  {'-' * len(on_call)}",
        f"o@corp.example    14:15 UTC  2 hours 15 minutes  {on_call}",
        f"omar@example.com  14:15 UTC  2 hours 15 minutes  {on_call}",
        (
            'jane@example.com  13:00 UTC  1 hour              Rule "Named leads": '
            "Incident Lead of INC-1 (incident.io)"
        ),
    ]


def test_json(oncall: Command) -> None:
    """A script gets who, until when, by which rules and why."""
    answer = oncall("who", DATABASE, "--label", "Env=Prod", "--json")
    assert answer.status == 0
    assert answer.json == {
        "resource": DATABASE,
        "approved": [
            {
                "who": who,
                "until": "2026-03-04T18:00:00.000Z",
                "duration": "6h0m0s",
                "rules": [""],
                "why": f"Approved: {why}",
            }
            for who, why in (
                (JANE, "Incident Lead of INC-1 (incident.io)"),
                (OMAR, "on call for Production (incident.io) until 14:00 UTC"),
            )
        ],
        "notes": [],
    }
    assert RITA not in answer.out


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ("vault:root", "nobody is on a duty that counts"),
        ("okta.v1.Group:admins", "no rule is for okta.v1.Group:admins"),
        ("user:mary@example.com", "a resource is another person"),
    ],
)
def test_nobody(oncall: Command, resource: str, why: str) -> None:
    """The reason is told, and the status is 1."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", resource, "--policy", policy)
    assert answer.status == 1
    assert answer.lines == ["nobody would be approved", f"note: {why}"]


def test_a_provider_that_fails(oncall: Command, double: IncidentIO) -> None:
    """The list is not whole then, which is told."""
    double.fail("/v2/schedules", faults.Status(500))
    answer = oncall("who", DATABASE, "--json")
    assert [each["who"] for each in answer.json["approved"]] == [JANE]
    (note,) = answer.json["notes"]
    assert note.startswith("no answer from incident.io schedules: answered 500")


def test_dry_runs_and_missing_keys(oncall: Command) -> None:
    """In dry run nobody would be; a provider that the rules name, and nobody asks, is told."""
    oncall.environment["AUTO_APPROVAL_DRY_RUN"] = "true"
    policy = oncall.write("policy.yaml", POLICY.replace("{schedules", "{provider: jsm, schedules"))
    answer = oncall("who", DATABASE, "--policy", policy)
    assert answer.status == 1
    assert answer.lines[-2:] == [
        "note: JSM Operations is not asked, though the policy names it: JSM_API_TOKEN is not set",
        "note: in dry run no claim is made: humans decide about all of them",
    ]


def test_ends_are_looked_up_for_everybody(oncall: Command) -> None:
    """Where a duty's end takes another call, it is made for each holder."""
    policy = oncall.write("policy.yaml", POLICY)
    with Opsgenie("g3nie-key-0123", now=lambda: NOW) as double:
        for email in (JANE, RITA):
            double.add_person(email, email)
        double.add_schedule("Production")
        double.put_on_shift("Production", JANE, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        double.put_on_shift("Production", RITA, NOW - timedelta(hours=1), NOW + timedelta(hours=2))
        oncall.environment = {"OPSGENIE_KEY": double.api_key, "OPSGENIE_BASE_URL": double.url}
        answer = oncall("who", DATABASE, "--policy", policy)
    assert [line.split("  ")[:2] for line in answer.lines[2:]] == [
        [RITA, "14:15 UTC"],
        [JANE, "13:15 UTC"],
    ]
