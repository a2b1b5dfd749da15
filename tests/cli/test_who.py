"""`oncall who`: it lists everybody who would be approved for a resource."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

import pytest

from cli import provider_query
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.server import Exchange
from tests.cli.conftest import DATABASE, JANE, NORA, NOW, OMAR, OPEN, RITA, Command

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


def test_who_may_do_another_action(oncall: Command) -> None:
    """With --action, only rules that name the action count."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", DATABASE, "--policy", policy, "--action", "deploy")
    assert answer.status == 1
    assert f"note: no rule covers the action deploy on {DATABASE}" in answer.lines
    named = POLICY.replace(
        "{kinds: [postgres.v1.Role]}", "{kinds: [postgres.v1.Role], actions: [deploy]}"
    )
    policy = oncall.write("policy.yaml", named)
    answer = oncall("who", DATABASE, "--policy", policy, "--action", "deploy")
    assert answer.status == 0
    assert [line.split()[0] for line in answer.lines[2:4]] == ["o@corp.example", OMAR]
    assert oncall("who", DATABASE, "--policy", policy).status == 1


def test_everybody_who_would_be_approved(oncall: Command, double: IncidentIO) -> None:
    """Everybody on duty, including aliases, is checked against every rule; others get a reason."""
    double.put_on_shift("Production", NORA)
    double.add_schedule("Nights")
    double.put_on_shift("Nights", double.add_person("Ned", "ned@example.com"))
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", DATABASE, "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    nights = (
        "on call for Nights (incident.io) until 20:00 UTC: "
        "not a schedule or role that the rule accepts"
    )
    on_call = 'Rule "On call": on call for Production (incident.io) until 14:00 UTC'
    lead = (
        'Rule "Named leads": Incident Lead of INC-1 (incident.io) '
        "for as long as the incident is live"
    )
    assert answer.lines == [
        "approved          until      for                 why",
        f"----------------  ---------  ------------------  {'-' * len(lead)}",
        f"o@corp.example    14:15 UTC  2 hours 15 minutes  {on_call}",
        f"omar@example.com  14:15 UTC  2 hours 15 minutes  {on_call}",
        f"jane@example.com  13:00 UTC  1 hour              {lead}",
        "",
        "left to humans    why",
        f"----------------  {'-' * len(nights)}",
        'nora@example.com  denied by rule "Not for Nora"',
        ("rita@example.com  Reporter of INC-1 (incident.io): only counts if the policy names it"),
        f"ned@example.com   {nights}",
        "",
        "considered: 6 people on duty at incident.io",
        f"policy: {policy}",
    ]


def test_json(oncall: Command) -> None:
    """JSON has who, until when, by which rules and why, exactly as `explain` does."""
    answer = oncall("who", DATABASE, "--label", "Env=Prod", "--json")
    assert answer.status == 0
    assert answer.json == {
        "resource": DATABASE,
        "dry_run": False,
        "approved": [
            {
                "who": who,
                "until": "2026-03-04T18:00:00.000Z",
                "duration": "6h0m0s",
                "rules": ["default rule"],
                "why": why,
            }
            for who, why in (
                (JANE, "Incident Lead of INC-1 (incident.io) for as long as the incident is live"),
                (OMAR, "on call for Production (incident.io) until 14:00 UTC"),
            )
        ],
        "not_approved": [
            {
                "who": RITA,
                "why": "Reporter of INC-1 (incident.io): only counts if the policy names it",
            }
        ],
        "considered": 3,
        "asked": ["incident.io"],
        "unanswered": [],
        "open_to_any_duty": [OPEN],
        "notes": [],
        "policy": "environment variables",
    }
    for person in answer.json["approved"]:
        explained = oncall("explain", "--as", person["who"], "--resource", DATABASE, "--json").json
        assert {"why": person["why"], "until": person["until"]} == {
            name: explained[name] for name in ("why", "until")
        }


