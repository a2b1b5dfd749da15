"""`oncall watch`: access that is still running although its duty has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli import watch
from handler.app import SYSTEM_CLOCK
from handler.duty import ON_CALL, Duty
from handler.providers.registry import BY_ID
from handler.rules.model import policy_from_settings
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.auditlog.records import log_records, request_by
from tests.cli.conftest import DATABASE, REGION, Answer, Command
from tests.cli.stacks import Stack
from tests.handler.accounts import PAYMENTS, fill, make_double, settings_of
from tests.handler.conftest import ANA, BO, CY
from tests.support.projects import project_in

DI = "di@acme.example"
PROVIDERS = ("incidentio", "pagerduty", "opsgenie", "jsm")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
POLICY = f"""
rules:
  - name: on call
    resources: any
    when: {{on_call: {{schedules: [Payments]}}}}
    duration: 6h
  - name: leads
    resources: any
    when: {{incident_role: {{roles: any}}}}
    duration: 6h
aliases: {{{CY}: [{BO}]}}
"""


class Organisation:
    """Providers in which people are on duty, the command, and the log of what was approved.

    Attributes:
        now: the time of the providers and of the command.
        doubles: the providers, by id.
        policy: the policy's file.
        records: what was logged.
    """

    def __init__(self, oncall: Command) -> None:
        self.now = NOW
        self.doubles: dict[str, Any] = {}
        self._oncall = oncall
        self.records: list[Mapping[str, Any]] = []
        oncall.environment = {}
        oncall.clock = oncall.clock._replace(now=lambda: self.now)
        self.policy = oncall.write("policy.yaml", POLICY)

    def open(self, servers: ExitStack, *providers: str) -> None:
        """Start providers, each with a schedule Payments."""
        for provider in providers:
            double = servers.enter_context(make_double(provider, lambda: self.now))
            fill(double)
            self.doubles[provider] = double
            self._oncall.environment |= settings_of(provider, double.url)

    def approve(self, who: str) -> Mapping[str, Any]:
        """Decide as the function does, and log it."""
        words = ("explain", "--as", who, "--resource", DATABASE, "--policy", self.policy)
        answer = self._oncall(*words, "--json").json
        assert answer["approved"]
        record: Mapping[str, Any] = {"level": "INFO", **answer["record"]}
        self.records.append(record)
        return record

    def log(self, *lines: str) -> Path:
        """Write the log, with these lines after the records."""
        text = "\n".join([*map(json.dumps, self.records), *lines])
        return self._oncall.write("log", text)

    def watch(self, *more: str, lines: tuple[str, ...] = ()) -> Answer:
        """Run `oncall watch` on the log."""
        return self._oncall("watch", self.log(*lines), "--policy", self.policy, *more)

    def statuses(self, *lines: str) -> tuple[int, list[str]]:
        """Give the exit status, and the status of each approval."""
        answer = self.watch("--json", lines=lines)
        return answer.status, [approval["status"] for approval in answer.json["approvals"]]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the command."""
        return self._oncall.environment

    def unset(self, *names: str) -> None:
        """Remove settings from the command's environment."""
        for name in names:
            del self._oncall.environment[name]


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    """An organisation without providers."""
    return Organisation(Command(tmp_path, ""))


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, organisation: Organisation) -> Iterator[str]:
    """Each provider in turn, with its double running."""
    with ExitStack() as servers:
        organisation.open(servers, request.param)
        yield request.param


@pytest.fixture
def everywhere(organisation: Organisation) -> Iterator[Organisation]:
    """An organisation with all providers."""
    with ExitStack() as servers:
        organisation.open(servers, *PROVIDERS)
        yield organisation


# -- each provider -------------------------------------------------------------------------------


def test_a_shift_that_ends(organisation: Organisation, provider: str) -> None:
    """The duty has ended once the shift ends, until the access ends."""
    organisation.doubles[provider].put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    organisation.approve(ANA)
    seen = []
    for hours in (0, 1.999, 2, 5.999, 6):
        organisation.now = NOW + hours * HOUR
        seen.append(organisation.statuses())
    assert seen == [
        (0, ["on duty"]),
        (0, ["on duty"]),
        (1, ["duty ended"]),
        (1, ["duty ended"]),
        (0, []),
    ]


