"""The command beside a running sandbox: it foresees the webhook's answer, and explains it later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cast import JANE, NORA, OMAR, RESOURCE, RITA
from sandbox.running import Sandbox
from sandbox.send import DEFAULT_KIND, request_event, send
from tests.ops.conftest import Command

ASKED = f"{DEFAULT_KIND}:{RESOURCE}"


@pytest.fixture
def oncall(tmp_path: Path, sandbox: Sandbox) -> Command:
    """The command as a shell that has read `.sandbox/env` runs it, by the machine's clock."""
    command = Command(tmp_path, "")
    command.environment = sandbox.variables()
    return command.by_the_machines_clock()


def claims(sandbox: Sandbox, email: str) -> list[dict[str, Any]]:
    """What the webhook answers to somebody who asks."""
    event = request_event(email, [RESOURCE])
    return send(sandbox.url, sandbox.webhook_secret, {"events": [event]}).claims


def _is_decision(record: dict[str, Any]) -> bool:
    return record.get("message") == "decision"


def test_it_foresees_and_explains(sandbox: Sandbox, oncall: Command) -> None:
    """What is explained is what the webhook then does, and its log gives the same again."""
    since = len(sandbox.log.records)
    for email in (JANE, OMAR, RITA, NORA):
        logged = len(sandbox.log.records)
        foreseen = oncall("explain", "--as", email, "--resource", ASKED, "--json")
        answered = claims(sandbox, email)
        assert foreseen.status == (0 if answered else 1)
        for each in answered:
            assert each["reason"] == foreseen.json["record"]["reason"]
        assert sandbox.log.wait_for(_is_decision, since=logged)
    log = "\n".join(map(json.dumps, sandbox.log.records[since:]))
    replayed = oncall("replay", "-", "--json", stdin=log)
    assert (replayed.status, replayed.json["same"]) == (0, 4)
    report = oncall("report", "-", "--json", stdin=log)
    assert report.json["outcomes"] == {"approved": 2, "left to humans": 2}


def test_who_and_preflight(sandbox: Sandbox, oncall: Command) -> None:
    """The cast's people on duty are found, and the sandbox's keys are right."""
    assert {JANE, OMAR} <= {each["who"] for each in oncall("who", ASKED, "--json").json["approved"]}
    answer = oncall("preflight", "--json")
    assert answer.status == 0, answer.out
    for secret in sandbox.settings.providers.values():
        for key, value in secret.items():
            assert key.endswith(("_BASE_URL", "_SITE", "_EMAIL")) or value not in answer.out
