"""The demo: its output, and expectations that follow from the stack's settings."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

import sandbox.__main__ as commands
from handler.app import App
from handler.clock import Clock
from handler.durations import format_go
from handler.settings import load
from sandbox import demo
from sandbox.callers import SENDERS
from sandbox.callers.base import Sender, Verdict, verdict_of
from sandbox.callers.conductorone import ConductorOne, Tenant
from sandbox.callers.indent import Indent
from sandbox.demo import Outcome, is_expected, outcome_table, sender_of
from sandbox.demo_data import DAN, JANE, NORA, OMAR, RITA, seed_all, seed_incidentio
from sandbox.demo_requests import DEMO_REQUESTS, DemoRequest
from sandbox.lambda_url.event import domain_name
from sandbox.name_checks import MADE_UP, check_names
from sandbox.stack import Sandbox
from sandbox.vendors.incidentio import IncidentIO
from tests.e2e.webhook_calls import served
from tests.support.projects import project_in

SECRET, API_KEY = "wks0-secret-of-the-demo", "inc-key-of-the-demo"
TOKEN = "token-of-the-demo-" * 2
AT_INCIDENTIO = [
    demo_request for demo_request in DEMO_REQUESTS if demo_request.provider == "incidentio"
]
AS_INDENT = [demo_request for demo_request in AT_INCIDENTIO if demo_request.caller == "indent"]
JANE_LEADS, HALF_AN_HOUR, _, OMAR_IS_ON, RITA_REPORTED, DAN_LEADS, NORA_IS_OFF, STALE, FORGED = (
    AS_INDENT
)
JANE_BY_CONDUCTORONE, NORA_BY_CONDUCTORONE = AT_INCIDENTIO[-2:]


class Case(NamedTuple):
    """A stack's settings, and who must then be approved, for how long."""

    settings: Mapping[str, str]
    approved: Mapping[str, str]
    by_conductorone: Mapping[str, str] = MappingProxyType({})