def test_json_does_not_change_the_exit_status(everywhere: Organisation) -> None:
    """With and without `--json`, it is 0 on duty, 1 once the duty has ended, and 2 if unknown."""
    double = everywhere.doubles["opsgenie"]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    everywhere.approve(ANA)
    for hours, fault, status in ((0, None, 0), (3, None, 1), (3, faults.Status(500), 2)):
        everywhere.now = NOW + hours * HOUR
        if fault:
            double.fail("/", fault)
        assert [everywhere.watch(*form).status for form in ((), ("--json",))] == [status] * 2


def test_fields_of_the_report(organisation: Organisation, provider: str) -> None:
    """The report has the person, access, times, rule and duty, and when it ended."""
    organisation.doubles[provider].put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    record = organisation.approve(ANA)
    organisation.now = NOW + 3 * HOUR
    (approval,) = organisation.watch("--json").json["approvals"]
    name = BY_ID[provider].name
    assert approval == {
        "status": "duty ended",
        "who": ANA,
        "resources": [DATABASE],
        "access": DATABASE,
        "since": "2026-03-04T12:00:00.000Z",
        "until": "2026-03-04T18:00:00.000Z",
        "rules": ["on call"],
        "ended": [
            {
                "provider": name,
                "kind": "on_call",
                "name": "Payments",
                "incident": "",
                "ended_at": "2026-03-04T14:00:00.000Z",
            }
        ],
        "why": "",
        "caller": "",
        "caller_request": "",
        "petitions": [],
        "decision_id": "",
    }
    assert record["evidence"][0]["lasts"] == "until the shift ends"
    answer = organisation.watch()
    assert (answer.status, answer.err) == (1, "")
    words = f"on call for Payments ({name}) until 14:00 UTC"
    assert answer.lines[0].split("  ")[0] == "duty ended"
    assert answer.lines[2] == f"{ANA}  {DATABASE}  12:00 UTC to 18:00 UTC  {words}"
    assert answer.lines[-2:] == [
        "1 approval with running access: 1 duty ended, 0 unknown, 0 on duty",
        f"policy: {organisation.policy}",
    ]


def test_a_shift_that_is_taken_over(organisation: Organisation, provider: str) -> None:
    """If another person takes over, the duty ended early."""
    double = organisation.doubles[provider]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 4 * HOUR)
    organisation.approve(ANA)
    double.take_off_shift("Payments", ANA)
    double.put_on_shift("Payments", BO, NOW, NOW + 4 * HOUR)
    organisation.now = NOW + HOUR
    answer = organisation.watch("--json")
    (approval,) = answer.json["approvals"]
    assert (answer.status, approval["status"]) == (1, "duty ended")
    assert approval["ended"][0]["ended_at"] is None
    assert "until 16:00 UTC, and ended early" in organisation.watch().out


def test_a_later_shift(organisation: Organisation, provider: str) -> None:
    """A person who is on call again is on duty."""
    double = organisation.doubles[provider]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    double.put_on_shift("Payments", ANA, NOW + 2 * HOUR, NOW + 3 * HOUR)
    organisation.approve(ANA)
    seen = []
    for hours in (0.5, 1.5, 2.5, 3.5):
        organisation.now = NOW + hours * HOUR
        seen.append(organisation.statuses()[0])
    assert seen == [0, 1, 0, 1]


def test_two_schedules_with_one_name(organisation: Organisation, provider: str) -> None:
    """A duty is matched by its schedule's id, not by its name."""
    double = organisation.doubles[provider]
    shift = {"start": NOW - HOUR, "end": NOW + 5 * HOUR}
    double.put_on_shift("Payments", ANA, **shift)
    organisation.approve(ANA)
    other = double.add_schedule("Payments")
    assert organisation.statuses() == (0, ["on duty"])
    double.take_off_shift(double.schedules[0], ANA)
    double.put_on_shift(other, ANA, **shift)
    assert organisation.statuses() == (1, ["duty ended"])


