"""Serves the page on loopback, from `with` to the end of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from handler.providers import BY_ID
from handler.settings import Settings
from sandbox.doubles.incidentio import IncidentIO
from sandbox.doubles.jsm import JSM
from sandbox.doubles.opsgenie import Opsgenie
from sandbox.doubles.pagerduty import PagerDuty
from sandbox.doubles.server import Double
from sandbox.logbook import Logbook
from sandbox.page.app import make_app
from sandbox.page.atlassian_roster import AtlassianRoster
from sandbox.page.guard import Guard
from sandbox.page.incidentio_roster import IncidentIORoster
from sandbox.page.pagerduty_roster import PagerDutyRoster
from sandbox.page.rosters import Roster
from sandbox.running import Sandbox
from sandbox.space import Space

HOST = "127.0.0.1"
_ASKS_EVERY = 0.05  # seconds until it sees that it shall end


class Page:
    """The page of a space.

    Args:
        space: whose petitions are shown, and where requests go.
        rosters: the providers' doubles; none where the real provider is asked.
        log: where the function says why.
        settings: what the function was given.

    Attributes:
        url: where a browser opens it.
    """

    def __init__(
        self, space: Space, rosters: Sequence[Roster], log: Logbook, settings: Settings
    ) -> None:
        self._server = _Server(make_app(space, rosters, log, settings, Guard()))
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=[_ASKS_EVERY], daemon=True
        )
        self.url = f"http://{HOST}:{self._server.port}/"

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.hang_up()


def page_of(sandbox: Sandbox, space: Space) -> Page:
    """Make the page of a running sandbox and its space."""
    return Page(space, list(rosters_of(sandbox.doubles)), sandbox.log, sandbox.settings)


def rosters_of(doubles: Mapping[str, Double]) -> Iterator[Roster]:
    """Make the roster of each provider that there is a double of, by the provider's id."""
    for id_, double in doubles.items():
        match double:
            case IncidentIO():
                yield IncidentIORoster(double)
            case PagerDuty():
                yield PagerDutyRoster(double)
            case Opsgenie() | JSM():
                yield AtlassianRoster(BY_ID[id_], double)


class _Handler(WSGIRequestHandler):
    # A connection for each call: a browser that keeps one open would hold a thread.
    protocol_version = "HTTP/1.0"
    timeout = 10  # seconds that a browser may stay silent on a connection

    def version_string(self) -> str:
        """Say nothing of what it is made of."""
        return "sandbox"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: one line a call is of no use to anybody."""


class _Server(ThreadedWSGIServer):
    """Knows its connections: browsers open some in advance, and send nothing on them."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - Flask's own type for it is no public one
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__(HOST, 0, app, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Serve the connection in a thread of its own, and remember both."""
        self._open = {thread: each for thread, each in self._open.items() if thread.is_alive()}
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._open[thread] = request
        thread.start()

    def hang_up(self) -> None:
        """End every connection; their threads are joined."""
        for thread, each in self._open.items():
            with suppress(OSError):  # it may have ended by itself
                each.shutdown(socket.SHUT_RDWR)
            thread.join()
