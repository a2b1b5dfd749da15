"""What the App does for every caller, shown with a made-up caller."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import pytest

from handler import app
from handler.app import SYSTEM_CLOCK, App
from handler.callers import CallerEntry
from handler.callers.base import HttpCall, Refusal, Services, response, unauthenticated
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from handler.settings import Settings
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.conftest import API_KEY, CY

Log = list[Mapping[str, Any]]


class Fake:
    """A caller that sends people's e-mails, and gets yes or no for each."""

    methods = ("PUT", "GET")
    request_id = "their-id"
    ends_with: ClassVar[bool | None] = None
    failing: ClassVar[str] = ""
    seconds: ClassVar[list[float]] = []
    reasons: ClassVar[list[str]] = []
    loaded: ClassVar[list[bool]] = []

    def __init__(self, call: HttpCall, services: Services) -> None:
        self.call = call
        self.services = services

    @staticmethod
    def budget(environment: Mapping[str, str]) -> float:
        """Read the time limit from the environment."""
        return float(environment["FAKE_SECONDS"])

    def authenticate(self) -> None:
        """Check a password."""
        if self.call.headers.get("password") != "open sesame":
            raise unauthenticated("a wrong password")

    def requests(self) -> Sequence[Request]:
        """Make one request per e-mail; check that the settings are loaded once."""
        self.seconds.append(self.services.deadline.left())
        assert self.services.settings() is self.services.loaded_settings()
        if self.failing == "requests":
            raise Refusal(410, "gone")
        emails = self.call.body.decode().split()
        return [Request(Resource(email=email), (Resource("db", "1"),)) for email in emails]

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Answer whether each request is approved."""
        if self.failing == "answer":
            raise RuntimeError("the vendor is gone, key=hunter2")
        self.reasons.extend(decision.reason for decision in decisions)
        return response(200, {"yes": [decision.approved for decision in decisions]})

    @staticmethod
    def failure(
        http: int, message: str, _headers: Mapping[str, str], settings: Settings | None
    ) -> dict[str, Any]:
        """Answer in this caller's own form."""
        Fake.loaded.append(settings is not None)
        return response(http, {"no": message})


LISTED = (
    CallerEntry("fake", ("/fake",), "FAKE_SECONDS"),
    CallerEntry("indent", ("/",), "INDENT_WEBHOOK_SECRET"),
)
NOT_FOUND = (404, '{"message": "There is nothing here."}')
CallFake = Callable[..., tuple[int, str]]


@pytest.fixture
def open_fake(
    monkeypatch: pytest.MonkeyPatch, incidentio: IncidentIO
) -> Iterator[Callable[..., tuple[CallFake, Log]]]:
    """Open an App with two callers: the made-up one, and Indent."""
    module = ModuleType("handler.callers.fake")
    module.CALLER = Fake  # type: ignore[attr-defined]  # as in a caller's module
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(app, "CALLERS", LISTED)
    monkeypatch.setattr(Fake, "failing", "")
    monkeypatch.setattr(Fake, "seconds", [])
    monkeypatch.setattr(Fake, "reasons", [])
    monkeypatch.setattr(Fake, "loaded", [])

    apps: list[App] = []

    def opened(**settings: str) -> tuple[CallFake, Log]:
        environment = {
            "INDENT_WEBHOOK_SECRET": "wks0-current-secret-00",
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": incidentio.url,
            "FAKE_SECONDS": "2.5",
            "HANDLER_CALLERS": "fake,indent",
            **settings,
        }
        log: Log = []
        one = App(environment, SYSTEM_CLOCK, log.append)
        apps.append(one)

        def call(body: str = CY, password: str = "open sesame", **more: object) -> tuple[int, str]:
            answer = one.handle(
                {
                    "rawPath": "/fake",
                    "requestContext": {"http": {"method": "PUT"}},
                    "headers": {"Password": password},
                    "body": body,
                    **more,
                }
            )
            return answer["statusCode"], answer["body"]

        return call, log

    yield opened
    for function in apps:
        function.client.close()