@pytest.mark.parametrize("provider", ["incidentio", "opsgenie", "jsm"], indirect=True)
def test_people_without_an_email(organisation: Organisation, provider: str) -> None:
    """If somebody on the schedule shows no e-mail, the status is unknown."""
    double = organisation.doubles[provider]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    organisation.approve(ANA)
    organisation.now = NOW + 3 * HOUR
    if provider == "jsm":  # JSM's account id proves who it is
        double.change_person(ANA, hidden=True)
    assert organisation.statuses() == (1, ["duty ended"])
    nobody = ANA if provider == "jsm" else double.add_person("Ana Lima", None)
    double.put_on_shift("Payments", nobody, NOW + 2 * HOUR, NOW + 9 * HOUR)
    answer = organisation.watch("--json")
    (approval,) = answer.json["approvals"]
    assert (answer.status, approval["status"]) == (2, "unknown")
    name = BY_ID[provider].name
    assert approval["why"] == f"somebody on duty for Payments shows no e-mail at {name}"
    other = double.add_schedule("Search")
    double.take_off_shift("Payments", nobody)
    double.put_on_shift(other, nobody, NOW + 2 * HOUR, NOW + 9 * HOUR)
    assert organisation.statuses() == (1, ["duty ended"])


def test_a_user_who_is_deleted(organisation: Organisation) -> None:
    """A user whom PagerDuty has deleted has no duty, even if still on the schedule."""
    with ExitStack() as servers:
        organisation.open(servers, "pagerduty")
        double = organisation.doubles["pagerduty"]
        double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 9 * HOUR)
        organisation.approve(ANA)
        double.delete_person(ANA)
        assert organisation.statuses() == (1, ["duty ended"])


FAULTS: list[Fault] = [
    *(faults.Status(status) for status in (400, 401, 403, 500, 503)),
    faults.Status(500, b""),
    faults.Garbage(),
    faults.Garbage(b"[]"),
    faults.Garbage(b"{}"),
    faults.HangUp(),
    faults.HangUp("body"),
    faults.Redirect("http://127.0.0.1:9/"),
]


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=lambda number: repr(FAULTS[number]))
def test_a_provider_that_fails(number: int, organisation: Organisation, provider: str) -> None:
    """If the provider fails, the status is unknown, whether or not the shift has ended."""
    fault = FAULTS[number]
    # Each fault and each provider comes with both.
    hours = 1 if (number + PROVIDERS.index(provider)) % 2 else 3
    double = organisation.doubles[provider]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    organisation.approve(ANA)
    organisation.now = NOW + hours * HOUR
    double.fail("/", fault)
    answer = organisation.watch("--json")
    (approval,) = answer.json["approvals"]
    assert (answer.status, approval["status"]) == (2, "unknown")
    assert approval["why"].startswith(f"no answer from {BY_ID[provider].name} ")
    assert "@" not in approval["why"]
    double.clear_faults()
    assert organisation.statuses()[0] == (1 if hours == 3 else 0)


def test_a_provider_that_hangs(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a provider hangs, it isn't asked about the next person."""
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.3)
    with ExitStack() as servers:
        organisation.open(servers, "pagerduty")
        double = organisation.doubles["pagerduty"]
        for who in (ANA, BO):
            double.put_on_shift("Payments", who, NOW - HOUR, NOW + 2 * HOUR)
            organisation.approve(who)
        double.calls.clear()
        double.fail("/", faults.Hang())
        answer = organisation.watch("--json")
        approvals = answer.json["approvals"]
        assert (answer.status, len(approvals)) == (2, 2)
        assert {one["status"] for one in approvals} == {"unknown"}
        assert all(one["why"].startswith("no answer from PagerDuty ") for one in approvals)
        asked = {email for call in double.calls for email in call.query.get("query", ())}
        assert asked <= {ANA}


