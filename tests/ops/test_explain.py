"""`oncall explain`: the webhook's answer and why, before anybody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handler.policy import simple
from ops.replay import replay
from sandbox.doubles import faults
from sandbox.doubles.incidentio import IncidentIO
from tests.ops.conftest import DATABASE, JANE, NORA, NOW, OMAR, RITA, Command

DEFAULT = simple(timedelta(hours=6))
POLICY = """
rules:
  - name: Leads and whoever is on call reach databases
    resources: {kinds: [postgres.v1.Role], labels: {Env: Prod}}
    when:
      any:
        - on_call: {schedules: [Production]}
        - incident_role: {roles: [Incident Lead]}
    duration: 3h
    end_with_shift: {grace: 15m, without_end: 1h}
  - name: Leads and whoever is on call reach the vault
    resources: {kinds: [vault]}
    when: {incident_role: {roles: any}}
    duration: 3h
  - name: nobody gets the vault
    resources: {kinds: [vault]}
    deny: true
aliases: {"o@example.com": [omar@example.com]}
"""
PROD = ("--label", "Env=Prod")


def test_a_yes(oncall: Command) -> None:
    """It is told by rule, duty, provider and limit, and the status is 0."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, *PROD, "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    *lines, decided, _ = answer.lines
    assert lines == [
        "yes: omar@example.com gets postgres.v1.Role:db-1 for 2 hours 15 minutes, until 14:15 UTC",
        (
            '|- why: Rule "Leads and whoever is on call reach databases": '
            "on call for Production (incident.io) until 14:00 UTC"
        ),
        (
            '|- + rule "Leads and whoever is on call reach databases": '
            "matched, and opens it until 14:15 UTC"
        ),
        "|  `- + on call for Production (incident.io) until 14:00 UTC: counts",
        '|- rule "Leads and whoever is on call reach the vault": it is for other resources',
        '|- rule "nobody gets the vault": it denies other requests',
        "|- how long",
        "|  `- the duty ends, with any grace, at 2026-03-04T14:15:00.000Z: this decides",
        "|- providers",
        "|  `- + incident.io: answered",
    ]
    assert decided.startswith("|- decided at 2026-03-04T12:00:00Z by policy ")
    assert answer.lines[-1] == f"`- the policy is from {policy}"


