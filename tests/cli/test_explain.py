"""`oncall explain`: the webhook's answer and why, before anybody asks."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import pytest

from auditlog.replay import replay
from cli import user_lookup
from handler.rules.model import policy_from_settings
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Fault
from tests.cli.conftest import API_KEY, DATABASE, JANE, NORA, NOW, OMAR, OPEN, RITA, Command

DEFAULT = policy_from_settings(timedelta(hours=6))
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
        (
            '|- rule "Leads and whoever is on call reach the vault": '
            "it is for other resources or actions"
        ),
        '|- rule "nobody gets the vault": it denies other requests',
        "|- how long",
        "|  `- the duty ends, with any grace, at 2026-03-04T14:15:00.000Z: this decides",
        "|- providers",
        "|  `- + incident.io: answered",
    ]
    assert decided.startswith("|- decided at 2026-03-04T12:00:00Z by policy ")
    assert answer.lines[-1] == f"`- the policy is from {policy}"


def test_another_action(oncall: Command) -> None:
    """It is asked for by hand, and opened by a rule that names it only."""
    asked = ("explain", "--as", OMAR, "--resource", DATABASE, *PROD, "--action", "deploy")
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall(*asked, "--policy", policy)
    assert (answer.status, answer.lines[0]) == (
        1,
        f"no: humans decide whether {OMAR} gets {DATABASE} (action deploy)",
    )
    assert answer.lines[1] == f"|- why: no rule is for the action deploy on {DATABASE}"
    named = POLICY.replace(
        "{kinds: [postgres.v1.Role]", "{actions: [deploy], kinds: [postgres.v1.Role]"
    )
    answer = oncall(*asked, "--policy", oncall.write("policy.yaml", named))
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[0].startswith(f"yes: {OMAR} gets {DATABASE} (action deploy) for 2 hours")
    assert oncall(*asked[:-2], "--policy", policy).status == 1


@pytest.mark.parametrize("action", ["", " "])
def test_an_action_has_a_name(
    oncall: Command, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing would be opened by it."""
    with pytest.raises(SystemExit):
        oncall("explain", "--as", OMAR, "--resource", DATABASE, "--action", action)
    assert "isn't the name of an action, such as deploy" in capsys.readouterr().err


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
        f"|- {OPEN}",
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
    assert said.keys() == {
        *("approved", "why", "duration", "until", "open_to_any_duty", "notes", "tree", "record"),
    }
    assert said["open_to_any_duty"] == [OPEN]
    assert (said["approved"], said["duration"]) == (True, "30m0s")
    assert said["until"] == "2026-03-04T12:30:00.000Z"
    assert said["why"] == "Incident Lead of INC-1 (incident.io)"
    assert said["tree"]["mark"] == "yes"
    assert said["record"]["requester"] == JANE
    (again,) = replay([said["record"]], DEFAULT)
    assert (again.problem, again.differences) == ("", ())


@pytest.mark.parametrize("command", [["explain", "--as", OMAR, "--resource"], ["who"]])
def test_settings_that_name_nothing(oncall: Command, command: list[str]) -> None:
    """What any duty opens is told for the resource in question, and not where it is narrowed."""

    def said(**settings: str) -> list[str]:
        oncall.environment |= {f"AUTO_APPROVAL_{key}": value for key, value in settings.items()}
        shown = oncall(*command, DATABASE, *PROD).out
        found: list[str] = oncall(*command, DATABASE, *PROD, "--json").json["open_to_any_duty"]
        assert all(each in shown for each in found)
        assert ("anybody who" in shown) is bool(found)
        return found

    assert said() == [OPEN]
    assert said(DRY_RUN="true") == [OPEN.replace("opens any", "would open any")]
    assert said(DRY_RUN="", RESOURCE_LABELS="Env=Prod") == [
        OPEN.replace("any resource", "every resource that carries Env=Prod")
    ]
    assert said(RESOURCE_LABELS="Env=Dev") == []
    assert said(RESOURCE_LABELS="", INCIDENTIO_ROLES="lead") == []
    assert said(INCIDENTIO_ROLES="", SCHEDULES="DBA") == []


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


