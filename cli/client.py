"""How the commands ask the providers: as the function does, but through this machine's proxy."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cli.proxies import UnreachableError, connector, remedy_for
from handler.clock import Clock, Deadline
from handler.http import Client, HttpError

# A certificate that is not trusted is no sign of a way that is missing.
_UNRESOLVED = "cannot be resolved"
_UNANSWERED = (
    "connection failed (OSError",
    "connection failed (Connection",
    "no whole answer in time",
)


class OperatorClient(Client):
    """A client that adds to a failure what may help on a machine behind a proxy."""

    def __init__(self, clock: Clock, environment: Mapping[str, str]) -> None:
        super().__init__(clock, connector(environment))
        self._environment = environment

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
    ) -> bytes:
        """Send a request; for what is raised see the function's client."""
        try:
            return super().send(method, url, headers, body, deadline)
        except UnreachableError:
            raise
        except HttpError as error:
            said = str(error)
            if not (said.startswith(_UNANSWERED) or said.endswith(_UNRESOLVED)):
                raise
            parts = urlsplit(url)
            remedy = remedy_for(parts.hostname or "", parts.port or 443, self._environment)
            raise HttpError("; ".join(filter(None, (said, remedy)))) from error