# -- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 11, 1, 1, 30, fold=1, tzinfo=ZoneInfo("America/New_York")),
        datetime(2026, 7, 1, 0, tzinfo=ZoneInfo("Asia/Kathmandu")),
    ],
    ids=str,
)
def test_ends_in_time_zones_and_over_a_change_of_clocks(
    end: datetime, organisation: Organisation, provider: str
) -> None:
    """Shifts end at the right moment in any time zone, even as clocks change."""
    at = end.astimezone(UTC)
    double = organisation.doubles[provider]
    organisation.now = at - 2 * HOUR
    double.put_on_shift("Payments", ANA, (at - 3 * HOUR).astimezone(end.tzinfo), end)
    record = organisation.approve(ANA)
    assert (
        f"until {at:%H:%M} UTC" in record["reason"]
        or f"until {at:%Y-%m-%d %H:%M} UTC" in (record["reason"])
    )
    seen = []
    for moment in (at - MINUTE, at, at + 2 * HOUR):
        organisation.now = moment
        seen.append(organisation.statuses()[0])
    assert seen == [0, 1, 1]


# -- incidents, several people, several providers ------------------------------------------------


def test_an_incident_that_is_closed(everywhere: Organisation) -> None:
    """An incident role lasts while the incident is live and the person holds it."""
    double = everywhere.doubles["incidentio"]
    first = double.declare_incident("Checkout answers 500", by=BO, lead=ANA)
    assert everywhere.approve(ANA)["reason"] == (
        'Rule "leads": Incident Lead of INC-1 (incident.io) for as long as the incident is live'
    )
    assert everywhere.statuses() == (0, ["on duty"])
    double.assign_role(first, double.lead, None)
    assert everywhere.statuses() == (1, ["duty ended"])
    double.assign_role(first, double.lead, ANA)
    assert everywhere.statuses() == (0, ["on duty"])
    double.close_incident(first)
    assert everywhere.statuses() == (1, ["duty ended"])
    (approval,) = everywhere.watch("--json").json["approvals"]
    (duty,) = approval["ended"]
    assert (duty["name"], duty["incident"], duty["ended_at"]) == ("Incident Lead", "INC-1", None)
    # Leading another live incident is a duty as well.
    double.declare_incident("Again", by=BO, lead=ANA)
    assert everywhere.statuses() == (0, ["on duty"])


def test_another_address(everywhere: Organisation) -> None:
    """A duty under an alias counts, though the log doesn't name the alias."""
    everywhere.doubles["opsgenie"].put_on_shift("Payments", BO, NOW - HOUR, NOW + 2 * HOUR)
    record = everywhere.approve(CY)
    assert record["evidence"][0]["alias"] is True
    assert BO.lower() not in json.dumps(record)
    assert everywhere.statuses() == (0, ["on duty"])
    everywhere.now = NOW + 2 * HOUR
    assert everywhere.statuses() == (1, ["duty ended"])


def test_a_provider_without_a_key(everywhere: Organisation) -> None:
    """A duty at a provider without a key is unknown; the others are checked."""
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA, NOW - HOUR, NOW + 9 * HOUR)
    everywhere.doubles["incidentio"].put_on_shift("Payments", BO, NOW - HOUR, NOW + 9 * HOUR)
    for who in (ANA, BO):
        everywhere.approve(who)
    everywhere.unset("PAGERDUTY_KEY")
    answer = everywhere.watch("--json")
    assert answer.status == 2
    assert [(one["who"], one["status"], one["why"]) for one in answer.json["approvals"]] == [
        (ANA, "unknown", "PagerDuty was not asked, since its key is not set here"),
        (BO.lower(), "on duty", ""),
    ]


