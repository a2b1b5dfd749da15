"""Signing and sending one call, as the access system does: for the sandbox, and for `oncall`."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from handler.durations import format_instant
from handler.webhook import sign

DEFAULT_KIND = "example.v1.Resource"
TIMEOUT_SECONDS = 20


class SendError(Exception):
    """The call could not be made; the sentence names the address and the remedy."""


@dataclass(frozen=True)
class Answer:
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
        "resources": [_resource(each, resource_labels or {}) for each in resources],
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


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Give a connection that is not open yet, and what to ask for on it."""
    parts = urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise ValueError("it begins with http:// or https:// and a host")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it holds a character that has to be percent-encoded")
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return kinds[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_SECONDS), target


def send(
    url: str, secret: str, body: Mapping[str, Any], *, signed_at: datetime | None = None
) -> Answer:
    """POST a signed body and read the answer.

    Raises:
        SendError: that is no address, or nobody answers there; its cause says in which way.
    """
    raw, headers = signed(secret, body, signed_at)
    try:
        connection, target = _connection(url)
    except (ValueError, http.client.InvalidURL) as error:
        raise SendError(f"{url!r} is no http or https address ({error})") from error
    try:
        connection.request("POST", target, raw, headers)
        with connection.getresponse() as response:
            text = response.read().decode(errors="replace")
            status, date = response.status, response.headers.get("Date", "")
    # Of a host name that is none, UnicodeError.
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise SendError(f"{url} does not answer ({error})") from error
    finally:
        connection.close()
    try:
        return Answer(status, json.loads(text), date)
    except (ValueError, RecursionError):
        return Answer(status, text, date)