def test_json_shows_a_dry_run(oncall: Command) -> None:
    """In dry run, JSON says so, and the status is 1."""
    oncall.environment["AUTO_APPROVAL_DRY_RUN"] = "true"
    answer = oncall("who", DATABASE, "--json")
    assert (answer.status, answer.json["dry_run"]) == (1, True)
    assert [person["who"] for person in answer.json["approved"]] == [JANE, OMAR]


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ("okta.v1.Group:admins", "no rule covers okta.v1.Group:admins"),
        ("user:mary@example.com", "a requested resource is a person other than the requester"),
    ],
)
def test_a_resource_that_no_duty_opens(oncall: Command, resource: str, why: str) -> None:
    """If no duty can open the resource, a note says why, and the status is 1."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", resource, "--policy", policy)
    assert answer.status == 1
    assert answer.lines == [
        "nobody would be approved",
        "",
        f"note: {why}",
        f"policy: {policy}",
    ]


NOT_AMONG = "not a schedule or role that the rule accepts"


def test_no_duty_that_counts(oncall: Command) -> None:
    """If no duty counts, each person is listed with the reason."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", "vault:root", "--policy", policy)
    assert answer.status == 1
    omar = f"on call for Production (incident.io) until 14:00 UTC: {NOT_AMONG}"
    assert answer.lines == [
        "nobody would be approved",
        "",
        "left to humans    why",
        f"----------------  {'-' * len(omar)}",
        f"o@corp.example    {omar}",
        f"omar@example.com  {omar}",
        "",
        "considered: 2 people on duty at incident.io",
        f"policy: {policy}",
    ]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("dry_run: true", "only rules in dry run would approve it"),
        ("deny: true", 'denied by rule "On call"'),
        ("", 'rule "On call": it needs a request for 1 hour or less'),
    ],
)
def test_a_duty_that_counts_without_approval(oncall: Command, rule: str, why: str) -> None:
    """If a duty counts but the rule doesn't match, that is the reason shown."""
    when = "on_call: {schedules: [Production]}"
    if not rule:
        when, rule = f"all: [{{{when}}}, {{requested_duration: {{up_to: 1h}}}}]", "duration: 1h"
    elif rule.startswith("dry"):
        rule = f"duration: 1h, {rule}"
    else:
        when = f"requester: {{emails: [{JANE}]}}"
    roles = "{name: Roles, resources: any, when: {incident_role: {roles: [x]}}, duration: 1h}"
    rules = (
        f"rules:\n  - {roles}\n  - {{name: On call, resources: any, when: {{{when}}}, {rule}}}\n"
    )
    answer = oncall("who", DATABASE, "--policy", oncall.write("policy.yaml", rules), "--json")
    assert why in {person["why"] for person in answer.json["not_approved"]}
    assert (answer.status, answer.json["notes"]) == (1, [])


def test_nobody_on_duty(oncall: Command, double: IncidentIO) -> None:
    """The answer says that nobody is on duty; unless all was answered, it is unknown."""
    double.take_off_shift("Production", OMAR)
    double.close_incident("INC-1")
    answer = oncall("who", DATABASE)
    assert answer.status == 1
    nobody = "considered: nobody, since nobody is on duty at incident.io"
    assert (answer.lines[0], answer.lines[-2]) == ("nobody would be approved", nobody)
    double.fail("/v2/incidents", faults.Status(500))
    answer = oncall("who", DATABASE)
    assert answer.status == 2
    assert (answer.lines[0], answer.lines[-2]) == (
        "unknown: nobody would be approved, as far as the providers answered",
        f"{nobody}, as far as they answered",
    )


def test_no_provider_answers(oncall: Command, double: IncidentIO) -> None:
    """If no provider answers, the result is unknown, with status 2."""
    for path in ("/v2/incidents", "/v2/schedules"):
        double.fail(path, faults.Status(500))
    answer = oncall("who", DATABASE)
    assert answer.status == 2
    assert answer.lines[0] == "unknown: no provider answered"
    assert "nobody" not in answer.out
    answer = oncall("who", DATABASE, "--json")
    assert (answer.status, answer.json["unanswered"]) == (2, ["incident.io"])
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("who", "okta.v1.Group:admins", "--policy", policy)
    assert (answer.status, answer.lines[0]) == (1, "nobody would be approved")


def test_one_of_two_providers_answers(oncall: Command, double: IncidentIO) -> None:
    """If it has nobody on duty, the result is unknown; the other provider is named."""
    for path in ("/v2/incidents", "/v2/schedules"):
        double.fail(path, faults.Status(500))
    with Opsgenie("g3nie-key-0123", now=lambda: NOW) as opsgenie:
        opsgenie.add_schedule("Nights")
        oncall.environment |= {"OPSGENIE_KEY": opsgenie.api_key, "OPSGENIE_BASE_URL": opsgenie.url}
        answer = oncall("who", DATABASE, "--json")
        assert (answer.status, answer.json["unanswered"]) == (2, ["incident.io"])
        assert (answer.json["considered"], answer.json["asked"]) == (0, ["incident.io", "Opsgenie"])
        assert oncall("who", DATABASE).lines[-2] == (
            "considered: nobody, since nobody is on duty at Opsgenie, as far as they answered"
        )