def test_all_statuses_at_once(everywhere: Organisation) -> None:
    """Ended and unknown duties have a table each; an ended duty decides the status."""
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    everywhere.doubles["opsgenie"].put_on_shift("Payments", BO, NOW - HOUR, NOW + 9 * HOUR)
    incidentio = everywhere.doubles["incidentio"]
    incidentio.add_person("Di Ode", DI)
    incidentio.put_on_shift("Payments", DI, NOW - HOUR, NOW + HOUR)
    for who in (ANA, BO, DI):
        everywhere.approve(who)
    everywhere.now = NOW + 2 * HOUR
    hidden = incidentio.add_person("Somebody", None)
    incidentio.put_on_shift("Payments", hidden, NOW, NOW + 9 * HOUR)
    answer = everywhere.watch()
    assert answer.status == 1
    assert answer.lines == [
        "duty ended        access                 running                 was",
        f"----------------  ---------------------  ----------------------  {'-' * 48}",
        (
            f"{ANA}  {DATABASE}  12:00 UTC to 18:00 UTC  "
            "on call for Payments (PagerDuty) until 13:00 UTC"
        ),
        "",
        "unknown          access                 running                 why",
        f"---------------  ---------------------  ----------------------  {'-' * 60}",
        (
            f"{DI}  {DATABASE}  12:00 UTC to 18:00 UTC  "
            "somebody on duty for Payments shows no e-mail at incident.io"
        ),
        "",
        "3 approvals with running access: 1 duty ended, 1 unknown, 1 on duty",
        f"policy: {everywhere.policy}",
    ]
    assert everywhere.watch("--json").json["counts"] == {
        "duty ended": 1,
        "unknown": 1,
        "on duty": 1,
    }


