"""`oncall explain`: how the webhook would answer a request, and why."""

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


def test_an_approval(oncall: Command) -> None:
    """An approval shows rule, duty, provider and limit; the status is 0."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, *PROD, "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    *lines, decided, _ = answer.lines
    assert lines == [
        (
            "approved: omar@example.com gets postgres.v1.Role:db-1 for 2 hours 15 minutes, "
            "until 14:15 UTC"
        ),
        (
            '|- why: Rule "Leads and whoever is on call reach databases": '
            "on call for Production (incident.io) until 14:00 UTC"
        ),
        ('|- + rule "Leads and whoever is on call reach databases": approves until 14:15 UTC'),
        "|  `- + on call for Production (incident.io) until 14:00 UTC: counts",
        (
            '|- rule "Leads and whoever is on call reach the vault": '
            "it covers other resources or actions"
        ),
        '|- rule "nobody gets the vault": it denies other requests',
        "|- how long: the duty ends at 2026-03-04T14:15:00.000Z, including any grace period",
        "|- + providers: incident.io answered",
    ]
    assert decided.startswith("|- decided at 2026-03-04T12:00:00Z by policy ")
    assert answer.lines[-1] == f"`- policy: {policy}"


NAMES = "identities: {authzen: {omar: omar@example.com, nora: nora@example.com}}\n"


def test_a_name_at_a_caller(oncall: Command) -> None:
    """`CALLER:NAME` asks for the person for whom the policy's identities have that name."""
    policy = oncall.write("policy.yaml", POLICY + NAMES)
    asked = ("--resource", DATABASE, *PROD, "--policy", policy)
    answer = oncall("explain", "--as", "authzen:omar", *asked)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[0].startswith(f"approved: {OMAR} gets {DATABASE} for 2 hours 15 minutes")
    answer = oncall("explain", "--as", "authzen:nora", *asked)
    assert answer.status == 1
    assert answer.lines[0] == f"left to humans: {NORA} requests {DATABASE}"


def test_an_address_at_a_caller(oncall: Command) -> None:
    """A name that is an address asks for that person, as the caller's question would."""
    policy = oncall.write("policy.yaml", POLICY + NAMES)
    asked = ("--resource", DATABASE, *PROD, "--policy", policy)
    assert oncall("explain", "--as", f"authzen:{OMAR}", *asked).status == 0
    answer = oncall("explain", "--as", f"authzen:{NORA}", *asked)
    assert answer.status == 1
    assert answer.lines[0] == f"left to humans: {NORA} requests {DATABASE}"


@pytest.mark.parametrize("name", ["Omar", "omar ", "ann", "a:b", "\u043emar"])
def test_a_name_that_nobody_has(oncall: Command, name: str) -> None:
    """A name that the policy doesn't have exactly is nobody's, and a note says so."""
    policy = oncall.write("policy.yaml", POLICY + NAMES)
    who = ("--as", f"authzen:{name}")
    answer = oncall("explain", *who, "--resource", DATABASE, *PROD, "--policy", policy)
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines[0] == f"left to humans: somebody without an e-mail requests {DATABASE}"
    assert answer.lines[1] == "|- why: the requester's e-mail is missing"
    note = "note: the policy's identities have nobody of this name for authzen: "
    assert any(note in line for line in answer.lines)


def test_an_action(oncall: Command) -> None:
    """With --action, only a rule that names the action approves."""
    asked = ("explain", "--as", OMAR, "--resource", DATABASE, *PROD, "--action", "deploy")
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall(*asked, "--policy", policy)
    assert (answer.status, answer.lines[0]) == (
        1,
        f"left to humans: {OMAR} requests {DATABASE} (action deploy)",
    )
    assert answer.lines[1] == f"|- why: no rule covers the action deploy on {DATABASE}"
    named = POLICY.replace(
        "{kinds: [postgres.v1.Role]", "{actions: [deploy], kinds: [postgres.v1.Role]"
    )
    answer = oncall(*asked, "--policy", oncall.write("policy.yaml", named))
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[0].startswith(
        f"approved: {OMAR} gets {DATABASE} (action deploy) for 2 hours"
    )
    assert oncall(*asked[:-2], "--policy", policy).status == 1