AN_HOUR = {JANE: "1h0m0s"}
ALL_DAY = {JANE: "6h0m0s", OMAR: "6h0m0s"}
CASES = {
    "defaults": Case({}, ALL_DAY, AN_HOUR),
    "shorter": Case({"AUTO_APPROVAL_DURATION": "10m"}, {JANE: "10m0s", OMAR: "10m0s"}),
    "fraction": Case(
        {"AUTO_APPROVAL_DURATION": "1.5"}, {JANE: "1h30m0s", OMAR: "1h30m0s"}, AN_HOUR
    ),
    "schedule": Case({"AUTO_APPROVAL_SCHEDULES": "API, Production"}, {OMAR: "6h0m0s"}),
    "other schedule": Case({"AUTO_APPROVAL_SCHEDULES": "API"}, {}),
    "role": Case({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"}, {JANE: "6h0m0s"}, AN_HOUR),
    "reporter": Case({"AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter"}, {}),
    "self-declared": Case(
        {"INCIDENTIO_APPROVE_SELF_DECLARED": "true"}, {**ALL_DAY, DAN: "6h0m0s"}, AN_HOUR
    ),
    "reporter, self-declared": Case(
        {
            "AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter",
            "INCIDENTIO_APPROVE_SELF_DECLARED": "true",
        },
        {RITA: "6h0m0s", DAN: "6h0m0s"},
    ),
    "labels": Case({"AUTO_APPROVAL_RESOURCE_LABELS": "Env=Prod, Team=DB"}, ALL_DAY),
    "participants": Case({"INCIDENTIO_APPROVE_PARTICIPANTS": "true"}, ALL_DAY, AN_HOUR),
    "dry run": Case({"AUTO_APPROVAL_DRY_RUN": "true"}, {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_expectation_follows_the_settings(case: Case) -> None:
    """With any settings, the handler answers as the demo expects."""
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
    with IncidentIO(API_KEY) as double, Tenant() as tenant:
        seed_incidentio(double)
        tenant.webhook_url = f"https://{domain_name('us-west-2')}/conductorone"
        environment = {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "AUTHZEN_TOKEN": TOKEN,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            "AUTO_APPROVAL_DURATION": "6",
            **tenant.settings,
            **case.settings,
        }
        app, settings = App(environment, clock, lambda _: None), load(environment)
        granted: dict[str, dict[str, str]] = {caller: {} for caller in SENDERS}
        with closing(app.client), served(app) as url:
            variables = {
                **environment,
                "WEBHOOK_URL": url,
                "AUTHZEN_URL": url,
                "CONDUCTORONE_URL": f"{url}/conductorone",
                "CONDUCTORONE_CALLS_URL": tenant.calls_url,
            }
            for demo_request in AT_INCIDENTIO:
                sender = sender_of(demo_request, variables)
                sent = demo_request.request(settings.policy)
                verdict = verdict_of(sender, sender.send(sent), sent)
                assert is_expected(demo_request, sender, verdict, settings), (demo_request, verdict)
                if verdict.duration is not None:
                    duration = format_go(verdict.duration)
                    granted[demo_request.caller].setdefault(demo_request.email, duration)
    assert granted["indent"] == case.approved
    assert granted["authzen"] == {
        who: case.approved[who] for who in (OMAR,) if who in case.approved
    }
    assert granted["conductorone"] == case.by_conductorone


INDENT = Indent("http://127.0.0.1:1/", SECRET)
CONDUCTORONE = ConductorOne("http://127.0.0.1:1/", "http://127.0.0.1:1/")
GRANTED, LEFT = Verdict("approved", timedelta(hours=6)), Verdict("left to humans")
HOUR, FORBIDDEN = Verdict("approved", timedelta(hours=1)), Verdict("refused", http=403)


@pytest.mark.parametrize(
    ("demo_request", "sender", "verdict"),
    [
        (JANE_LEADS, INDENT, LEFT),
        (JANE_LEADS, INDENT, Verdict("wrong answer")),
        (JANE_LEADS, INDENT, Verdict("refused", http=502)),
        (JANE_LEADS, INDENT, HOUR),
        (HALF_AN_HOUR, INDENT, GRANTED),
        (OMAR_IS_ON, INDENT, LEFT),
        (RITA_REPORTED, INDENT, GRANTED),
        (DAN_LEADS, INDENT, GRANTED),
        (NORA_IS_OFF, INDENT, GRANTED),
        (STALE, INDENT, LEFT),
        (STALE, INDENT, FORBIDDEN),
        (FORGED, INDENT, GRANTED),
        (JANE_BY_CONDUCTORONE, CONDUCTORONE, LEFT),
        (JANE_BY_CONDUCTORONE, CONDUCTORONE, GRANTED),
        (NORA_BY_CONDUCTORONE, CONDUCTORONE, HOUR),
    ],
)
def test_other_answers_are_unexpected(
    demo_request: DemoRequest, sender: Sender, verdict: Verdict
) -> None:
    """A different outcome, duration or HTTP status isn't as expected."""
    settings = load({"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": API_KEY})
    assert not is_expected(demo_request, sender, verdict, settings)


def test_requests_are_not_sent_to_real_providers(tmp_path: Path) -> None:
    """The demo declares incidents, so it refuses to run with real providers."""
    live = Sandbox(project_in(tmp_path), live={"INCIDENTIO_API_KEY": "inc-real"})
    with pytest.raises(ValueError, match="need the doubles"):
        demo.send_requests(live)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which the commands use."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    return tmp_path


def test_demo_fails_on_a_wrong_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong answer is marked, and the status is 1."""
    duties = tuple(duty._replace(holder=NORA) for duty in JANE_LEADS.duties)
    wrong = replace(NORA_IS_OFF, duties=duties)
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [JANE_LEADS, wrong, STALE])
    assert commands.main(["demo"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    marked = [line for line in printed.out.splitlines() if "NOT AS EXPECTED" in line]
    assert [line.split()[0] for line in marked] == [NORA.partition("@")[0]]
    assert printed.out.endswith(
        "\nOnly 3 of 4 answers match the settings: 2 approved, 1 left to humans, 1 refused.\n"
    )
    assert not (root / ".sandbox" / "env").exists()


@pytest.mark.usefixtures("root")
def test_settings_that_let_nobody_in(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo names the setting because of which nobody is approved."""
    project_in(root, AUTO_APPROVAL_SCHEDULES="production")
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [OMAR_IS_ON, JANE_LEADS])
    assert commands.main(["demo"]) == 0
    last = capsys.readouterr().out.rpartition("\nNobody was approved:\n")[2]
    reasons, _, summary = last.partition("\n\n")
    assert summary == "All 3 answers match the settings: 0 approved, 3 left to humans.\n"
    words = " ".join(reasons.split())
    assert reasons.startswith("- ")
    assert 'schedule "production"' in words
    assert '"Production"' in words
    assert (
        "- AUTO_APPROVAL_SCHEDULES is set and AUTO_APPROVAL_INCIDENTIO_ROLES is not: "
        "incident roles open nothing" in words
    )


@pytest.mark.usefixtures("root")
def test_dry_run_lets_nobody_in(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo names the dry run as the reason that nobody is approved."""
    project_in(root, AUTO_APPROVAL_DRY_RUN="true")
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [JANE_LEADS])
    assert commands.main(["demo"]) == 0
    printed = capsys.readouterr().out
    reason = "AUTO_APPROVAL_DRY_RUN is true, so every request is left to humans"
    assert f"\nNobody was approved:\n- {reason}\n\nAll 2 answers" in printed


@pytest.mark.parametrize("columns", [80, 120])
def test_table_fits_the_terminal(columns: int) -> None:
    """No line is wider than the terminal, and each reason is beside its request."""
    reason = "on call for Databases back-up (PagerDuty) until 2026-12-01 00:35 UTC: " * 2
    outcomes = [
        Outcome(request, verdict, reason, expected=True)
        for request in DEMO_REQUESTS
        for verdict in (GRANTED, LEFT, FORBIDDEN)
    ]
    plain = outcome_table(outcomes, columns, colour=False)
    assert max(map(len, plain.splitlines())) <= columns
    assert "\x1b" not in plain
    assert "\nAuthZEN, by a bearer token:\n" in plain
    coloured = outcome_table(outcomes, columns, colour=True)
    assert "  \x1b[32mapproved\x1b[0m, 6 hours  " in coloured
    assert "  \x1b[33mleft to humans\x1b[0m  " in coloured
    assert "  \x1b[31mrefused\x1b[0m (403)  " in coloured
    assert re.sub("\x1b\\[[0-9]*m", "", coloured) == plain


def test_right_names_are_found(sandbox: Sandbox) -> None:
    """Names of the demo's people at any provider are found; a misspelt role isn't."""
    others = {id_: double for id_, double in sandbox.doubles.items() if id_ != "incidentio"}
    seed_all(others)
    environment = {**sandbox.variables(), "AUTO_APPROVAL_SCHEDULES": "Databases, Search"}
    right = load({**environment, "AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"})
    assert check_names(right, on_doubles=True) == []
    wrong = load({**environment, "AUTO_APPROVAL_INCIDENTIO_ROLES": "Incident lead"})
    problem, hint = check_names(wrong, on_doubles=True)
    assert 'role "Incident lead"' in problem
    assert '"Incident Lead"' in problem
    assert hint == MADE_UP
