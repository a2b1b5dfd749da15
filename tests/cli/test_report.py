"""`oncall report`: it counts the decisions of a period, without naming anybody."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handler.app import SYSTEM_CLOCK
from handler.rules.conditions import OnCall
from handler.rules.model import Policy, Rule, Selector
from tests.auditlog.records import HOUR, POLICY, log_records, request_by
from tests.cli.conftest import JANE, NOW, OMAR, REGION, Command
from tests.cli.stacks import Stack
from tests.support.projects import project_in

RULE = Policy((Rule("DBAs", Selector(), OnCall(("DBA",)), HOUR),))
REFUSED = {"level": "WARN", "message": "refused", "http": 401, "why": "the signature is wrong"}
FAILED = {"level": "ERROR", "message": "failed", "http": 503, "why": "the secret cannot be read"}
NOTICE_FAILED = {
    "level": "ERROR",
    "message": "notice failed",
    "call": "c-4",
    "decision_id": "c-4-0",
    "to": "NOTIFY_URL (n8n.example.com)",
    "why": "answered 500",
}


def stamped(records: list[dict[str, Any]], timestamp: str) -> list[dict[str, Any]]:
    """Return the records with this log time."""
    return [{"timestamp": timestamp, **record} for record in records]


RECORDS = [
    *stamped(log_records(request_by(), request_by(OMAR)), "2026-03-01T08:00:00.000Z"),
    *stamped(log_records(request_by(), policy=RULE, call="c-2"), "2026-03-04T09:00:00.000Z"),
    *stamped(
        [{**log_records(request_by(), call="c-3")[0], "dry_run": True}], "2026-03-04T10:00:00.000Z"
    ),
    *stamped(
        [
            {
                **record,
                "provider_failures": ["incident.io schedules: answered 500"],
                "without_email": {"jsm": {"people": 2, "of": 3}},
            }
            for record in log_records(request_by(OMAR), call="c-4")
        ],
        "2026-03-04T11:00:00.000Z",
    ),
    *stamped([REFUSED, NOTICE_FAILED, REFUSED, FAILED], "2026-03-04T11:30:00.000Z"),
]
LOG = "\n".join(map(json.dumps, RECORDS))


def test_a_report(oncall: Command) -> None:
    """It counts outcomes, rules, providers, failures and refused calls."""
    oncall.environment = {}
    answer = oncall("report", "-", stdin=LOG)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines == [
        "5 decisions, 2026-03-01T08:00:00.000Z to 2026-03-04T11:00:00.000Z",
        "",
        "decisions             times",
        "--------------------  -----",
        "approved              2",
        "left to humans        2",
        "approved, in dry run  1",
        "",
        "approved by rule  times",
        "----------------  -----",
        "default rule      2",
        "DBAs              1",
        "",
        "approved by a duty at  times",
        "---------------------  -----",
        "incident.io            3",
        "",
        "no answer from                       times",
        "-----------------------------------  -----",
        "incident.io schedules: answered 500  1",
        "",
        "someone on duty without an e-mail at  times",
        "------------------------------------  -----",
        "JSM Operations                        1",
        "",
        "calls refused           times",
        "----------------------  -----",
        "the signature is wrong  2",
        "",
        "calls failed               times",
        "-------------------------  -----",
        "the secret cannot be read  1",
        "",
        "notices failed                              times",
        "------------------------------------------  -----",
        "NOTIFY_URL (n8n.example.com): answered 500  1",
        "",
        "decided with policy  times",
        "-------------------  -----",
        f"{POLICY.fingerprint}     4",
        f"{RULE.fingerprint}     1",
    ]


def test_json_names_nobody(oncall: Command) -> None:
    """JSON has the counts, and no person."""
    answer = oncall("report", "-", "--json", stdin=LOG)
    data = answer.json
    assert data["decisions"] == 5
    assert data["outcomes"] == {"approved": 2, "left to humans": 2, "approved, in dry run": 1}
    assert data["notice failed"] == {"NOTIFY_URL (n8n.example.com): answered 500": 1}
    assert (data["from"], data["to"]) == ("2026-03-01T08:00:00.000Z", "2026-03-04T11:00:00.000Z")
    for name in (JANE, OMAR):
        assert name not in answer.out


def test_since(oncall: Command) -> None:
    """With --since, only newer records of a file count."""
    file = oncall.write("log", LOG)
    assert oncall("report", file, "--since", "1d", "--json").json["decisions"] == 3
    assert oncall("report", file, "--since", "90m", "--json").json["decisions"] == 1
    assert oncall("report", file, "--since", "30m").lines[0] == "no decisions"


def test_since_without_log_times(oncall: Command) -> None:
    """Without a log time, a decision's own time counts; other records always count."""
    lines = [*log_records(request_by()), REFUSED]
    file = oncall.write("log", "\n".join(map(json.dumps, lines)))
    data = oncall("report", file, "--since", "30m", "--json").json
    assert (data["decisions"], data["refused"]) == (1, {"the signature is wrong": 1})
    oncall.clock = oncall.clock._replace(now=lambda: NOW + timedelta(hours=1))
    data = oncall("report", file, "--since", "30m", "--json").json
    assert (data["decisions"], data["refused"]) == (0, {"the signature is wrong": 1})