@pytest.mark.parametrize("action", ["", " "])
def test_an_action_has_a_name(
    oncall: Command, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty action is an error."""
    with pytest.raises(SystemExit):
        oncall("explain", "--as", OMAR, "--resource", DATABASE, "--action", action)
    assert "isn't the name of an action, for example deploy" in capsys.readouterr().err


def test_a_duty_that_does_not_count(oncall: Command) -> None:
    """Each duty shows why it doesn't count; the status is 1."""
    answer = oncall("explain", "--as", RITA, "--resource", DATABASE)
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines == [
        "left to humans: rita@example.com requests postgres.v1.Role:db-1",
        "|- why: Reporter of INC-1 (incident.io): only counts if the policy names it",
        "|- x default rule: not matched",
        "|  `- x Reporter of INC-1 (incident.io): only counts if the policy names it",
        "|- + providers: incident.io answered",
        f"|- decided at 2026-03-04T12:00:00Z by policy {DEFAULT.fingerprint}",
        f"|- note: {OPEN}",
        "`- policy: environment variables",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--resource", "vault:root"], 'denied by rule "nobody gets the vault"'),
        (["--resource", DATABASE], f"no rule covers {DATABASE}"),
        (
            ["--resource", DATABASE, "--resource", "vault:a", *PROD],
            'denied by rule "nobody gets the vault"',
        ),
        (
            ["--resource", "user:mary@example.com"],
            "a requested resource is a person other than the requester",
        ),
    ],
)
def test_denied_and_uncovered_resources(oncall: Command, arguments: list[str], why: str) -> None:
    """Denied or uncovered resources are refused without asking any provider."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("explain", "--as", OMAR, *arguments, "--policy", policy, "--json")
    assert answer.status == 1
    assert why in answer.json["why"]
    assert answer.json["record"]["trace"]["providers"] == []


def test_json_holds_the_tree_and_the_record(oncall: Command) -> None:
    """JSON has the answer, and a record that `replay` decides the same."""
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
    data = answer.json
    assert data.keys() == {
        *("approved", "why", "duration", "until", "open_to_any_duty", "notes", "tree", "record"),
        "policy",
    }
    assert data["open_to_any_duty"] == [OPEN]
    assert (data["approved"], data["duration"]) == (True, "30m0s")
    assert data["until"] == "2026-03-04T12:30:00.000Z"
    assert data["why"] == "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert data["tree"]["mark"] == "yes"
    assert data["record"]["requester"] == JANE
    (again,) = replay([data["record"]], DEFAULT)
    assert (again.problem, again.differences) == ("", ())


@pytest.mark.parametrize("command", [["explain", "--as", OMAR, "--resource"], ["who"]])
def test_settings_that_name_nothing(oncall: Command, command: list[str]) -> None:
    """A warning says what any duty opens, unless settings narrow it for this resource."""

    def warnings_for(**settings: str) -> list[str]:
        oncall.environment |= {f"AUTO_APPROVAL_{key}": value for key, value in settings.items()}
        shown = oncall(*command, DATABASE, *PROD).out
        found: list[str] = oncall(*command, DATABASE, *PROD, "--json").json["open_to_any_duty"]
        assert all(warning in shown for warning in found)
        assert ("anybody who" in shown) is bool(found)
        return found

    assert warnings_for() == [OPEN]
    assert warnings_for(DRY_RUN="true") == [OPEN.replace("opens any", "would open any")]
    assert warnings_for(DRY_RUN="", RESOURCE_LABELS="Env=Prod") == [
        OPEN.replace("any resource", "every resource labelled Env=Prod")
    ]
    assert warnings_for(RESOURCE_LABELS="Env=Dev") == []
    assert warnings_for(RESOURCE_LABELS="", INCIDENTIO_ROLES="lead") == []
    assert warnings_for(INCIDENTIO_ROLES="", SCHEDULES="DBA") == []


def test_another_time(oncall: Command) -> None:
    """`--at` decides for another time with the current duties, and a note says so."""
    for at in ("2026-03-04T14:00Z", "2026-03-04T15:00:00+01:00", "+2h"):
        answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", at)
        assert answer.status == 1
        assert "on call for Production (incident.io) until 14:00 UTC: not active now" in (
            answer.out
        )
        assert (
            "note: decided as of 2026-03-04T14:00:00.000Z, with the duties of this moment: "
            "shifts that start later are not known" in answer.out
        )
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "+1h59m").status == 0


def test_a_time_beyond_the_calendar(oncall: Command) -> None:
    """A time past the calendar's end is an error, not a crash."""
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "9999-12-31T23:00Z")
    assert answer.status == 2
    assert answer.err == "oncall: --at is too far in the future\n"
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE, "--at", "+2562047h").status == 1


