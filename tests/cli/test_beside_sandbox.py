"""The command beside a running sandbox predicts the webhook's decisions and explains them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.webhook_client import DEFAULT_KIND, request_event, send
from handler.providers.registry import BY_NAME
from sandbox.demo_data import (
    DATABASES,
    JANE,
    JUAN,
    NORA,
    OLGA,
    OMAR,
    PAYMENTS,
    PETRA,
    RESOURCE,
    RITA,
    SCHEDULE,
    SEARCH,
    seed_all,
)
from sandbox.local_aws.program import ROOT
from sandbox.stack import Sandbox
from tests.cli.conftest import Command

# The provider of each schedule, and who is on call for it.
SCHEDULES = {
    SCHEDULE: ("incident.io", OMAR),
    DATABASES: ("PagerDuty", PETRA),
    PAYMENTS: ("Opsgenie", OLGA),
    SEARCH: ("JSM Operations", JUAN),
}
POLICY = "rules:\n" + "".join(
    f"""  - name: {provider}
    resources: any
    when: {{on_call: {{provider: {BY_NAME[provider].id}, schedules: [{name}]}}}}
    duration: 2h
    end_with_shift: true
"""
    for name, (provider, _) in SCHEDULES.items()
)
ASKED = f"{DEFAULT_KIND}:{RESOURCE}"


@pytest.fixture
def oncall(tmp_path: Path, sandbox: Sandbox) -> Command:
    """The command as a shell that has read `.sandbox/env` runs it, by the machine's clock."""
    command = Command(tmp_path, "")
    command.environment = sandbox.variables()
    return command.by_the_machines_clock()


def claims(sandbox: Sandbox, email: str) -> list[dict[str, Any]]:
    """Return the webhook's claims for a request by this person."""
    event = request_event(email, [RESOURCE])
    return send(sandbox.url, sandbox.webhook_secret, {"events": [event]}).claims


def _is_decision(record: dict[str, Any]) -> bool:
    return record.get("message") == "decision"


def test_it_predicts_and_explains(sandbox: Sandbox, oncall: Command) -> None:
    """`explain` predicts the webhook's answers, and its log replays the same."""
    since = len(sandbox.log.records)
    for email in (JANE, OMAR, RITA, NORA):
        logged = len(sandbox.log.records)
        foreseen = oncall("explain", "--as", email, "--resource", ASKED, "--json")
        answered = claims(sandbox, email)
        assert foreseen.status == (0 if answered else 1)
        for record in answered:
            assert record["reason"] == foreseen.json["record"]["reason"]
        assert sandbox.log.wait_for(_is_decision, since=logged)
    log = "\n".join(map(json.dumps, sandbox.log.records[since:]))
    replayed = oncall("replay", "-", "--json", stdin=log)
    assert (replayed.status, replayed.json["same"]) == (0, 4)
    report = oncall("report", "-", "--json", stdin=log)
    assert report.json["outcomes"] == {"approved": 2, "left to humans": 2}
    watched = oncall("watch", "-", "--json", stdin=log)
    assert (watched.status, [one["status"] for one in watched.json["approvals"]]) == (
        0,
        ["on duty", "on duty"],
    )


def test_a_duty_that_ends_while_access_is_running(sandbox: Sandbox, oncall: Command) -> None:
    """`watch` finds the ended duty from the function's log."""
    double = sandbox.double
    assert double
    nights = double.add_schedule("Nights")
    wanda = double.add_person("Wanda", "wanda@example.com")
    double.put_on_shift(nights, wanda)
    since = len(sandbox.log.records)
    assert claims(sandbox, "wanda@example.com")
    assert sandbox.log.wait_for(_is_decision, since=since)
    log = "\n".join(map(json.dumps, sandbox.log.records[since:]))
    assert oncall("watch", "-", stdin=log).status == 0
    double.take_off_shift(nights, wanda)
    answer = oncall("watch", "-", "--json", stdin=log)
    assert answer.status == 1
    (approval,) = answer.json["approvals"]
    assert (approval["who"], approval["caller"]) == ("wanda@example.com", "indent")
    assert [duty["name"] for duty in approval["ended"]] == ["Nights"]


@pytest.fixture(scope="module")
def everywhere(sandbox: Sandbox) -> None:
    """Put the demo's people on duty at every provider."""
    others = {name: double for name, double in sandbox.doubles.items() if name != "incidentio"}
    seed_all(others)


@pytest.mark.usefixtures("everywhere")
def test_every_provider(sandbox: Sandbox, oncall: Command) -> None:
    """Names are found or proposed at each provider, and `who` lists everybody on duty."""
    policy = oncall.write("policy.yaml", POLICY)
    answer = oncall("preflight", "--policy", policy)
    assert answer.status == 0, answer.out
    for name, (provider, _) in SCHEDULES.items():
        assert f'ok       rule "{provider}": schedule "{name}" exists at {provider}' in answer.lines
    for settings in sandbox.settings.providers.values():
        for key, value in settings.items():
            assert key.endswith(("_BASE_URL", "_SITE", "_EMAIL")) or value not in answer.out
    who = oncall("who", ASKED, "--policy", policy, "--json").json
    assert {person["who"]: person["rules"] for person in who["approved"]} == {
        email: [provider] for provider, email in SCHEDULES.values()
    }
    # The end of every shift is known, and later than the rule's duration.
    assert {person["duration"] for person in who["approved"]} == {"2h0m0s"}
    assert who["notes"] == []
    for name in SCHEDULES:
        policy.write_text(POLICY.replace(f"[{name}]", f"[{name.lower()}s]"), encoding="utf-8")
        answer = oncall("preflight", "--policy", policy)
        assert answer.status == 1
        assert f'did you mean "{name}"?' in answer.out


def _words(text: str) -> list[str]:
    """Split the text into words, without times, borders and line breaks."""
    text = " ".join(re.sub(r"-{3,}|[│├└─]", " ", text).split())
    text = re.sub(r"([0-9-]{10} )?[0-9]{2}:[0-9]{2} UTC", "TIME", text)
    return re.sub(r"[0-9-]{10}T[0-9:.]+Z", "INSTANT", text).split()


def _shown() -> list[tuple[str, str]]:
    """Return the commands in docs/operate.md, and the output shown for each."""
    document = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    text = document.partition("## Explain decisions\n")[2]
    block = text.partition("```console\n$ ")[2].partition("```")[0]
    return [
        (command, answer.strip())
        for command, _, answer in (part.partition("\n") for part in block.split("\n$ "))
    ]


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize(("command", "answer"), _shown(), ids=lambda text: text[:24])
def test_document_shows_the_output(oncall: Command, command: str, answer: str) -> None:
    """docs/operate.md shows what the commands print."""
    oncall.encoding = "utf-8"
    words = shlex.split(command)
    at = words.index("oncall")
    oncall.environment |= dict(word.split("=", 1) for word in words[:at])
    assert _words(oncall(*words[at + 1 :]).out) == _words(answer)
