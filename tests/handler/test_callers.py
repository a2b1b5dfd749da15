"""What is done once for all callers, shown by a caller that is made up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import pytest

from handler import app
from handler.app import SYSTEM_CLOCK, App
from handler.callers.base import HttpCall, Refusal, Services, response, unauthenticated
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.conftest import API_KEY, CY

Log = list[Mapping[str, Any]]


class Fake:
    """A caller that is a person's e-mail in the body, and is answered by yes or no."""

    methods = ("PUT", "GET")
    failing: ClassVar[str] = ""
    seconds: ClassVar[list[float]] = []

    def __init__(self, call: HttpCall, services: Services) -> None:
        self.call = call
        self.services = services

    @staticmethod
    def budget(environment: Mapping[str, str]) -> float:
        """As the environment says."""
        return float(environment["FAKE_SECONDS"])

    def authenticate(self) -> None:
        """By a password."""
        if self.call.headers.get("password") != "open sesame":
            raise unauthenticated("a wrong password")

    def requests(self) -> Sequence[Request]:
        """One for each line; the settings can be read, which happens once."""
        self.seconds.append(self.services.deadline.left())
        assert self.services.settings() is self.services.settings()
        if self.failing == "requests":
            raise Refusal(410, "gone")
        emails = self.call.body.decode().split()
        return [Request(Resource(email=each), (Resource("db", "1"),)) for each in emails]

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Whether each is approved."""
        if self.failing == "answer":
            raise RuntimeError("the vendor is gone, key=hunter2")
        return response(200, {"yes": [decision.approved for decision in decisions]})

    @staticmethod
    def failure(http: int, message: str) -> dict[str, Any]:
        """In its own form."""
        return response(http, {"no": message})


CallFake = Callable[..., tuple[int, str]]


@pytest.fixture
def open_fake(
    monkeypatch: pytest.MonkeyPatch, incidentio: IncidentIO
) -> Iterator[Callable[..., tuple[CallFake, Log]]]:
    """An App whose list of callers is that one, on a path of its own, and Indent."""
    module = ModuleType("handler.callers.fake")
    module.CALLER = Fake  # type: ignore[attr-defined]  # as a caller's file has it
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(app, "CALLERS", (("fake", ("/fake",)), ("indent", ())))
    monkeypatch.setattr(Fake, "failing", "")
    monkeypatch.setattr(Fake, "seconds", [])

    apps: list[App] = []

    def opened(**settings: str) -> tuple[CallFake, Log]:
        environment = {
            "INDENT_WEBHOOK_SECRET": "wks0-current-secret-00",
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": incidentio.url,
            "FAKE_SECONDS": "2.5",
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
    for each in apps:
        each.client.close()


def test_it_is_found_by_its_path(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """Each of its requests is decided and logged once; other paths are another caller's."""
    call, log = open_fake()
    assert call(f"{CY} joan@example.com") == (200, '{"yes": [true, false]}')
    assert [each["outcome"] for each in log] == ["approve", "abstain"]
    assert call("") == (200, '{"yes": []}')
    assert len(log) == 2
    assert '{"status": {"code": 3' in call(rawPath="/")[1]


def test_dry_run_reaches_every_caller(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """The log says what would be approved; the caller is given no approval to pass on."""
    call, log = open_fake(AUTO_APPROVAL_DRY_RUN="true")
    assert call() == (200, '{"yes": [false]}')
    assert (log[0]["outcome"], log[0]["dry_run"]) == ("approve", True)


def test_its_own_time(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """Each step is within the deadline that the caller gives."""
    call, _ = open_fake()
    call()
    assert 2 < Fake.seconds[0] <= 2.5


@pytest.mark.parametrize(
    ("change", "http", "message", "level"),
    [
        ({"password": "x"}, 401, "The call is not authenticated.", "WARN"),
        (
            {"requestContext": {"http": {"method": "POST"}}},
            *(405, "POST is not answered here: use PUT or GET", "WARN"),
        ),
        ({"body": "x" * (2**20 + 1)}, 413, "the body is over 1 MiB", "WARN"),
        ({"failing": "requests"}, 410, "gone", "WARN"),
        (
            {"failing": "answer"},
            *(500, "The call could not be answered; the log says why.", "ERROR"),
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
    """Whatever fails, before and after the decision; the log names no more than type and place."""
    monkeypatch.setattr(Fake, "failing", change.pop("failing", ""))
    call, log = open_fake()
    assert call(**change) == (http, f'{{"no": "{message}"}}')
    assert (log[-1]["level"], log[-1]["http"]) == (level, http)
    assert "hunter2" not in str(log)


def test_wrong_settings_let_nobody_in(open_fake: Callable[..., tuple[CallFake, Log]]) -> None:
    """They are named in the log only."""
    call, log = open_fake(AUTO_APPROVAL_DURATION="ever")
    http, body = call()
    assert (http, "DURATION" in body) == (500, False)
    assert log[0]["why"].startswith("AUTO_APPROVAL_DURATION is 'ever'")