def test_a_provider_that_fails(oncall: Command, double: IncidentIO) -> None:
    """The failure is shown, and whoever it may concern is unknown; an approval stays one."""
    double.fail("/v2/incidents", faults.Status(500))
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE)
    assert answer.status == 2
    assert "x no answer from incident.io incidents: answered 500" in answer.out
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE).status == 0


def test_no_provider_answers(oncall: Command, double: IncidentIO) -> None:
    """If no provider answers, the result is unknown, with status 2; a denial is a no."""
    for path in ("/v2/incidents", "/v2/schedules"):
        double.fail(path, faults.Status(500))
    for dry_run in ("true", ""):
        oncall.environment["AUTO_APPROVAL_DRY_RUN"] = dry_run
        answer = oncall("explain", "--as", OMAR, "--resource", DATABASE)
        assert (answer.status, answer.err) == (2, "")
        note = "|- note: no complete answer from incident.io, so the answer is unknown"
        assert note in answer.lines
    policy = oncall.write("policy.yaml", POLICY)
    assert oncall("explain", "--as", OMAR, "--resource", "vault:a", "--policy", policy).status == 1


def test_one_of_two_providers_answers(oncall: Command, double: IncidentIO) -> None:
    """If the provider that answers has no duty of theirs, the result is unknown."""
    for path in ("/v2/incidents", "/v2/schedules"):
        double.fail(path, faults.Status(500))
    with PagerDuty(f"{API_KEY}-pd", now=lambda: NOW) as pagerduty:
        pagerduty.add_person("Omar", OMAR)
        oncall.environment |= {
            "PAGERDUTY_KEY": f"{API_KEY}-pd",
            "PAGERDUTY_BASE_URL": pagerduty.url,
        }
        answer = oncall("explain", "--as", OMAR, "--resource", DATABASE)
    assert answer.status == 2
    assert "note: no complete answer from incident.io, so the answer is unknown" in answer.out


def test_a_dry_run(oncall: Command) -> None:
    """In dry run the answer is a no, even if a rule matches."""
    oncall.environment["AUTO_APPROVAL_DRY_RUN"] = "true"
    answer = oncall("explain", "--as", OMAR, "--resource", DATABASE)
    assert answer.status == 1
    assert answer.lines[0].startswith("left to humans, in dry run: omar@example.com would get")


def notes(oncall: Command, who: str, *arguments: str, status: int = 1) -> list[str]:
    """Return the notes about the requester of a request that isn't approved."""
    answer = oncall("explain", "--as", who, "--resource", DATABASE, "--json", *arguments)
    assert answer.status == status
    assert API_KEY not in answer.out
    result: list[str] = answer.json["notes"]
    return result


@pytest.mark.parametrize(
    ("who", "near"),
    [
        ("typo@example.com", ""),
        ("omarr@example.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omar@exampel.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omra@example.com", f"; did you mean {OMAR}, who is on duty?"),
        ("omat@example.com", f"; did you mean {OMAR}, who is on duty?"),
        # Half of the letters differ, so this is another person.
        ("tomr@example.com", ""),
        ("omar@other.test", ""),
        ("an-omar-of-another-team@example.com", ""),
    ],
)
def test_an_unknown_requester(oncall: Command, who: str, near: str) -> None:
    """An unknown address differs from a user off duty, and a similar address is proposed."""
    assert notes(oncall, who) == [
        (f"no user has the e-mail {who} at incident.io: check the spelling{near}")
    ]
    assert notes(oncall, NORA) == [
        f"incident.io has a user with the e-mail {NORA}, who is not on duty there right now"
    ]
    assert notes(oncall, f" {NORA.upper()} ") == [
        f"incident.io has a user with the e-mail {NORA}, who is not on duty there right now"
    ]


def test_a_requester_with_a_duty_is_not_looked_up(oncall: Command, double: IncidentIO) -> None:
    """Requesters with a duty aren't looked up, even if it doesn't count."""
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
    """If the lookup fails, the note says so, and that nobody on duty has the address."""
    double.fail("/v2/users", fault)
    (note,) = notes(oncall, NORA)
    assert note.startswith(
        f"nobody on duty at incident.io has the e-mail {NORA}; "
        f"could not look up whether incident.io has such a user: {problem}"
    )


