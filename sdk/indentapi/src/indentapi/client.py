"""The client of one space, and its configuration from arguments and environment."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from indentapi.errors import ConfigurationError
from indentapi.petitions import Claims, Petitions
from indentapi.resources import Blocks, Resources, Spaces, Webhooks, path_segment
from indentapi.transport import Clock, Transport
from indentapi.validation import check_count, check_seconds, type_with_article

PUBLIC_URL = "https://platform.indentapis.com/v1"


class IndentAPI:
    """A client of a space. Threads may share it; `with` or `close()` ends its use.

    Arguments:
        space_name: the default is INDENT_SPACE.
        api_token: the default is INDENT_API_TOKEN.
        base_url: the default is INDENT_API_URL, or the public service; https, or http on
            loopback.
        timeout: seconds for one attempt to connect, and for each silence of the API after that.
        max_retries: further attempts after a failure. Reading is repeated on connection errors and
            the statuses 408, 429 and 5xx; anything else only when it cannot have taken effect.
        clock: for tests of code that waits; the module `time` otherwise.

    Attributes:
        resource, petition, claim, space, block, webhook: the collections.

    Raises:
        ConfigurationError: a setting is missing or isn't valid.
        TypeError, ValueError: `timeout` or `max_retries` isn't a number, or is negative.
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
        check_seconds(timeout, "timeout")
        check_count(max_retries, "max_retries")
        settings = Settings.load(space_name, api_token, base_url, os.environ)
        transport = Transport(
            settings.base_url,
            settings.api_token,
            timeout=timeout,
            max_retries=max_retries,
            clock=clock,
        )
        path = f"/spaces/{path_segment(settings.space_name)}"
        self._settings: Settings = settings
        self._transport: Transport = transport
        self.resource: Resources = Resources(transport, path)
        self.petition: Petitions = Petitions(
            transport,
            path,
            space_name=settings.space_name,
            owner_email=token_owner(settings.api_token),
            sandbox_page=settings.sandbox_page,
        )
        self.claim: Claims = Claims(transport, path)
        self.space: Spaces = Spaces(transport)
        self.block: Blocks = Blocks(transport, path)
        self.webhook: Webhooks = Webhooks(transport, path, space_name=settings.space_name)

    @property
    def space_name(self) -> str:
        """The name of the space."""
        return self._settings.space_name

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
        settings = self._settings
        return f"IndentAPI(space_name={settings.space_name!r}, base_url={settings.base_url!r})"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of a client, checked.

    Attributes:
        space_name: the space that requests are about.
        api_token: for it; never part of `repr`.
        base_url: of the API, without a slash at its end; https, or http on loopback.
        sandbox_page: where people see petitions of a sandbox, `""` for the public site.
    """

    space_name: str
    api_token: str = field(repr=False)
    base_url: str
    sandbox_page: str = ""

    @classmethod
    def load(
        cls,
        space_name: str | None,
        api_token: str | None,
        base_url: str | None,
        environ: Mapping[str, str],
    ) -> Settings:
        """Use each argument, or else the environment's variable; an empty one is treated as unset.

        Raises:
            ConfigurationError: a setting is missing or isn't valid.
        """
        arguments = {"space_name": space_name, "api_token": api_token, "base_url": base_url}
        for name, value in arguments.items():
            if value is not None and not isinstance(value, str):
                # A value of another type may still contain the token, so the message omits it.
                raise ConfigurationError(f"{name} must be a text, not {type_with_article(value)}.")
        url = _check_base_url(base_url or environ.get("INDENT_API_URL") or PUBLIC_URL)
        return cls(
            space_name=_require(
                space_name or environ.get("INDENT_SPACE"),
                "INDENT_SPACE or pass space_name=: the name of your space, as in your space's "
                "settings",
            ),
            api_token=_check_token(
                _require(
                    api_token or environ.get("INDENT_API_TOKEN"),
                    "INDENT_API_TOKEN or pass api_token=: an access token of your account, or a "
                    "service account's, from your space's settings",
                )
            ),
            base_url=url,
            # A sandbox is on this machine: its page shows no petition of another API.
            sandbox_page=environ.get("SANDBOX_PAGE", "").rstrip("/")
            if url.startswith("http://")
            else "",
        )


def token_owner(token: str) -> str | None:
    """The e-mail in a user's token, which is a JWT with it as `sub`; None for any other token."""
    try:
        _, claims, _ = token.split(".")
        payload = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        subject = payload["sub"]
    except (ValueError, KeyError, TypeError):
        return None
    return subject if isinstance(subject, str) and "@" in subject else None


def _require(value: str | None, what_to_set: str) -> str:
    if not value or not value.strip():
        raise ConfigurationError(f"Set {what_to_set}.")
    return value.strip()


def _check_token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        # The token itself stays out of the message; the HTTP library's own would quote it.
        raise ConfigurationError(
            "INDENT_API_TOKEN (or api_token=) has a character that no token has, "
            "such as a space or a line break."
        )
    return token


def _check_base_url(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        _ = parts.port  # raises for a port that isn't valid
    except ValueError:
        parts, host = urlsplit(""), ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not (secure and host) or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            "INDENT_API_URL (or base_url=) must be https://HOST/PATH, or http:// on loopback: "
            "the token travels with every request."
        )
    return url.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
