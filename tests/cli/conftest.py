"""Fixtures of the command's tests: people at incident.io, and the command in process."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.context import Context
from cli.main import main
from handler.app import SYSTEM_CLOCK
from handler.clock import Clock
from sandbox.local_aws.moto_server import Aws
from sandbox.vendors.incidentio import IncidentIO

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
API_KEY = "inc-k3y-0123456789"
JANE, OMAR, RITA, NORA = (f"{name}@example.com" for name in ("jane", "omar", "rita", "nora"))
REGION = "eu-west-1"
DATABASE = "postgres.v1.Role:db-1"
# The warning for settings that name nothing.
OPEN = (
    "default rule: anybody who holds a role other than the reporter's in a live incident or is "
    "on call for any schedule opens any resource; set AUTO_APPROVAL_SCHEDULES, "
    "AUTO_APPROVAL_INCIDENTIO_ROLES or AUTO_APPROVAL_POLICY to narrow it"
)


class Answer(NamedTuple):
    """What the command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the JSON is
        """The JSON on stdout; stderr must be empty."""
        assert self.err == ""
        return json.loads(self.out)


class _Stream(io.StringIO):
    """A stream with an encoding."""

    encoding = "ascii"


class Command:
    """The command in process, at `NOW`, in its own folder; it never waits before a retry."""

    encoding = "ascii"

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            "INCIDENTIO_BASE_URL": url,
            "INCIDENTIO_API_KEY": API_KEY,
            "AUTO_APPROVAL_DURATION": "6",
        }
        self.clock = Clock(lambda: NOW, time.monotonic, lambda _: None)

    def __call__(self, *arguments: str | Path, stdin: str | bytes = "") -> Answer:
        """Run it, and assert that it prints neither a key nor a stack trace."""
        out, err = _Stream(), io.StringIO()
        out.encoding = self.encoding
        given = stdin if isinstance(stdin, bytes) else stdin.encode()
        context = Context(
            self.environment,
            self.folder,
            io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"),
            out,
            err,
            clock=self.clock,
        )
        status = main([str(argument) for argument in arguments], context)
        answer = Answer(status, out.getvalue(), err.getvalue())
        assert API_KEY not in answer.out + answer.err
        assert "Traceback" not in answer.out + answer.err
        return answer

    def by_the_machines_clock(self) -> Command:
        """Use the machine's clock instead of `NOW`."""
        self.clock = self.clock._replace(now=SYSTEM_CLOCK.now)
        return self

    def write(self, name: str, text: str) -> Path:
        """Put a file into the folder."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file


@pytest.fixture
def double() -> Iterator[IncidentIO]:
    """incident.io with people; Jane leads an incident that Rita reported, Omar is on shift."""
    with IncidentIO(API_KEY, now=lambda: NOW) as one:
        for email in (JANE, OMAR, RITA, NORA):
            one.add_person(email.partition("@")[0].title(), email)
        one.add_schedule("Production")
        one.put_on_shift("Production", OMAR, NOW - timedelta(hours=1), NOW + timedelta(hours=2))
        one.declare_incident("Checkout answers 500", by=RITA, lead=JANE)
        yield one


@pytest.fixture
def oncall(tmp_path: Path, double: IncidentIO) -> Command:
    """The command, with that organisation as its provider."""
    return Command(tmp_path, double.url)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, oncall: Command) -> Any:  # noqa: ANN401 - boto3's client
    """A local AWS, and boto3's client of its logs."""
    with Aws(REGION) as local:
        for name, value in {
            **local.variables(),
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        oncall.environment["AWS_REGION"] = REGION
        yield local.client("logs")
