"""Where the API is and who calls it, checked before the first request."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from indentapi import validation
from indentapi.errors import ConfigurationError

PUBLIC_URL = "https://platform.indentapis.com/v1"
PUBLIC_PAGE = "https://indent.com/access"


@dataclass(frozen=True, slots=True)
class Settings:
    """A space, the token for it, and the base URL without a slash at its end.

    `page` is where people see petitions when that is not the public site: a sandbox's page.
    """

    space: str
    token: str = field(repr=False)
    base_url: str
    page: str = ""

    @classmethod
    def of(
        cls,
        space: str | None,
        token: str | None,
        base_url: str | None,
        environ: Mapping[str, str],
    ) -> Settings:
        """Take what is given, else what the environment says; empty means unset.

        Raises:
            ConfigurationError: one is missing or cannot be used.
        """
        for name, value in (("space_name", space), ("api_token", token), ("base_url", base_url)):
            if value is not None and not isinstance(value, str):
                # A token of a wrong type may still hold the token: the value stays out.
                raise ConfigurationError(f"{name} must be a text, not {validation.type_of(value)}.")
        url = _base_url(base_url or environ.get("INDENT_API_URL") or PUBLIC_URL)
        return cls(
            space=_needed(
                space or environ.get("INDENT_SPACE"),
                "INDENT_SPACE or pass space_name=: the name of your space, as in your space's "
                "settings",
            ),
            token=_token(
                _needed(
                    token or environ.get("INDENT_API_TOKEN"),
                    "INDENT_API_TOKEN or pass api_token=: an access token of your account, or a "
                    "service account's, from your space's settings",
                )
            ),
            base_url=url,
            # A sandbox is on this machine: its page shows no petition of another API.
            page=environ.get("SANDBOX_PAGE", "").rstrip("/") if _is_local(url) else "",
        )

    @property
    def local(self) -> bool:
        """Whether the API is on this machine and spoken to in the clear."""
        return _is_local(self.base_url)

    def page_of(self, space: str, name: str) -> str:
        """Where people see a petition: on the sandbox's page, or on Indent's site."""
        if self.page:
            return f"{self.page}/#petition-{quote(name, safe='')}"
        return f"{PUBLIC_PAGE}/{quote(space, safe='')}/{quote(name, safe='')}"


def owner(token: str) -> str | None:
    """The e-mail of a user's token, which is a JWT with it as `sub`; None for any other token."""
    try:
        _, claims, _ = token.split(".")
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        subject = decoded["sub"]
    except (ValueError, KeyError, TypeError):
        return None
    return subject if isinstance(subject, str) and "@" in subject else None


def _needed(value: str | None, hint: str) -> str:
    if not value or not value.strip():
        raise ConfigurationError(f"Set {hint}.")
    return value.strip()


def _token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        # The token itself stays out of the message; the HTTP library's own would quote it.
        raise ConfigurationError(
            "INDENT_API_TOKEN (or api_token=) has a character that no token has, "
            "such as a space or a line break."
        )
    return token


def _is_local(base_url: str) -> bool:
    return base_url.startswith("http://")


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        _ = parts.port  # raises for one that cannot be
    except ValueError:
        parts, host = urlsplit(""), ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and _loopback(host))
    if not (secure and host) or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            "INDENT_API_URL (or base_url=) must be https://HOST/PATH, or http:// on loopback: "
            "the token travels with every request."
        )
    return url.strip().rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
