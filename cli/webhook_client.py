"""Signs and sends a call as the access system does, for the sandbox and for `oncall`."""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cli.proxies import PROXY_REMEDY, UnreachableError
from handler.app import SYSTEM_CLOCK
from handler.callers.indent import sign
from handler.clock import Deadline
from handler.connection import Connect, Connection, encode_request
from handler.durations import format_instant
from handler.hedging import HedgedRequest
from handler.hosts import host_problem, is_loopback
from handler.http import HttpError
from handler.response import ResponseError, ResponseTooLargeError

DEFAULT_KIND = "example.v1.Resource"
TIMEOUT_SECONDS = 20
"""For the whole of a call: connecting, TLS, sending, and the answer to its last byte."""
MOST_BYTES = 6 * 1024 * 1024
"""The longest answer that Lambda sends."""


class SendError(Exception):
    """The call failed; the sentence names the address and the reason."""


@dataclass(frozen=True)
class WebhookAnswer:
    """The webhook's answer: its HTTP status, and its body as JSON, or else as text.

    `date` is the header from the server's clock.
    """

    http: int
    body: Any
    date: str = field(default="", compare=False)

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The claims; none if the answer is an error."""
        return self.body.get("claims", []) if isinstance(self.body, dict) else []


def request_event(
    email: str,
    resources: Sequence[str],
    *,
    resource_labels: Mapping[str, str] | None = None,
    duration: str = "",
    reason: str = "to debug production",
    petition: str = "",
) -> dict[str, Any]:
    """Make an `access/request` event; a resource is `KIND:ID`, or an id of the default kind.

    Without the name of a petition, a new one is made.
    """
    labels = {"petition": petition or str(uuid.uuid4())}
    if duration:
        labels["indent.com/petition/duration"] = duration
    return {
        "event": "access/request",
        "timestamp": format_instant(datetime.now(UTC)),
        "reason": reason,
        "actor": {"kind": "user", "id": email, "email": email},
        "resources": [_resource(name, resource_labels or {}) for name in resources],
        "meta": {"labels": labels},
    }


def _resource(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    kind, colon, resource_id = name.partition(":")
    if not colon:
        kind, resource_id = DEFAULT_KIND, name
    return {"kind": kind, "id": resource_id, "displayName": resource_id, "labels": dict(labels)}


def signed(
    secret: str, body: Mapping[str, Any], signed_at: datetime | None = None
) -> tuple[bytes, dict[str, str]]:
    """Give the bytes to send, as JSON.stringify writes them, and the headers that sign them.

    Some receivers verify JSON that they have parsed and written again: only this form survives.
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    # UTF-8 cannot hold half of a surrogate pair, but JSON can, as an escape.
    raw = text.encode(errors="backslashreplace")
    timestamp = format_instant(signed_at or datetime.now(UTC))
    headers = {
        "Content-Type": "application/json",
        "X-Indent-Timestamp": timestamp,
        "X-Indent-Signature": sign(secret, timestamp, raw),
    }
    return raw, headers


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and a host")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it has a character that must be percent-encoded")
    if problem := host_problem(parts.hostname):
        raise ValueError(f"its {problem}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("without https, others could read what is sent")
    _ = parts.port  # raises ValueError where the port isn't valid
    return parts


def send(
    url: str,
    secret: str,
    body: Mapping[str, Any],
    *,
    signed_at: datetime | None = None,
    timeout: float = TIMEOUT_SECONDS,
    most: int = MOST_BYTES,
    connect: Connect | None = None,
) -> WebhookAnswer:
    """POST a signed body and read the answer, within a limit of seconds and bytes.

    `connect` opens the connection for HTTPS; without it, and for plain HTTP, it is direct.

    Raises:
        SendError: the address isn't valid, or does not answer; see its cause.
    """
    raw, headers = signed(secret, body, signed_at)
    return call(url, "POST", headers, raw, timeout=timeout, most=most, connect=connect)


def call(
    url: str,
    method: str,
    headers: Mapping[str, str],
    raw: bytes = b"",
    *,
    timeout: float = TIMEOUT_SECONDS,
    most: int = MOST_BYTES,
    connect: Connect | None = None,
) -> WebhookAnswer:
    """Make a call and read the answer, as `send` does.

    Raises:
        SendError: the address isn't valid, or does not answer; see its cause.
    """
    try:
        parts = _parts(url)
    except ValueError as error:
        raise SendError(f"{url!r} isn't a valid address: {error}") from error
    try:
        request = encode_request(method, parts, headers, raw)
    except ValueError as error:  # a token may have such a character
        raise SendError(f"{url} can't be called: {error}") from error
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    tunnel = connect if tls else None
    deadline = Deadline(SYSTEM_CLOCK, timeout)
    try:
        # Several connections may be tried; the first that opens sends the call, once.
        with HedgedRequest(lambda _: Connection(parts, tls, tunnel), None, deadline) as hedged:
            hedged.start()
            with closing(hedged.wait()) as connection:
                connection.send(request, deadline)
                response = connection.read_response(most, deadline)
    except TimeoutError as error:
        raise SendError(f"{url} did not answer completely within {timeout:g} s") from error
    except ResponseTooLargeError as error:
        raise SendError(f"{url} answered with more than {most} bytes") from error
    except socket.gaierror:
        cause = UnreachableError(f"{parts.hostname} cannot be resolved", PROXY_REMEDY)
        raise SendError(f"{url} did not answer: {cause}") from cause
    except ResponseError as error:
        raise SendError(f"{url} did not answer properly: {error}") from error
    except (OSError, HttpError) as error:
        problem = str(error) or type(error).__name__
        raise SendError(f"{url} did not answer: {problem}") from error
    text, date = response.body.decode(errors="replace"), response.headers.get("date", "")
    try:
        return WebhookAnswer(response.status, json.loads(text), date)
    except (ValueError, RecursionError):
        return WebhookAnswer(response.status, text, date)
