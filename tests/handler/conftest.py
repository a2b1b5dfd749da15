"""Shared by the handler's tests: a clock set by hand, servers, and an organisation."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from handler import hedging
from handler.clock import Clock, Deadline
from handler.duty import ProviderSnapshot
from handler.hedging import HedgedRequest
from handler.http import Client
from handler.providers import runner
from handler.providers.base import DutyQuery
from handler.providers.incidentio import IncidentIOClient
from handler.providers.runner import ask
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.scripted import Answer, Scripted

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
API_KEY = "inc-k3y-0123456789"
EVERYTHING = DutyQuery(any_schedule=True, roles=True)
ANA, BO, CY = "ana@acme.example", "Bo@Acme.example", "cy@acme.example"


class SetClock:
    """A clock that only a test or a wait moves on; `waits` are in seconds."""

    def __init__(self) -> None:
        self.now = NOW
        self.seconds = 0.0
        self.waits: list[float] = []
        self.clock = Clock(lambda: self.now, lambda: self.seconds, self._sleep)

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds

    def deadline(self, seconds: float = 6.0) -> Deadline:
        """A deadline on this clock, which never passes by itself."""
        return Deadline(self.clock, seconds)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)


@pytest.fixture
def incidentio() -> Iterator[IncidentIO]:
    """incident.io with Cy on call for DBA."""
    with IncidentIO(API_KEY) as one:
        one.add_person("Cy Noon", CY)
        one.add_schedule("DBA")
        one.put_on_shift("DBA", CY)
        yield one


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coverage measure the handler's threads, by starting them with `threading`."""

    def start(function: Callable[..., object], args: tuple[object, ...]) -> None:
        threading.Thread(target=function, args=args, daemon=True).start()

    monkeypatch.setattr(runner, "start_new_thread", start)
    monkeypatch.setattr(hedging, "start_new_thread", start)


@pytest.fixture
def set_clock() -> SetClock:
    """A clock set by hand, at `NOW`."""
    return SetClock()


@pytest.fixture
def real_deadline(set_clock: SetClock) -> Callable[[float], Deadline]:
    """Deadlines in real seconds, for servers that never answer; keep them short."""
    clock = Clock(set_clock.clock.now, time.monotonic, set_clock.clock.sleep)
    return lambda seconds: Deadline(clock, seconds)


@pytest.fixture
def _no_hedging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never send a request twice because its answer is slow, as on a slow machine."""
    monkeypatch.setattr(HedgedRequest, "_delay", lambda *_: None)


@pytest.fixture
def client(set_clock: SetClock) -> Iterator[Client]:
    """A client with the clock set by hand; its connections are closed at the end."""
    made = Client(set_clock.clock)
    yield made
    made.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Scripted]]:
    """Start a scripted server: `serve(answer, ...)`."""
    with ExitStack() as servers:

        def start(*answers: Answer) -> Scripted:
            return servers.enter_context(Scripted(*answers))

        yield start


@pytest.fixture
def double(set_clock: SetClock) -> Iterator[IncidentIO]:
    """incident.io with Ana, Bo and Cy, the clock set by hand, and a key that sees all."""
    roles = ("viewer", "schedules_reader", "global_access")
    with IncidentIO(API_KEY, key_roles=roles, now=lambda: set_clock.now) as one:
        one.add_person("Ana Lima", ANA)
        one.add_person("Bo Berg", BO)
        one.add_person("Cy Noon", CY)
        yield one


@pytest.fixture
def incidentio_client(client: Client, double: IncidentIO, set_clock: SetClock) -> IncidentIOClient:
    """The handler's client for the double."""
    settings = {"INCIDENTIO_BASE_URL": double.url, "INCIDENTIO_API_KEY": API_KEY}
    return IncidentIOClient(client, set_clock.clock, settings)


@pytest.fixture
def find(
    incidentio_client: IncidentIOClient, set_clock: SetClock
) -> Callable[..., ProviderSnapshot]:
    """Ask the double as for every decision: `find()`, or `find(deadline)`."""

    def find(deadline: Deadline | None = None) -> ProviderSnapshot:
        snapshot = ask(
            incidentio_client.questions(EVERYTHING, ProviderSnapshot()),
            deadline or set_clock.deadline(),
        )
        for failure in snapshot.failures:
            assert API_KEY not in str(failure)
            assert "@" not in str(failure)
        return snapshot._replace(
            schedules_and_roles=()
        )  # otherwise every test would have to list them

    return find


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event for hanging questions to wait for; it is set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts no further connections, since its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        queued = []
        try:
            while True:
                queued.append(socket.create_connection(address, 0.1))
        except TimeoutError:
            yield address[1]
        finally:
            for connection in queued:
                connection.close()
