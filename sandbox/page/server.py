"""Serves the page on loopback, from `with` to the end of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from handler.providers.registry import BY_ID
from handler.settings import Settings
from sandbox.local_server import SecretPath
from sandbox.logbook import Logbook
from sandbox.page.app import make_app
from sandbox.page.atlassian_roster import AtlassianRoster
from sandbox.page.duty_board import Roster
from sandbox.page.guard import Guard
from sandbox.page.incidentio_roster import IncidentIORoster
from sandbox.page.pagerduty_roster import PagerDutyRoster
from sandbox.space import Space
from sandbox.stack import Sandbox
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double
from sandbox.wsgi import WsgiServer


class Page:
    """The page of a space.

    Args:
        space: whose petitions are shown, and where requests go.
        rosters: the providers' doubles; none where the real provider is asked.
        log: where the function says why.
        settings: what the function was given.

    Attributes:
        url: where a browser opens it; the path begins with a key of this run.
    """

    def __init__(
        self, space: Space, rosters: Sequence[Roster], log: Logbook, settings: Settings
    ) -> None:
        app, key = make_app(space, rosters, log, settings, Guard()), SecretPath()
        self._server = WsgiServer(app, key, mounted_at=key.prefix)
        self.url = f"{self._server.url}{key.prefix}/"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


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
