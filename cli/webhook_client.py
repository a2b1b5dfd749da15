"""Signing and sending one call, as the access system does: for the sandbox, and for `oncall`."""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cli.proxies import PROXY_REMEDY, UnreachableError
from handler.app import SYSTEM_CLOCK
from handler.callers.indent import sign
from handler.clock import Deadline
from handler.connection import (
    Connect,
    Connection,
    ResponseTooLargeError,
    encode_request,
)
from handler.durations import format_instant
from handler.hedging import HedgedRequest
from handler.hosts import host_problem
from handler.http import HttpError

DEFAULT_KIND = "example.v1.Resource"
TIMEOUT_SECONDS = 20
"""For the whole of a call: connecting, TLS, sending, and the answer to its last byte."""
MOST_BYTES = 6 * 1024 * 1024
"""Lambda answers with no more."""


class SendError(Exception):
    """The call could not be made; the sentence names the address and the remedy."""


@dataclass(frozen=True)
class WebhookAnswer:
    """What the webhook answered: HTTP status and JSON body, or text where it is none.

    `date` is the server's own clock, as its header says it.
    """

    http: int
    body: Any
    date: str = field(default="", compare=False)

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The claims made; none where the answer is an error."""
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

    Without a petition's name it is one of its own.
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

    Some receivers verify over what they parsed and wrote anew, and no other form survives that.
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    # Half of a surrogate pair is no UTF-8; escaped it is, as JSON has it.
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
        raise ValueError("it begins with http:// or https:// and a host")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it holds a character that has to be percent-encoded")
    if problem := host_problem(parts.hostname):
        raise ValueError(f"its {problem}")
    _ = parts.port  # read once, which is what fails where it is no port
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
    """POST a signed body and read the answer, within so many seconds and bytes.

    `connect` makes the socket for HTTPS; plain HTTP, and None, connects directly.

    Raises:
        SendError: that is no address, or nobody answers there; its cause says in which way.
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
        SendError: that is no address, or nobody answers there; its cause says in which way.
    """
    try:
        parts = _parts(url)
    except ValueError as error:
        raise SendError(f"{url!r} is no http or https address ({error})") from error
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    tunnel = connect if tls else None
    deadline = Deadline(SYSTEM_CLOCK, timeout)
    try:
        request = encode_request(method, parts, dict(headers), raw)
        # Several connections may be tried; the call is sent once, by the first that is open.
        with HedgedRequest(lambda _: Connection(parts, tls, tunnel), None, deadline) as hedged:
            hedged.start()
            with closing(hedged.wait()) as connection:
                connection.send(request, deadline)
                response, data = connection.read_response(most, deadline)
    except TimeoutError as error:
        raise SendError(f"{url} does not answer (not wholly within {timeout:g} s)") from error
    except ResponseTooLargeError as error:
        raise SendError(f"{url} does not answer (but with more than {most} bytes)") from error
    except socket.gaierror:
        cause = UnreachableError(f"{parts.hostname} cannot be resolved", PROXY_REMEDY)
        raise SendError(f"{url} does not answer ({cause})") from cause
    except HTTPException as error:  # which may quote what came
        raise SendError(f"{url} does not answer ({type(error).__name__})") from error
    except (OSError, HttpError) as error:
        problem = str(error) or type(error).__name__
        raise SendError(f"{url} does not answer ({problem})") from error
    text, date = data.decode(errors="replace"), response.headers.get("Date", "")
    try:
        return WebhookAnswer(response.status, json.loads(text), date)
    except (ValueError, RecursionError):
        return WebhookAnswer(response.status, text, date)
