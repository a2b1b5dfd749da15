"""The demo: what it shows, and that what it expects follows from the stack's settings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

import sandbox.__main__ as commands
from cli.webhook_client import WebhookAnswer
from handler.app import App
from handler.clock import Clock
from handler.settings import Settings, load
from sandbox import demo
from sandbox.demo import is_expected
from sandbox.demo_data import (
    DAN,
    DEMO_REQUESTS,
    JANE,
    NORA,
    OMAR,
    RITA,
    DemoRequest,
    seed_all,
    seed_incidentio,
)
from sandbox.name_checks import MADE_UP, check_names
from sandbox.stack import Sandbox
from sandbox.vendors.incidentio import IncidentIO
from tests.e2e.webhook_calls import Webhook, in_process
from tests.support.projects import project_in

SECRET, API_KEY = "wks0-secret-of-the-demo", "inc-key-of-the-demo"
CLAIM = {"meta": {"labels": {"indent.com/time/duration": "6h0m0s"}}}
AT_INCIDENTIO = [
    demo_request for demo_request in DEMO_REQUESTS if demo_request.provider == "incidentio"
]
JANE_LEADS, HALF_AN_HOUR, _, OMAR_IS_ON, RITA_REPORTED, DAN_LEADS, NORA_IS_OFF, STALE, FORGED = (
    AT_INCIDENTIO
)


class Case(NamedTuple):
    """What a stack sets, and who is approved then, for how long."""

    settings: Mapping[str, str]
    approved: Mapping[str, str]


ALL_DAY = {JANE: "6h0m0s", OMAR: "6h0m0s"}
CASES = {
    "defaults": Case({}, ALL_DAY),
    "shorter": Case({"AUTO_APPROVAL_DURATION": "10m"}, {JANE: "10m0s", OMAR: "10m0s"}),
    "fraction": Case({"AUTO_APPROVAL_DURATION": "1.5"}, {JANE: "1h30m0s", OMAR: "1h30m0s"}),
    "schedule": Case({"AUTO_APPROVAL_SCHEDULES": "API, Production"}, {OMAR: "6h0m0s"}),
    "other schedule": Case({"AUTO_APPROVAL_SCHEDULES": "API"}, {}),
    "role": Case({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"}, {JANE: "6h0m0s"}),
    "reporter": Case({"AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter"}, {}),
    "self-declared": Case({"INCIDENTIO_APPROVE_SELF_DECLARED": "true"}, {**ALL_DAY, DAN: "6h0m0s"}),
    "reporter, self-declared": Case(
        {
            "AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter",
            "INCIDENTIO_APPROVE_SELF_DECLARED": "true",
        },
        {RITA: "6h0m0s", DAN: "6h0m0s"},
    ),
    "labels": Case({"AUTO_APPROVAL_RESOURCE_LABELS": "Env=Prod, Team=DB"}, ALL_DAY),
    "participants": Case({"INCIDENTIO_APPROVE_PARTICIPANTS": "true"}, ALL_DAY),
    "dry run": Case({"AUTO_APPROVAL_DRY_RUN": "true"}, {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_expectation_follows_the_settings(case: Case) -> None:
    """Whatever a stack sets, the handler answers each demo_request as the demo expects it to."""
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
    with IncidentIO(API_KEY) as double:
        seed_incidentio(double)
        environment = {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            **case.settings,
        }
        app, settings = App(environment, clock, lambda _: None), load(environment)
        approved: dict[str, str] = {}
        with closing(app.client):
            for demo_request in AT_INCIDENTIO:
                answer = _answer_to(demo_request, Webhook(SECRET, in_process(app)), settings)
                assert is_expected(demo_request, answer, settings), (demo_request, answer)
                for claim in answer.claims:
                    duration = claim["meta"]["labels"]["indent.com/time/duration"]
                    approved.setdefault(demo_request.email, duration)
    assert approved == case.approved


def _answer_to(demo_request: DemoRequest, webhook: Webhook, settings: Settings) -> WebhookAnswer:
    event = demo_request.event(settings.policy)
    secret = "another-secret-altogether" if demo_request.forged else SECRET
    return webhook.call({"events": [event]}, secret=secret, age=demo_request.signed_ago)


GRANTED = WebhookAnswer(200, {"claims": [CLAIM]})
NOT_GRANTED = WebhookAnswer(200, {"claims": []})


@pytest.mark.parametrize(
    ("demo_request", "answer"),
    [
        (JANE_LEADS, NOT_GRANTED),
        (JANE_LEADS, WebhookAnswer(200, {"claims": [CLAIM, CLAIM]})),
        (JANE_LEADS, WebhookAnswer(502, "Internal Server Error")),
        (HALF_AN_HOUR, GRANTED),
        (OMAR_IS_ON, NOT_GRANTED),
        (RITA_REPORTED, GRANTED),
        (DAN_LEADS, GRANTED),
        (NORA_IS_OFF, GRANTED),
        (STALE, NOT_GRANTED),
        (FORGED, GRANTED),
    ],
)
def test_anything_else_is_not_as_expected(demo_request: DemoRequest, answer: WebhookAnswer) -> None:
    """A claim too many or too few, for another time, or another HTTP status."""
    settings = load({"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": API_KEY})
    assert not is_expected(demo_request, answer, settings)


def test_requests_are_not_sent_to_real_providers(tmp_path: Path) -> None:
    """Nobody is to be declared an incident there."""
    live = Sandbox(project_in(tmp_path), live={"INCIDENTIO_API_KEY": "inc-real"})
    with pytest.raises(ValueError, match="need the doubles"):
        demo.send_requests(live)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which the commands work."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    return tmp_path


def test_demo_fails_when_something_is_not_as_it_should(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and the line is marked: here Nora, of whom a duty is wrongly expected."""
    duties = tuple(duty._replace(holder=NORA) for duty in JANE_LEADS.duties)
    wrong = replace(NORA_IS_OFF, duties=duties)
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [JANE_LEADS, wrong, STALE])
    assert commands.main(["demo"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    marked = [line for line in printed.out.splitlines() if "NOT AS EXPECTED" in line]
    assert [line.split()[0] for line in marked] == [NORA.partition("@")[0]]
    assert (
        "3 of 4 came out as the stack's settings say: 2 approved, 1 left to humans, 1 refused.\n"
        in printed.out
    )
    assert not (root / ".sandbox" / "env").exists()


NOT_THERE = "is not to be found at incident.io, PagerDuty, Opsgenie, JSM Operations; did you mean"


@pytest.mark.usefixtures("root")
def test_names_that_let_nobody_in_are_shown(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All is as the settings say, which is no comfort where they name a misspelt schedule."""
    project_in(root, AUTO_APPROVAL_SCHEDULES="production")
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [OMAR_IS_ON, JANE_LEADS])
    assert commands.main(["demo"]) == 0
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "",
        f'note: the settings: schedule "production" {NOT_THERE} "Production"?',
        f"note: {MADE_UP}",
        (
            "note: AUTO_APPROVAL_SCHEDULES is set and AUTO_APPROVAL_INCIDENTIO_ROLES is not: "
            "incident roles open nothing"
        ),
        "3 of 3 came out as the stack's settings say: 0 approved, 3 left to humans.",
        "Nobody was approved.",
    ]


def test_right_names_are_found(sandbox: Sandbox) -> None:
    """Those of the demo's people, by whatever provider; a misspelt role is not."""
    seed_all({id_: each for id_, each in sandbox.doubles.items() if id_ != "incidentio"})
    environment = {**sandbox.variables(), "AUTO_APPROVAL_SCHEDULES": "Databases, Search"}
    right = load({**environment, "AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"})
    assert check_names(right, on_doubles=True) == []
    wrong = load({**environment, "AUTO_APPROVAL_INCIDENTIO_ROLES": "Incident lead"})
    assert check_names(wrong, on_doubles=True) == [
        (
            'the settings: role "Incident lead" is not to be found at incident.io; '
            'did you mean "Incident Lead"?'
        ),
        MADE_UP,
    ]
