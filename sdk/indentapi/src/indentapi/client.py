"""The way in: one client for one space."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

from indentapi import validation
from indentapi.petitions import Claims, Petitions
from indentapi.resources import Blocks, Resources, Spaces, Webhooks, segment
from indentapi.settings import Settings
from indentapi.transport import Clock, Transport


class IndentAPI:
    """A client of a space. Threads may share it; `with` or `close()` ends its use.

    Arguments:
        space_name: by default what INDENT_SPACE says.
        api_token: by default what INDENT_API_TOKEN says.
        base_url: by default what INDENT_API_URL says, else the public service; https, or http on
            loopback.
        timeout: seconds for one try to connect, and for each silence of the API after that.
        max_retries: further tries after a failure. Reading is repeated on connection errors and
            the statuses 408, 429 and 5xx; anything else only when it cannot have taken effect.
        clock: for tests of code that waits; the module `time` otherwise.

    Attributes:
        resource, petition, claim, space, block, webhook: the collections.

    Raises:
        ConfigurationError: a setting is missing or cannot be used.
        TypeError, ValueError: `timeout` or `max_retries` is not a number that can be.
    """

    def __init__(
        self,
        space_name: str | None = None,
        api_token: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 2,
        clock: Clock = time,
    ) -> None:
        validation.seconds(timeout, "timeout")
        validation.whole(max_retries, "max_retries")
        settings = Settings.of(space_name, api_token, base_url, os.environ)
        transport = Transport(settings, timeout=timeout, max_retries=max_retries, clock=clock)
        path = f"/spaces/{segment(settings.space)}"
        self._settings: Settings = settings
        self._transport: Transport = transport
        self.resource: Resources = Resources(transport, path)
        self.petition: Petitions = Petitions(transport, path)
        self.claim: Claims = Claims(transport, path)
        self.space: Spaces = Spaces(transport)
        self.block: Blocks = Blocks(transport, path)
        self.webhook: Webhooks = Webhooks(transport, path)

    @property
    def space_name(self) -> str:
        """The name of the space."""
        return self._settings.space

    def close(self) -> None:
        """Close the connections; the client cannot be used after that."""
        self._transport.close()

    def __enter__(self) -> Self:
        self._transport.check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"IndentAPI(space_name={self._settings.space!r}, base_url={self._settings.base_url!r})"
        )