@pytest.mark.parametrize("why", ["failing", "hiding an e-mail"])
def test_unknown_duties(oncall: Command, double: IncidentIO, why: str) -> None:
    """If duties or e-mails are unknown, the note doesn't claim that they are off duty."""
    if why == "failing":
        double.fail("/", faults.Status(403))
    else:
        double.put_on_shift("Production", double.add_person("Ghost", None))
        double.fail("/v2/users", faults.Status(403))
    message = f"could not look up whether incident.io has a user with the e-mail {NORA}: "
    note, *_ = notes(oncall, NORA, status=2 if why == "failing" else 1)
    assert note.startswith(f"{message}answered 403")


def test_a_provider_without_user_search(oncall: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a provider without user search, the note says that there is none."""
    monkeypatch.setattr(user_lookup, "_LOOKUPS", {})
    (note,) = notes(oncall, NORA)
    assert note.endswith(
        "could not look up whether incident.io has such a user: `oncall` cannot search there"
    )


def test_a_known_requester_whose_duties_could_not_be_read(
    oncall: Command, double: IncidentIO
) -> None:
    """The notes say that the user may be on duty, so the answer is unknown."""
    double.fail("/v2/schedules", faults.Status(500))
    assert notes(oncall, NORA, status=2) == [
        (
            f"incident.io has a user with the e-mail {NORA}, who may be on duty there: "
            "not everything could be read"
        ),
        "no complete answer from incident.io, so the answer is unknown",
    ]


def test_the_aliases_of_a_requester_are_looked_up(oncall: Command) -> None:
    """Aliases are looked up as well, but the note doesn't name them."""
    policy = oncall.write("policy.yaml", POLICY.replace("omar@", "nora@"))
    asked = (*PROD, "--policy", str(policy))
    assert notes(oncall, "o@example.com", *asked) == [
        (
            "incident.io has a user with the e-mail o@example.com or one of its aliases, "
            "who is not on duty there right now"
        )
    ]
    policy.write_text(POLICY.replace("omar@", "norra@"), encoding="utf-8")
    assert notes(oncall, "o@example.com", *asked)[0].startswith(
        "no user has the e-mail o@example.com or one of its aliases at incident.io: "
        "check the spelling"
    )


def test_lookup_at_every_provider(oncall: Command) -> None:
    """Users are looked up at each provider, and a note covers hidden accounts."""
    with ExitStack() as stack:
        pagerduty = stack.enter_context(PagerDuty(f"{API_KEY}-pd", now=lambda: NOW))
        opsgenie = stack.enter_context(Opsgenie(f"{API_KEY}-og", now=lambda: NOW))
        jsm = stack.enter_context(JSM(NORA, f"{API_KEY}-jsm", now=lambda: NOW))
        oncall.environment |= {
            "PAGERDUTY_KEY": f"{API_KEY}-pd",
            "PAGERDUTY_BASE_URL": pagerduty.url,
            "OPSGENIE_KEY": f"{API_KEY}-og",
            "OPSGENIE_BASE_URL": opsgenie.url,
            "JSM_API_TOKEN": f"{API_KEY}-jsm",
            "JSM_EMAIL": NORA,
            **dict.fromkeys(("JSM_SITE", "JSM_BASE_URL"), jsm.url),
        }
        known = "has a user with the e-mail ned@example.com, who is not on duty there right now"
        everywhere = "incident.io, PagerDuty, Opsgenie, JSM Operations"
        browse = (
            "JSM Operations finds users only if they show their e-mail and JSM_EMAIL's account "
            "may browse users"
        )
        (first, second) = notes(oncall, "ned@example.com")
        assert first.startswith(f"no user has the e-mail ned@example.com at {everywhere}: ")
        assert second == browse
        pagerduty.add_person("Ned", "Ned@example.com")
        # PagerDuty's search finds both, since it matches parts of names and addresses.
        pagerduty.add_person("ned@example.com's bot", "another-ned@example.com")
        assert notes(oncall, "ned@example.com") == [
            f"PagerDuty {known}",
            "no user has the e-mail ned@example.com at incident.io, Opsgenie, JSM Operations",
        ]
        opsgenie.add_person("Ned", "ned@example.com")
        jsm.add_person("ned@example.com", None)
        assert notes(oncall, "ned@example.com") == [
            f"PagerDuty {known}",
            f"Opsgenie {known}, or only in a later escalation step, which does not count",
            (
                "JSM Operations has an account that may be ned@example.com, but does not show its "
                "e-mail, so its duties do not count"
            ),
            "no user has the e-mail ned@example.com at incident.io",
        ]
        jsm.add_person("Ned", "ned@example.com")
        assert f"JSM Operations {known}" in notes(oncall, "ned@example.com")


def test_people_without_an_email(oncall: Command, double: IncidentIO) -> None:
    """The number of people without an e-mail is shown, but nobody's name."""
    double.put_on_shift("Production", double.add_person("Ghost", None))
    answer = oncall("explain", "--as", NORA, "--resource", DATABASE)
    message = "1 of 3 people on duty at incident.io shows no e-mail"
    nothing = "is not on call and holds no incident role"
    assert answer.lines[1] == f"|- why: {NORA} {nothing}; {message}"
    assert f"|  `- {message}, so they cannot be matched" in answer.lines
    record = oncall("explain", "--as", NORA, "--resource", DATABASE, "--json").json["record"]
    assert record["without_email"] == {"incidentio": {"people": 1, "of": 3}}


def test_aliases_count(oncall: Command) -> None:
    """An alias's duties count, and its address isn't printed."""
    policy = oncall.write("policy.yaml", POLICY)
    asked = ("explain", "--as", "o@example.com", "--resource", DATABASE, *PROD, "--policy", policy)
    answer = oncall(*asked, "--json")
    assert answer.status == 0
    assert OMAR not in answer.out


def test_a_provider_without_a_key(oncall: Command) -> None:
    """If a rule names a provider without a key, a note names the key."""
    policy = oncall.write(
        "policy.yaml", POLICY.replace("{schedules:", "{provider: opsgenie, schedules:")
    )
    answer = oncall("explain", "--as", NORA, "--resource", DATABASE, *PROD, "--policy", policy)
    assert answer.status == 1
    message = "the policy names Opsgenie, which is not asked because OPSGENIE_KEY is not set"
    assert message in answer.out


def test_nobody_elses_address_is_printed(oncall: Command) -> None:
    """The answer never has the address of the reporter or of others on duty."""
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE, "--json")
    assert answer.status == 0
    for other in (OMAR, RITA, NORA):
        assert other not in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "jane", "--resource", DATABASE], "'jane' isn't an e-mail address"),
        *(
            (["--as", who, "--resource", DATABASE], "nor a caller's name for somebody, for example")
            for who in ("jane", "conductorone:jane", "pagerduty:jane", "authzen:", "authzen: ")
        ),
        (["--as", JANE, "--resource", "db-1"], "'db-1' isn't KIND:ID"),
        (["--as", JANE, "--resource", DATABASE, "--label", "Env"], "'Env' isn't NAME=VALUE"),
        (
            ["--as", JANE, "--resource", DATABASE, "--duration", "6"],
            "'6' isn't a duration: a number needs a unit, for example 6m or 6h",
        ),
        (
            ["--as", JANE, "--resource", DATABASE, "--duration", "1ms"],
            "'1ms' is less than a second",
        ),
        (["--as", JANE, "--resource", DATABASE, "--at", "noon"], "'noon' isn't a time"),
        (["--as", JANE, "--resource", DATABASE, "--at", "2026-03-04T12:00"], "isn't a time"),
        *(
            # A relative time needs a valid duration after the plus.
            (["--as", JANE, "--resource", DATABASE, "--at", at], f"'{at}' isn't a time with a zone")
            for at in ("+90", "+1h30", "+-1h", "+")
        ),
        (["--resource", DATABASE], "required: --as"),
    ],
)
def test_wrong_arguments(
    oncall: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """A wrong argument is an error with status 2 that refers to --help."""
    with pytest.raises(SystemExit) as ended:
        oncall("explain", *arguments)
    assert ended.value.code == 2
    output = capsys.readouterr().err
    assert message in output
    assert output.endswith("; see `oncall explain --help`\n")


def test_the_clock_is_the_default(oncall: Command) -> None:
    """Without `--at`, the clock gives the time of the decision."""
    oncall.clock = oncall.clock._replace(now=lambda: NOW + timedelta(hours=3))
    assert oncall("explain", "--as", OMAR, "--resource", DATABASE).status == 1