def notes(oncall: Command, who: str, *arguments: str) -> list[str]:
    """What is said beside the decision about who requests."""
    answer = oncall("explain", "--as", who, "--resource", DATABASE, "--json", *arguments)
    assert answer.status == 1
    assert API_KEY not in answer.out
    told: list[str] = answer.json["notes"]
    assert told.pop().startswith("the policy is from ")
    return told


@pytest.mark.parametrize(
    ("who", "near"),
    [
        ("typo@example.com", ""),
        ("omarr@example.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omar@exampel.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omra@example.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omat@example.com", f"; did you mean {OMAR}, who is on duty?"),
        # Two letters of four are others, as in Jane and Juan: that is somebody else.
        ("tomr@example.com", ""),
        ("omar@other.test", ""),
        ("an-omar-of-another-team@example.com", ""),
    ],
)
def test_nobody_knows_the_requester(oncall: Command, who: str, near: str) -> None:
    """An address that is nobody's is told from one who is off duty, and a slip is pointed out."""
    assert notes(oncall, who) == [
        (
            f"no provider that was asked has a user with the e-mail {who} (incident.io): "
            f"check the spelling{near}"
        )
    ]
    assert notes(oncall, NORA) == [
        f"incident.io has a user with the e-mail {NORA}: off duty there right now"
    ]
    assert notes(oncall, f" {NORA.upper()} ") == [
        f"incident.io has a user with the e-mail {NORA}: off duty there right now"
    ]


def test_whoever_has_a_duty_is_not_looked_up(oncall: Command, double: IncidentIO) -> None:
    """Also where it does not count."""
    assert notes(oncall, RITA) == []
    assert "/v2/users" not in {call.path for call in double.calls}


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(403), "answered 403"),
        (faults.WrongValue("users", "none"), "the answer could not be read: users is not a list"),
        (faults.WrongValue("users.*", 7), "the answer could not be read: a user is not an obj"),
        (faults.WrongValue("users.*.email", 7), "the answer could not be read: email is"),
    ],
)
def test_a_requester_who_cannot_be_looked_up(
    oncall: Command, double: IncidentIO, fault: Fault, problem: str
) -> None:
    """What is known for sure is told, and no more."""
    double.fail("/v2/users", fault)
    (note,) = notes(oncall, NORA)
    assert note.startswith(
        f"nobody on duty at incident.io has the e-mail {NORA}; "
        f"whether incident.io has such a user could not be looked up: {problem}"
    )


@pytest.mark.parametrize("why", ["failing", "hiding an e-mail"])
def test_who_is_on_duty_is_not_known(oncall: Command, double: IncidentIO, why: str) -> None:
    """Nobody says then that the requester is not among them: they may be."""
    if why == "failing":
        double.fail("/", faults.Status(403))
    else:
        double.put_on_shift("Production", double.add_person("Ghost", None))
        double.fail("/v2/users", faults.Status(403))
    said = f"whether incident.io has a user with the e-mail {NORA} could not be looked up: "
    (note,) = notes(oncall, NORA)
    assert note.startswith(f"{said}answered 403")