def test_people_whose_email_is_not_shown(oncall: Command, double: IncidentIO) -> None:
    """People without an e-mail are counted, but not listed."""
    hidden = (
        "people on duty at incident.io show no e-mail; "
        "`oncall preflight` shows how to make it visible"
    )
    double.put_on_shift("Production", double.add_person("Ghost", None))
    double.assign_role("INC-1", "Incident Lead", double.add_person("Shade", None))
    answer = oncall("who", DATABASE)
    assert answer.status == 0
    assert f"note: 2 of 3 {hidden}" in answer.lines
    considered = "considered: 2 people on duty with a visible e-mail at incident.io"
    assert considered in answer.lines
    double.take_off_shift("Production", OMAR)
    answer = oncall("who", DATABASE)
    assert answer.status == 1
    assert f"note: 2 of 2 {hidden}" in answer.lines
    double.close_incident("INC-1")
    double.put_on_shift("Production", double.add_person("Ghost", None))
    considered = "considered: nobody, since nobody on duty has a visible e-mail at incident.io"
    assert considered in oncall("who", DATABASE).lines


def test_long_lists_are_cut(oncall: Command, double: IncidentIO) -> None:
    """The first twenty are listed, with the number of others; JSON lists all."""
    double.add_schedule("Nights")
    for number in range(25):
        double.put_on_shift("Nights", double.add_person("P", f"p{number:02}@example.com"))
    oncall.environment["AUTO_APPROVAL_SCHEDULES"] = "Production"
    answer = oncall("who", DATABASE)
    assert "and 5 more: --json lists all of them" in answer.lines
    assert len(oncall("who", DATABASE, "--json").json["not_approved"]) == 25


def test_a_provider_that_fails(oncall: Command, double: IncidentIO) -> None:
    """A note says that the list is incomplete; it has somebody, so the status is 0."""
    double.fail("/v2/schedules", faults.Status(500))
    answer = oncall("who", DATABASE, "--json")
    assert answer.status == 0
    assert [person["who"] for person in answer.json["approved"]] == [JANE]
    (note,) = answer.json["notes"]
    assert note.startswith("no answer from incident.io schedules: answered 500")


def test_dry_runs_and_missing_keys(oncall: Command) -> None:
    """Notes name the dry run, and a provider without a key that rules name."""
    oncall.environment["AUTO_APPROVAL_DRY_RUN"] = "true"
    policy = oncall.write("policy.yaml", POLICY.replace("{schedules", "{provider: jsm, schedules"))
    answer = oncall("who", DATABASE, "--policy", policy)
    assert answer.status == 1
    assert answer.lines[0].startswith("would be approved  until")
    assert answer.lines[-4:-2] == [
        (
            "note: the policy names JSM Operations, which is not asked because JSM_API_TOKEN is "
            "not set"
        ),
        "note: in dry run nobody is approved: humans decide about every request",
    ]


def test_ends_are_looked_up_for_everybody(oncall: Command) -> None:
    """If reading a shift's end takes another call, it is made for each person."""
    policy = oncall.write("policy.yaml", POLICY)
    with Opsgenie("g3nie-key-0123", now=lambda: NOW) as double:
        for email in (JANE, RITA):
            double.add_person(email, email)
        double.add_schedule("Production")
        double.put_on_shift("Production", JANE, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        double.put_on_shift("Production", RITA, NOW - timedelta(hours=1), NOW + timedelta(hours=2))
        oncall.environment = {"OPSGENIE_KEY": double.api_key, "OPSGENIE_BASE_URL": double.url}
        answer = oncall("who", DATABASE, "--policy", policy)
    assert [line.split("  ")[:2] for line in answer.lines[2:4]] == [
        [RITA, "14:15 UTC"],
        [JANE, "13:15 UTC"],
    ]


@dataclass(frozen=True)
class _Noticed:
    """Answer correctly, and set an event when this path is called."""

    ending: str
    event: threading.Event

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.path.endswith(self.ending):
            self.event.set()
        exchange.send(exchange.response)


def test_a_provider_that_hangs(
    oncall: Command, double: IncidentIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that hangs doesn't delay the next calls to another."""
    monkeypatch.setattr(provider_query, "PATIENCE_SECONDS", 3.0)
    asked_on = threading.Event()
    key = "k3y-0123456789"
    with JSM("bot@example.com", key, now=lambda: NOW) as jsm:
        jsm.add_schedule("Search")
        jsm.put_on_shift("Search", jsm.add_person("Juan", "juan@example.com"))
        oncall.environment |= {"JSM_EMAIL": "bot@example.com", "JSM_API_TOKEN": key}
        oncall.environment |= dict.fromkeys(("JSM_SITE", "JSM_BASE_URL"), jsm.url)
        jsm.fail("/", _Noticed("/on-calls", asked_on))
        double.fail("/", faults.Slow(released=asked_on))
        answer = oncall("who", DATABASE, "--json")
    assert [person["who"] for person in answer.json["approved"]] == [JANE, "juan@example.com", OMAR]
    assert answer.json["unanswered"] == []
