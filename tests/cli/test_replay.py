"""`oncall replay`: it decides the requests in a function's log again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from handler.rules.model import policy_from_settings
from tests.auditlog.records import POLICY, SHIFT, log_records, request_by
from tests.cli.conftest import JANE, NOW, OMAR, Command

STRICT = """
rules:
  - name: Nobody, at first
    resources: any
    when: {on_call: {schedules: [DBA]}}
    duration: 1h
    dry_run: true
"""
NOISE = (
    "START RequestId: 8f2 Version: $LATEST",
    '{"timestamp": "2026-03-04T11:00:00.000Z", "level": "WARN", "message": "refused", "why": "x"}',
    '{"time": "2026-03-04", "type": "platform.report", "record": {}}',
    "{not json",
    "[" * 20_000 + "{" * 20_000,
    "",
)


def lines(*records: dict[str, object]) -> str:
    """A log of these records among other lines."""
    return "\n".join([*NOISE, *(json.dumps(record) for record in records), *NOISE])


@pytest.fixture
def dba(oncall: Command) -> Command:
    """The command with the settings of the recorded decisions, and without any key."""
    oncall.environment = {"AUTO_APPROVAL_SCHEDULES": "DBA", "AUTO_APPROVAL_DURATION": "6"}
    return oncall


def test_equal_decisions(dba: Command) -> None:
    """If all decisions come out the same, the status is 0."""
    file = dba.write("log", lines(*log_records(request_by(), request_by(OMAR))))
    answer = dba("replay", file)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines == ["2 decisions: 2 the same, 0 different; policy: environment variables"]


def test_different_decisions(dba: Command) -> None:
    """A different decision is shown before and after, and the status is 1."""
    policy = dba.write("strict.yaml", STRICT)
    answer = dba(
        "replay", "-", "--policy", policy, stdin=lines(*log_records(request_by(), request_by(OMAR)))
    )
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines == [
        "2026-03-04T12:00:00Z  jane@example.com for db:prod",
        "  was  approved for 6 hours: on call for DBA (incident.io) until 14:00 UTC",
        "  now  left to humans: only rules in dry run would approve it",
        f"2 decisions: 1 the same, 1 different; policy: {policy}",
    ]


def test_json(dba: Command) -> None:
    """JSON has each difference, and each record that lacks what a decision needs."""
    records = [
        *log_records(request_by()),
        *log_records(request_by(OMAR, {"petition": "p" * 300}), call="c-2"),
    ]
    policy = dba.write("strict.yaml", STRICT)
    answer = dba("replay", "-", "--policy", policy, "--json", stdin=lines(*records))
    assert answer.status == 1
    data = answer.json
    assert data.keys() == {"policy", "same", "different", "undecided", "unreadable", "gaps"}
    (different,), (undecided,) = data["different"], data["undecided"]
    named = {
        "call": "c-1",
        "number": 0,
        "decided_at": "2026-03-04T12:00:00Z",
        "requester": JANE,
        "resources": ["db:prod"],
        "policy": POLICY.fingerprint,
    }
    assert different == {
        **named,
        "differs": ["outcome", "rules", "duration", "evidence"],
        "was": {
            "outcome": "approve",
            "reason": "Approved: on call for DBA (incident.io) until 14:00 UTC",
            "rules": [""],
            "duration": "6h0m0s",
        },
        "now": {
            "outcome": "abstain",
            "reason": "only rules in dry run would approve it",
            "rules": [],
            "duration": None,
        },
    }
    assert undecided.keys() == {*named, "problem"}
    assert undecided["requester"] == OMAR


def test_incomplete_records_are_counted(dba: Command) -> None:
    """Incomplete records are counted, and the status is 1."""
    long = request_by(OMAR, {"petition": "p" * 300})
    records = [
        *log_records(long),
        *log_records(long, call="c-2"),
        *log_records(request_by(), call="c-3"),
    ]
    answer = dba("replay", "-", stdin=lines(*records))
    assert answer.status == 1
    assert answer.lines[-1].startswith("2 undecided: the log line was shortened")
    assert ", 2 undecided; policy: " in answer.lines[-2]


def test_unreadable_lines_are_counted(dba: Command) -> None:
    """Unreadable lines are counted, and the status is 1."""
    odd: dict[str, object] = {"level": "INFO", "message": "decision", "trace": ["old"]}
    answer = dba("replay", "-", stdin=lines(*log_records(request_by()), odd))
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines == [
        "1 decision: 1 the same, 0 different; policy: environment variables",
        "1 line could not be read: cut off, damaged, or in an older form",
    ]
    none = dba("replay", "-", stdin=json.dumps(odd))
    message = "1 line could not be read: cut off, damaged, or in an older form"
    assert none == (2, "", f"oncall: stdin has no decisions; {message}\n")


NONE_OF_OURS = (
    "log has no line of the function's log; "
    "get them with `aws logs tail LOG_GROUP --since 7d > week.log`"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nothing of ours\n", NONE_OF_OURS),
        ("\n".join(NOISE), "log has no decisions"),
        ("", NONE_OF_OURS),
    ],
)
def test_a_file_without_decisions(dba: Command, text: str, problem: str) -> None:
    """A log without decisions is an error, with status 2."""
    dba.write("log", text)
    assert dba("replay", "log") == (2, "", f"oncall: {problem}\n")


def test_files_that_cannot_be_read(dba: Command) -> None:
    """The error names the file and the reason."""
    (dba.folder / "binary").write_bytes(b"\x80{")
    assert dba("replay", "missing").err == (
        "oncall: missing cannot be read: No such file or directory\n"
    )
    assert dba("replay", "binary").err == "oncall: binary cannot be read: it isn't text in UTF-8\n"
    assert dba("replay", ".").err == "oncall: . cannot be read: Is a directory\n"


def test_the_stacks_policy(dba: Command) -> None:
    """With --stack, the stack's settings decide, not the environment's."""
    dba.write("Pulumi.yaml", "name: p\nconfig: {AUTO_APPROVAL_DURATION: {default: '6'}}\n")
    dba.write("Pulumi.prod.yaml", "config: {'p:AUTO_APPROVAL_DURATION': 30m}\n")
    records = log_records(request_by(), policy=policy_from_settings(timedelta(hours=6)))
    answer = dba("replay", "-", "--stack", "prod", "--json", stdin=lines(*records))
    (different,) = answer.json["different"]
    assert different["now"]["duration"] == "30m0s"
    assert SHIFT.end == NOW + timedelta(hours=2)