def test_the_table_fits_a_terminal(
    everywhere: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long cells wrap, so the table fits 80 columns."""
    incidentio = everywhere.doubles["incidentio"]
    incidentio.declare_incident("Checkout answers 500", by=BO, lead=ANA)
    everywhere.doubles["pagerduty"].put_on_shift("Payments", CY, NOW - HOUR, NOW + HOUR)
    for who in (ANA, CY):
        everywhere.approve(who)
    everywhere.now = NOW + 5 * HOUR
    incidentio.close_incident("INC-1")
    monkeypatch.setattr("cli.console.columns_of", lambda _stream: 80)
    table = everywhere.watch().lines[:-2]
    assert len(table) > 10
    assert max(map(len, table)) <= 80


# -- the log -------------------------------------------------------------------------------------


def test_no_access_is_running(everywhere: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """If all access has ended, no provider is asked."""
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA)
    everywhere.approve(ANA)
    everywhere.now = NOW + 7 * HOUR
    monkeypatch.delattr("cli.watch.query_duties")
    answer = everywhere.watch()
    assert answer.status == 0
    assert answer.lines[0] == (
        "0 approvals with running access: 0 duty ended, 0 unknown, 0 on duty"
    )


def test_only_needed_duties_are_read(everywhere: Organisation) -> None:
    """Only the duties of people with running access are read."""
    double = everywhere.doubles["pagerduty"]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 9 * HOUR)
    everywhere.approve(ANA)
    double.calls.clear()
    assert everywhere.watch().status == 0
    assert {email for call in double.calls for email in call.query.get("query", ())} >= {ANA}
    assert len(double.calls) <= 4


def test_an_unreadable_line(everywhere: Organisation) -> None:
    """An unreadable line may be an approval, so the status is 2."""
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    record = everywhere.approve(ANA)
    cut = json.dumps({"timestamp": "2026-03-04T12:00:00Z", **record})[:-40]
    answer = everywhere.watch(lines=(cut,))
    assert answer.status == 2
    assert answer.lines[-2].startswith("1 line could not be read")
    assert everywhere.watch("--json", lines=(cut,)).json["unreadable"] == 1
    everywhere.now = NOW + 3 * HOUR
    assert everywhere.watch(lines=(cut,)).status == 1


def test_dry_runs_are_ignored(everywhere: Organisation) -> None:
    """Dry runs and requests left to humans are ignored."""
    (line,) = log_records(request_by(ANA))
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA)
    record = everywhere.approve(ANA)
    everywhere.records.clear()
    dry = json.dumps({**record, "dry_run": True})
    assert everywhere.statuses(dry, json.dumps(line)) == (0, [])


def test_since(everywhere: Organisation) -> None:
    """With --since, older approvals are ignored."""
    everywhere.doubles["pagerduty"].put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    everywhere.approve(ANA)
    everywhere.now = NOW + 3 * HOUR
    assert everywhere.watch("--since", "4h").status == 1
    assert everywhere.watch("--since", "2h").status == 0


def test_the_log_group_of_a_stack(tmp_path: Path, aws: Any) -> None:  # noqa: ANN401 - boto3's client
    """With --stack, the policy is the stack's, and the log group one of its outputs."""
    aws.create_log_group(logGroupName="/aws/lambda/f")
    aws.create_log_stream(logGroupName="/aws/lambda/f", logStreamName="s")
    now = SYSTEM_CLOCK.now()
    with ExitStack() as servers:
        double = servers.enter_context(make_double("pagerduty", SYSTEM_CLOCK.now))
        fill(double)
        shift = Duty("PagerDuty", ON_CALL, PAYMENTS, "Payments", ANA)
        (record,) = log_records(
            request_by(ANA),
            duties=(shift,),
            policy=policy_from_settings(6 * HOUR, schedules=("Payments",)),
        )
        moment = (now - HOUR).isoformat()
        asked = [{"provider": "PagerDuty", "failures": []}]
        trace = {**record["trace"], "providers": asked}
        line = {**record, "decided_at": moment, "trace": trace}
        message = {"timestamp": int(now.timestamp() * 1000), "message": json.dumps(line)}
        aws.put_log_events(logGroupName="/aws/lambda/f", logStreamName="s", logEvents=[message])
        (tmp_path / "project").mkdir()
        stack = Stack(tmp_path / "project", {"log_group": "/aws/lambda/f"})
        project_in(stack.folder, region=REGION, AUTO_APPROVAL_SCHEDULES="Payments")
        stack.environment |= settings_of("pagerduty", double.url)
        answer = stack.run("watch", "--stack", "dev", "--json")
        assert answer.status == 1
        assert [one["status"] for one in answer.json["approvals"]] == ["duty ended"]
        assert answer.json["policy"] == "Pulumi.dev.yaml"
        double.put_on_shift("Payments", ANA)
        assert stack.run("watch", "--stack", "dev").status == 0
        assert stack.run("watch", "--log-group", "/aws/lambda/f", "--stack", "dev").status == 0


@pytest.mark.parametrize(
    "more", [(), ("log", "--log-group", "g"), ("log", "--log-group", "g", "--stack", "dev")]
)
def test_one_log(more: tuple[str, ...], organisation: Organisation, oncall: Command) -> None:
    """Exactly one log must be given."""
    del organisation
    answer = oncall("watch", *more)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "oncall: give FILE or --log-group NAME (not both), or --stack NAME\n"


def test_a_policy_that_accepts_more(everywhere: Organisation, oncall: Command) -> None:
    """Without one, any duty is enough, so it matters that it isn't the one of the log."""
    double = everywhere.doubles["incidentio"]
    double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    everywhere.approve(ANA)
    double.put_on_shift(double.add_schedule("Search"), ANA, NOW, NOW + 9 * HOUR)
    everywhere.now = NOW + 2 * HOUR
    answer = everywhere.watch("--json")
    assert (answer.status, answer.json["notes"]) == (1, [])
    oncall.environment = everywhere.environment
    oncall.clock = oncall.clock._replace(now=lambda: everywhere.now)
    answer = oncall("watch", everywhere.log())
    assert answer.status == 0
    assert answer.lines[-2:] == [
        "policy: environment variables",
        (
            "note: 1 approval was decided with another policy than this one; if it isn't the "
            "deployed one, give --stack NAME or --policy FILE"
        ),
    ]


def test_no_key_at_all(organisation: Organisation) -> None:
    """Without any key the command can't run."""
    answer = organisation.watch(lines=("{}",))
    assert (answer.status, answer.out) == (2, "")