def test_a_no(oncall: Command) -> None:
    """Every duty is told with what speaks against it, and the status is 1."""
    answer = oncall("explain", "--as", RITA, "--resource", DATABASE)
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines == [
        "no: humans decide whether rita@example.com gets postgres.v1.Role:db-1",
        "|- why: Reporter of INC-1 (incident.io): counts only where the policy names it",
        "|- x the settings: not matched: no duty of the requester counts",
        "|  `- x Reporter of INC-1 (incident.io): counts only where the policy names it",
        "|- providers",
        "|  `- + incident.io: answered",
        f"|- decided at 2026-03-04T12:00:00Z by policy {DEFAULT.fingerprint}",
        "`- the policy is from the environment's settings",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--resource", "vault:root"], 'rule "nobody gets the vault" denies it'),
        (["--resource", DATABASE], f"no rule is for {DATABASE}"),
        (["--resource", DATABASE, "--resource", "vault:a", *PROD], 'the vault" denies it'),
        (["--resource", "user:mary@example.com"], "a resource is another person"),
    ],
)
def test_other_reasons_for_a_no(oncall: Command, arguments: list[str], why: str) -> None:
    """Denials and resources that no rule is for are told without asking anybody."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("explain", "--as", OMAR, *arguments, "--policy", policy, "--json")
    assert answer.status == 1
    assert why in answer.json["why"]
    assert answer.json["record"]["trace"]["providers"] == []


def test_json_holds_the_tree_and_the_record(oncall: Command) -> None:
    """A script gets the answer, and the record from which the decision can be made again."""
    answer = oncall(
        "explain",
        "--as",
        " JANE@example.com",
        "--resource",
        DATABASE,
        "--duration",
        "30m",
        "--json",
    )
    assert answer.status == 0
    said = answer.json
    assert said.keys() == {"approved", "why", "duration", "until", "notes", "tree", "record"}
    assert (said["approved"], said["duration"]) == (True, "30m0s")
    assert said["until"] == "2026-03-04T12:30:00.000Z"
    assert said["why"] == "Incident Lead of INC-1 (incident.io)"
    assert said["tree"]["mark"] == "yes"
    assert said["record"]["requester"] == JANE
    (again,) = replay([said["record"]], DEFAULT)
    assert (again.problem, again.differences) == ("", ())


def test_as_of_another_time(oncall: Command) -> None:
    """`--at` decides by what the providers say now, and says so."""
    for at in ("2026-03-04T14:00Z", "2026-03-04T15:00:00+01:00", "+2h"):
        answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", at)
        assert answer.status == 1
        assert "on call for Production (incident.io) until 14:00 UTC: it does not run now" in (
            answer.out
        )
        assert (
            "decided as of 2026-03-04T14:00:00.000Z, by what the providers say now: "
            "who is on duty only then is not known" in answer.out
        )
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "+1h59m").status == 0


def test_a_time_beyond_all_times(oncall: Command) -> None:
    """No calendar reaches so far: that is said, not stumbled over."""
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "9999-12-31T23:00Z")
    assert answer.status == 2
    assert answer.err == "oncall: --at is too far ahead to decide for\n"
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "+2562047h").status == 1


def test_a_provider_that_fails(oncall: Command, double: IncidentIO) -> None:
    """It is told, and nobody is approved by it."""
    double.fail("/v2/incidents", faults.Status(500))
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE)
    assert answer.status == 1
    assert "x no answer from incident.io incidents: answered 500" in answer.out


def test_dry_runs_are_no(oncall: Command) -> None:
    """In dry run no claim would be made: that is no yes, whatever the rules say."""
    oncall.environment["AUTO_APPROVAL_DRY_RUN"] = "true"
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE)
    assert answer.status == 1
    assert answer.lines[0].startswith("in dry run, so no claim is made: else omar@example.com")


def test_aliases_count(oncall: Command) -> None:
    """Whoever requests by an alias's key has that person's duties, and the address is not told."""
    policy = oncall.write("policy.yaml", POLICY)
    asked = ("explain", "--as", "o@example.com", "--resource", DATABASE, *PROD, "--policy", policy)
    answer = oncall(*asked, "--json")
    assert answer.status == 0
    assert OMAR not in answer.out


def test_a_provider_that_is_not_asked(oncall: Command) -> None:
    """A rule that names a provider without a key is told, with the key."""
    policy = oncall.write(
        "policy.yaml", POLICY.replace("{schedules:", "{provider: opsgenie, schedules:")
    )
    answer = oncall("explain", "--as", NORA, "--resource", DATABASE, *PROD, "--policy", policy)
    assert answer.status == 1
    said = "Opsgenie is not asked, though the policy names it: OPSGENIE_KEY is not set"
    assert said in answer.out


def test_nobody_elses_address_is_told(oncall: Command) -> None:
    """Who declared the incident, or is on duty beside the requester, is not in the answer."""
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE, "--json")
    assert answer.status == 0
    for other in (OMAR, RITA, NORA):
        assert other not in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "jane", "--resource", DATABASE], "'jane' is no e-mail address"),
        (["--as", JANE, "--resource", "db-1"], "'db-1' is no KIND:ID"),
        (["--as", JANE, "--resource", DATABASE, "--label", "Env"], "'Env' is no NAME=VALUE"),
        (
            ["--as", JANE, "--resource", DATABASE, "--duration", "6"],
            "'6' isn't a duration: a number needs a unit, for example 6m or 6h",
        ),
        (
            ["--as", JANE, "--resource", DATABASE, "--duration", "1ms"],
            "'1ms' is less than a second",
        ),
        (["--as", JANE, "--resource", DATABASE, "--at", "noon"], "'noon' is no time"),
        (["--as", JANE, "--resource", DATABASE, "--at", "2026-03-04T12:00"], "is no time"),
        (["--resource", DATABASE], "required: --as"),
    ],
)
def test_what_cannot_be_read(
    oncall: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """A wrong argument is told with an example, and the status is 2."""
    with pytest.raises(SystemExit) as ended:
        oncall("explain", *arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.endswith("run `oncall explain --help` for how it goes\n")


def test_now_is_the_moment_of_the_decision(oncall: Command) -> None:
    """Without `--at` the clock says when."""
    oncall.clock = oncall.clock._replace(now=lambda: NOW + timedelta(hours=3))
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE).status == 1