def test_unreadable_lines_are_counted(oncall: Command) -> None:
    """Unreadable lines are counted, the status is 1, and the rest is reported."""
    odd = [json.dumps({**RECORDS[0], name: 7}) for name in ("message", "rules")]
    file = oncall.folder / "log"
    broken = LOG.splitlines()[0].replace("DBA", "\udcff")
    file.write_bytes("\n".join([LOG, *odd, broken, "\udcfe"]).encode(errors="surrogateescape"))
    whole = oncall("report", "-", stdin=LOG)
    answer = oncall("report", file)
    assert (answer.status, answer.err) == (1, "")
    message = "3 lines could not be read: cut off, damaged, or in an older form"
    assert answer.lines == [*whole.lines, "", message]
    counted = oncall("report", file, "--json")
    assert (counted.status, counted.json["unreadable"]) == (1, 3)
    assert counted.json["decisions"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of FILE, --stack NAME or --log-group NAME"),
        (["a", "--stack", "b"], "give one of FILE, --stack NAME or --log-group NAME"),
        (["a", "--log-group", "b"], "give one of FILE, --stack NAME or --log-group NAME"),
        (["-", "--since", "9999d"], "--since goes back too far"),
        (["--log-group", "a b"], "--log-group is 'a b': it isn't a valid name of a log group"),
        (["a\0b"], "a\\x00b cannot be read: it isn't the name of a file"),
    ],
)
def test_wrong_arguments(oncall: Command, arguments: list[str], message: str) -> None:
    """The error says what to give instead."""
    oncall.clock = oncall.clock._replace(now=lambda: NOW.replace(year=2))
    assert oncall("report", *arguments, stdin=LOG) == (2, "", f"oncall: {message}\n")


def test_wrong_periods(oncall: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A period without a unit is an error."""
    with pytest.raises(SystemExit):
        oncall("report", "-", "--since", "7")
    assert (
        "'7' isn't a duration: a number needs a unit, for example 7m or 7h"
        in capsys.readouterr().err
    )


def test_a_log_group(oncall: Command, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - boto3's client
    """All pages of CloudWatch's answer are read, for the period only."""
    from moto.logs.models import LogsBackend  # noqa: PLC0415 - slow to load, and only needed here

    filter_events = LogsBackend.filter_log_events

    def in_pages_of_three(backend: LogsBackend, *query: Any) -> Any:  # noqa: ANN401 - moto's
        group, streams, start, end, limit, *rest = query
        assert limit is None  # which Moto treats as 10,000
        return filter_events(backend, group, streams, start, end, 3, *rest)

    monkeypatch.setattr(LogsBackend, "filter_log_events", in_pages_of_three)
    aws.create_log_group(logGroupName="/aws/lambda/f")
    aws.create_log_stream(logGroupName="/aws/lambda/f", logStreamName="s")
    # The machine's clock, since AWS refuses old and future events.
    oncall.clock = SYSTEM_CLOCK
    base = int(SYSTEM_CLOCK.now().timestamp() * 1000)
    (record,) = log_records(request_by(OMAR), queries={})
    # Three pages, and an event before the period.
    ages = [timedelta(days=8), *[timedelta(hours=1)] * 7]
    events = [
        {
            "timestamp": base - int(age.total_seconds() * 1000),
            "message": json.dumps({**record, "call": f"c-{number}"}),
        }
        for number, age in enumerate(ages)
    ]
    aws.put_log_events(logGroupName="/aws/lambda/f", logStreamName="s", logEvents=events)
    report = oncall("report", "--log-group", "/aws/lambda/f", "--json").json
    assert report["decisions"] == 7
    longer = oncall("report", "--log-group", "/aws/lambda/f", "--since", "9d", "--json").json
    assert longer["decisions"] == 8
    missing = oncall("report", "--log-group", "missing")
    assert missing == (
        2,
        "",
        "oncall: the log group missing cannot be read: AWS answers ResourceNotFoundException\n",
    )


def test_the_log_group_of_a_stack(tmp_path: Path, aws: Any) -> None:  # noqa: ANN401 - boto3's client
    """Pulumi's outputs name the log group, the stack file its region; no secret is read."""
    aws.create_log_group(logGroupName="/aws/lambda/f")
    aws.create_log_stream(logGroupName="/aws/lambda/f", logStreamName="s")
    event = {
        "timestamp": int(SYSTEM_CLOCK.now().timestamp() * 1000),
        "message": json.dumps(log_records(request_by(OMAR))[0]),
    }
    aws.put_log_events(logGroupName="/aws/lambda/f", logStreamName="s", logEvents=[event])
    (tmp_path / "project").mkdir()
    stack = Stack(tmp_path / "project", {"log_group": "/aws/lambda/f"})
    project_in(stack.folder, region=REGION)
    stack.environment["AWS_REGION"] = "us-east-1"  # not the stack's region
    answer = stack.run("report", "--stack", "dev", "--json")
    assert (answer.status, answer.json["decisions"]) == (0, 1)
    assert stack.pulumi_calls == ["stack output --json --stack dev --non-interactive --color never"]
    stack.set_answer("stack", "{}")
    message = (
        "oncall: stack dev has no log_group: it is not deployed; run `make deploy STACK=dev`\n"
    )
    assert stack.run("report", "--stack", "dev") == (2, "", message)


def test_without_a_region(oncall: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedies are AWS_REGION and `--stack`."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    message = (
        "oncall: no AWS region is set: export AWS_REGION, for example eu-west-1, "
        "or give --stack NAME instead of --log-group\n"
    )
    assert oncall("report", "--log-group", "g") == (2, "", message)


def test_without_credentials_or_aws(
    oncall: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Missing credentials and an unreachable AWS are errors without a stack trace."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    oncall.environment["AWS_REGION"] = REGION
    answer = oncall("report", "--log-group", "g")
    assert answer.status == 2
    assert answer.err.startswith("oncall: AWS credentials are missing: export AWS_")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    answer = oncall("report", "--log-group", "g")
    assert answer.status == 2
    assert answer.err.startswith("oncall: the log group g cannot be read: Could not connect")