def test_a_provider_that_is_not_searched(oncall: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one may have no search: what was read is told."""
    monkeypatch.setattr(user_lookup, "_LOOKUPS", {})
    (note,) = notes(oncall, NORA)
    assert note.endswith(
        "incident.io has such a user could not be looked up: `oncall` has no search for it"
    )


def test_a_known_requester_whose_duties_could_not_be_read(
    oncall: Command, double: IncidentIO
) -> None:
    """Nobody says then that they are off duty."""
    double.fail("/v2/schedules", faults.Status(500))
    assert notes(oncall, NORA) == [
        f"incident.io has a user with the e-mail {NORA}: not all duties could be read"
    ]


def test_the_aliases_of_a_requester_are_looked_up(oncall: Command) -> None:
    """By one of them somebody may be known, which is not told."""
    policy = oncall.write("policy.yaml", POLICY.replace("omar@", "nora@"))
    asked = (*PROD, "--policy", str(policy))
    assert notes(oncall, "o@example.com", *asked) == [
        (
            "incident.io has a user with the e-mail o@example.com or one of its aliases: "
            "off duty there right now"
        )
    ]
    policy.write_text(POLICY.replace("omar@", "norra@"), encoding="utf-8")
    assert notes(oncall, "o@example.com", *asked)[0].startswith(
        "no provider that was asked has a user with the e-mail o@example.com or one of its aliases "
        "(incident.io): check the spelling"
    )


def test_every_provider_is_asked_in_its_way(oncall: Command) -> None:
    """Each knows some of them; a hidden account and a site that shows no users are told so."""
    with ExitStack() as stack:
        pagerduty = stack.enter_context(PagerDuty(API_KEY, now=lambda: NOW))
        opsgenie = stack.enter_context(Opsgenie(API_KEY, now=lambda: NOW))
        jsm = stack.enter_context(JSM(NORA, API_KEY, now=lambda: NOW))
        oncall.environment |= {
            "PAGERDUTY_KEY": API_KEY,
            "PAGERDUTY_BASE_URL": pagerduty.url,
            "OPSGENIE_KEY": API_KEY,
            "OPSGENIE_BASE_URL": opsgenie.url,
            "JSM_API_TOKEN": API_KEY,
            "JSM_EMAIL": NORA,
            **dict.fromkeys(("JSM_SITE", "JSM_BASE_URL"), jsm.url),
        }
        everywhere = "incident.io, PagerDuty, Opsgenie, JSM Operations"
        browse = (
            "JSM Operations finds users only if they show their e-mail and JSM_EMAIL's account "
            "may browse users"
        )
        (first, second) = notes(oncall, "ned@example.com")
        assert first.startswith(
            "no provider that was asked has a user with the e-mail ned@example.com "
            f"({everywhere}): "
        )
        assert second == browse
        pagerduty.add_person("Ned", "Ned@example.com")
        # Both are found by a part of the name or the address.
        pagerduty.add_person("ned@example.com's bot", "another-ned@example.com")
        assert notes(oncall, "ned@example.com") == [
            "PagerDuty has a user with the e-mail ned@example.com: off duty there right now",
            "incident.io, Opsgenie, JSM Operations: no user with the e-mail ned@example.com",
        ]
        opsgenie.add_person("Ned", "ned@example.com")
        jsm.add_person("ned@example.com", None)
        assert notes(oncall, "ned@example.com") == [
            "PagerDuty has a user with the e-mail ned@example.com: off duty there right now",
            "Opsgenie has a user with the e-mail ned@example.com: off duty there right now",
            (
                "JSM Operations has an account that may be ned@example.com, but doesn't show its "
                "e-mail: no duty of that account counts"
            ),
            "incident.io: no user with the e-mail ned@example.com",
        ]
        jsm.add_person("Ned", "ned@example.com")
        assert (
            "JSM Operations has a user with the e-mail ned@example.com: off duty there right now"
            in notes(oncall, "ned@example.com")
        )


def test_people_without_an_email(oncall: Command, double: IncidentIO) -> None:
    """How many of those on duty nobody can be matched with is told, and nobody is named."""
    double.put_on_shift("Production", double.add_person("Ghost", None))
    answer = oncall("explain", "--as", NORA, "--resource", DATABASE)
    said = "1 of 3 people on duty at incident.io shows no e-mail"
    assert answer.lines[1] == f"|- why: no duty of the requester counts; {said}"
    assert f"|  `- {said}: nobody can be matched with them" in answer.lines
    record = oncall("explain", "--as", NORA, "--resource", DATABASE, "--json").json["record"]
    assert record["without_email"] == {"incidentio": {"people": 1, "of": 3}}


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
        *(
            # What stands behind the plus would not do without it.
            (["--as", JANE, "--resource", DATABASE, "--at", at], f"'{at}' is no time with its zone")
            for at in ("+90", "+1h30", "+-1h", "+")
        ),
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
