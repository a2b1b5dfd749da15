"""`oncall check --notify`: it sends a test notice, and reports whether receivers accept it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from cli import check_notices
from handler.settings import NOTIFY_KEYS
from sandbox.receivers import SLACK, WEBHOOK
from sandbox.stack import Sandbox
from tests.cli.conftest import Command
from tests.cli.stacks import Stack
from tests.handler.scripted import Answer, Scripted, reply, write_and_hang

SLACK_URL = "https://hooks.slack.com/services/T0/B0/h1dd3n"
KEY = f"whsec_{'A' * 32}"
OLDER = f"whsec_{'B' * 32}"
CHECK = ("check", "--caller", "conductorone", "--notify")


@pytest.fixture
def beside(oncall: Command, sandbox: Sandbox) -> Command:
    """The command in a shell that has run `. .sandbox/env`."""
    oncall.environment = dict(sandbox.variables())
    return oncall.by_the_machines_clock()


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A receiver that accepts everything."""
    with Scripted(reply(b"ok")) as server:
        yield server


def test_both_arrive(beside: Command, sandbox: Sandbox) -> None:
    """Both receivers of the sandbox accept the test notice, which names nobody."""
    answer = beside(*CHECK)
    assert (answer.status, answer.err) == (0, "")
    begin = answer.lines.index("Notices:")
    assert answer.lines[begin + 1 :] == [
        "ok       NOTIFY_URL: 127.0.0.1 accepted a test notice",
        "ok       NOTIFY_SLACK_URL: 127.0.0.1 accepted a test notice",
    ]
    notices = list(sandbox.receivers.notices)[-2:]
    assert [notice.receiver for notice in notices] == [WEBHOOK, SLACK]
    assert {notice.text for notice in notices} == {
        "This is a test of on-call approvals. Nobody was approved."
    }
    data = beside(*CHECK, "--json").json
    assert data["ok"]
    assert [step["call"] for step in data["notices"]] == ["NOTIFY_URL", "NOTIFY_SLACK_URL"]
    assert beside(*CHECK[:-1], "--json").json["notices"] == []


def test_the_settings_of_a_stack(tmp_path: Path, sandbox: Sandbox, server: Scripted) -> None:
    """Addresses come from the Pulumi CLI; no secret is printed or passed as an argument."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    url = f"{server.url}/h1dd3n"
    stack = Stack(tmp_path, outputs, url, callers=["NOTIFY_SLACK_URL"])
    stack.write_settings(**sandbox.tenant.settings)
    answer = stack.check("--notify")
    assert answer.status == 0
    assert answer.lines[-1] == "ok       NOTIFY_SLACK_URL: 127.0.0.1 accepted a test notice"
    assert "h1dd3n" not in answer.out
    assert len(server.requests) == 2


def test_both_secrets_sign(beside: Command, server: Scripted) -> None:
    """While the secret is rotated, both secrets sign the notice."""
    del beside.environment["NOTIFY_SLACK_URL"]
    secrets = dict(zip(NOTIFY_KEYS, (KEY, OLDER), strict=True))
    beside.environment |= {"NOTIFY_URL": server.url, **secrets}
    assert beside(*CHECK).status == 0
    (notice,) = server.requests
    for secret in secrets.values():
        assert Webhook(secret).verify(notice.body, dict(notice.headers))["type"] == "notice.test"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(status=401), "answered 401"),
        (reply(b"no_service", 404), "answered 404 (no_service)"),
        (reply(status=302, headers={"Location": "https://x.example"}), "answered 302"),
        (write_and_hang(), "no complete answer in time"),
    ],
)
def test_receivers_that_refuse(
    answer: Answer, problem: str, beside: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The problem shows the host and the reason, but not the secret path; the status is 1."""
    monkeypatch.setattr(check_notices, "SECONDS", 0.5)
    with Scripted(answer) as server:
        beside.environment["NOTIFY_SLACK_URL"] = f"{server.url}/h1dd3n"
        printed = beside(*CHECK)
        assert len(server.requests) == 1
        assert not beside(*CHECK, "--json").json["ok"]
    assert printed.status == 1
    *_, line, remedy = printed.lines
    failed = f"problem  NOTIFY_SLACK_URL: the test notice to 127.0.0.1 failed: {problem}"
    assert line == failed
    assert remedy.startswith("         remedy: run `. .sandbox/env` again")
    assert "h1dd3n" not in printed.out


def test_a_slow_receiver(beside: Command, server: Scripted) -> None:
    """A note warns that the function wouldn't wait for a receiver this slow."""
    del beside.environment["NOTIFY_URL"]
    beside.environment["NOTIFY_SLACK_URL"] = server.url
    ticks = iter(range(10**6))
    beside.clock = beside.clock._replace(monotonic=lambda: 0.2 * next(ticks))
    answer = beside(*CHECK)
    assert answer.status == 0
    assert answer.lines[-1].startswith("note     NOTIFY_SLACK_URL: 127.0.0.1 accepted a test")
    assert "the function waits for 0.9 s" in answer.out


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"NOTIFY_URL": "http://n8n.example.com/h1dd3n"}, "problem  NOTIFY_URL: NOTIFY_URL isn't"),
        ({"NOTIFY_SECRET": "h1dd3n"}, "problem  NOTIFY_SECRET: NOTIFY_SECRET isn't a secret of"),
    ],
)
def test_settings_that_are_wrong(
    settings: Mapping[str, str], problem: str, beside: Command
) -> None:
    """The problem names the wrong setting without its value, and nothing is sent."""
    beside.environment |= settings
    answer = beside(*CHECK)
    assert answer.status == 1
    assert any(line.startswith(problem) for line in answer.lines)
    assert "h1dd3n" not in answer.out


def test_without_an_address(beside: Command, tmp_path: Path, sandbox: Sandbox) -> None:
    """Without an address there is nothing to test: the status is 2."""
    del beside.environment["NOTIFY_URL"], beside.environment["NOTIFY_SLACK_URL"]
    answer = beside(*CHECK)
    assert answer.status == 2
    none = "no notices are sent: neither NOTIFY_URL nor NOTIFY_SLACK_URL is set"
    assert f"{none}; run `. .sandbox/env`" in " ".join(answer.err.split())
    folder = tmp_path / "project"
    folder.mkdir()
    stack = Stack(folder, {**sandbox.deployment.outputs, "webhook_url": sandbox.url})
    command = "run `pulumi config set --secret NOTIFY_SLACK_URL --stack dev`, then deploy"
    assert f"{none}; {command}" in " ".join(stack.check("--notify").err.split())


def test_a_receiver_without_its_secret(beside: Command) -> None:
    """The error names the missing secret once."""
    del beside.environment["NOTIFY_SECRET"]
    answer = beside(*CHECK)
    assert (answer.status, json.dumps(answer.err).count("NOTIFY_SECRET is not set")) == (2, 1)