def test_it_is_found_by_its_path(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """A caller is found by its path; each of its requests is decided and logged once."""
    call, log = open_fake()
    assert call(f"{CY} joan@example.com") == (200, '{"yes": [true, false]}')
    assert [line["outcome"] for line in log] == ["approve", "abstain"]
    assert call("") == (200, '{"yes": []}')
    assert len(log) == 2
    assert '{"status": {"code": 3' in call(rawPath="/")[1]


def test_dry_run_reaches_every_caller(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """In dry run no caller gets an approval; the log has what would be approved."""
    call, log = open_fake(AUTO_APPROVAL_DRY_RUN="true")
    assert call() == (200, '{"yes": [false]}')
    assert (log[0]["outcome"], log[0]["dry_run"]) == ("approve", True)


@pytest.mark.parametrize(
    ("ends_with", "dry_run", "answer", "outcomes"),
    [
        (None, "false", [True, False, True], ["approve", "abstain", "approve"]),
        (False, "false", [True, False], ["approve", "abstain"]),
        (True, "false", [True], ["approve"]),
        (False, "true", [False], ["approve"]),
        (True, "true", [False] * 3, ["approve", "abstain", "approve"]),
    ],
)
def test_an_answer_that_ends_early(
    open_fake: Callable[..., tuple[CallFake, Log]],
    monkeypatch: pytest.MonkeyPatch,
    ends_with: bool | None,  # noqa: FBT001 - a column of a table
    *,
    dry_run: str,
    answer: list[bool],
    outcomes: list[str],
) -> None:
    """Requests after the answer's end are neither answered nor logged."""
    monkeypatch.setattr(Fake, "ends_with", ends_with)
    call, log = open_fake(AUTO_APPROVAL_DRY_RUN=dry_run)
    assert json.loads(call(f"{CY} joan@example.com {CY}")[1]) == {"yes": answer}
    assert [line["outcome"] for line in log] == outcomes
    assert [(line["number"], line["of"]) for line in log] == [
        (number, len(outcomes)) for number in range(len(outcomes))
    ]


def test_a_failure_knows_the_settings_once_they_are_loaded(
    open_fake: Callable[..., tuple[CallFake, Log]],
) -> None:
    """A failure gets the settings only if they are loaded already."""
    call, _ = open_fake()
    for password in ("x", "open sesame", "x"):
        call(password=password)
    assert Fake.loaded == [False, True]


def test_its_own_time(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """The caller's own time limit is the deadline."""
    call, _ = open_fake()
    call()
    assert 2 < Fake.seconds[0] <= 2.5


@pytest.mark.parametrize(
    ("change", "http", "message", "level"),
    [
        ({"password": "x"}, 401, "The call is not authenticated.", "WARN"),
        (
            {"requestContext": {"http": {"method": "POST"}}},
            *(405, "POST isn't supported here: use PUT or GET", "WARN"),
        ),
        ({"body": "x" * (2**20 + 1)}, 413, "the body is over 1 MiB", "WARN"),
        ({"failing": "requests"}, 410, "gone", "WARN"),
        (
            {"failing": "answer"},
            *(500, "The call couldn't be answered; see the log for the reason.", "ERROR"),
        ),
    ],
)
def test_it_answers_failures_in_its_own_form(
    open_fake: Callable[..., tuple[CallFake, Log]],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    *,
    http: int,
    message: str,
    level: str,
) -> None:
    """All failures have the caller's own form; the log has no details of exceptions."""
    monkeypatch.setattr(Fake, "failing", change.get("failing", ""))
    call, log = open_fake()
    changes = {name: value for name, value in change.items() if name != "failing"}
    assert call(**changes) == (http, f'{{"no": "{message}"}}')
    assert (log[-1]["level"], log[-1]["http"]) == (level, http)
    assert "hunter2" not in str(log)


@pytest.mark.parametrize("path", ["/fake/", "//fake", "/FAKE", "/other", "/../fake", "/%66ake"])
def test_unknown_paths(open_fake: Callable[..., tuple[CallFake, Log]], path: str) -> None:
    """Unknown paths get a 404 without reading settings."""
    call, log = open_fake(AUTO_APPROVAL_DURATION="ever")
    assert call(rawPath=path) == NOT_FOUND
    assert [(line["level"], line["http"]) for line in log] == [("WARN", 404)]


@pytest.mark.parametrize(
    "change",
    [{}, {"password": "x"}, {"requestContext": {"http": {"method": "POST"}}}, {"body": "\ud800"}],
)
@pytest.mark.parametrize("names", ["indent", ""])
def test_a_caller_that_is_off(
    open_fake: Callable[..., tuple[CallFake, Log]], names: str, change: dict[str, Any]
) -> None:
    """A caller that is off is answered like an unknown path; the log names what is missing.

    Without HANDLER_CALLERS, the settings decide which callers are on.
    """
    call, log = open_fake(HANDLER_CALLERS=names)
    assert call(**change) == NOT_FOUND
    assert log[0]["why"] == (
        "fake is off, since FAKE_SECONDS is not set; see docs/callers.md to switch it on"
    )
    assert call(rawPath="/")[0] == 405


def test_nothing_of_a_caller_that_is_off_is_read(
    open_fake: Callable[..., tuple[CallFake, Log]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a caller that is off, neither its settings nor its module are read."""
    call, log = open_fake(HANDLER_CALLERS="indent", FAKE_SECONDS="soon")
    assert call() == NOT_FOUND
    monkeypatch.setitem(sys.modules, "handler.callers.fake", None)
    assert call() == NOT_FOUND
    assert [line["http"] for line in log] == [404, 404]


def test_the_log_says_who_asked(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """The log has the caller, its own id of the call, and the decision's id."""
    call, log = open_fake()
    call(f"{CY} {CY}", requestContext={"http": {"method": "PUT"}, "requestId": "r-1"})
    ids = [(line["caller"], line["caller_request"], line["decision_id"]) for line in log]
    assert ids == [("fake", "their-id", "r-1-0"), ("fake", "their-id", "r-1-1")]


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"password": "x"}, {"caller": "fake", "call": "r-1"}),
        ({"requestContext": None}, {"caller": "fake"}),
        (
            {"requestContext": {"http": {"method": "PUT"}}, "headers": 7},
            {"caller": "fake"},
        ),
        ({"rawPath": "/other"}, {"call": "r-1"}),
    ],
)
def test_the_log_says_who_was_refused(
    open_fake: Callable[..., tuple[CallFake, Log]], change: dict[str, Any], known: dict[str, str]
) -> None:
    """A refused call's log line has the caller and AWS's request id, if known."""
    call, log = open_fake()
    call(**{"requestContext": {"http": {"method": "PUT"}, "requestId": "r-1"}, **change})
    assert {name: log[0][name] for name in ("caller", "call") if name in log[0]} == known


@pytest.mark.parametrize(("ago", "left"), [(0, 2.5), (1.5, 1), (60, 0), (-60, 2.5)])
def test_a_cold_start_counts_for_the_deadline(
    open_fake: Callable[..., tuple[CallFake, Log]], ago: float, left: float
) -> None:
    """The deadline counts from when AWS received the call, and is never lengthened."""
    call, _ = open_fake()
    taken = int((time.time() - ago) * 1000)
    call(requestContext={"http": {"method": "PUT"}, "timeEpoch": taken})
    assert max(0, left - 0.5) <= Fake.seconds[0] <= left


def test_a_provider_that_fails_is_in_the_reason(
    open_fake: Callable[..., tuple[CallFake, Log]], incidentio: IncidentIO
) -> None:
    """The reason names a failed provider, unless the requester is approved anyway."""
    incidentio.fail("/v2/incidents", faults.Status(500))
    call, log = open_fake(FAKE_SECONDS="5")
    call(f"{CY} joan@example.com")
    assert [reason.partition("; ")[2] for reason in Fake.reasons] == [
        "",
        "no complete answer came from incident.io",
    ]
    assert "whole answer" not in str([line["reason"] for line in log])


def test_wrong_settings(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """Wrong settings approve nobody, and only the log names them."""
    call, log = open_fake(AUTO_APPROVAL_DURATION="ever")
    http, body = call()
    assert (http, "DURATION" in body) == (500, False)
    assert log[0]["why"].startswith("AUTO_APPROVAL_DURATION is 'ever'")
