"""Receives the notices of approvals, by Standard Webhooks and as Slack's incoming webhooks do.

Shapes: Standard Webhooks 1.0.0, and Slack's "Sending messages using incoming webhooks". Nothing
here is the function's code: it would accept its own mistakes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from handler.settings import NOTIFY_SECRET, NOTIFY_SLACK_URL, NOTIFY_URL
from sandbox.vendors.server import OK, Clock, Double, Request, Response, utc_now

WEBHOOK, SLACK = "Standard Webhooks", "Slack"
MOST_NOTICES: Final = 200
TOLERANCE: Final = timedelta(minutes=5)
_MOST_BLOCKS, _MOST_TEXT = 50, 3000
_PREFIX = "whsec_"


class ReceivedNotice(NamedTuple):
    """A notice that was accepted.

    Attributes:
        receiver: `WEBHOOK` or `SLACK`.
        at: when it came.
        text: what it says to people.
    """

    receiver: str
    at: datetime
    text: str


class Receivers(Double):
    """A receiver of Standard Webhooks and a Slack channel, whose addresses are secrets of this run.

    Attributes:
        notices: the accepted ones, oldest first. A repetition of a webhook is one of them once.
    """

    def __init__(self, now: Clock = utc_now) -> None:
        super().__init__(
            {
                "POST /webhook/{token}": self._take_webhook,
                "POST /services/T0SANDBOX/B0SANDBOX/{token}": self._take_message,
            },
            now,
        )
        self.notices: deque[ReceivedNotice] = deque(maxlen=MOST_NOTICES)
        self._ids: deque[str] = deque(maxlen=MOST_NOTICES)
        self._token = secrets.token_urlsafe(24)
        self._key = secrets.token_bytes(32)

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function sends notices here."""
        return {
            NOTIFY_URL: f"{self.url}/webhook/{self._token}",
            NOTIFY_SECRET: f"{_PREFIX}{base64.b64encode(self._key).decode()}",
            NOTIFY_SLACK_URL: f"{self.url}/services/T0SANDBOX/B0SANDBOX/{self._token}",
        }

    def set_secret(self, secret: str) -> None:
        """Verify by another secret from now on."""
        self._key = base64.b64decode(secret.removeprefix(_PREFIX))

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:  # noqa: ARG002 - it gives no time
        """Make an error without a body to read."""
        return Response(status, b"", {})

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _take_webhook(self, request: Request, token: str) -> Response:
        if not self._is_token(token):
            return self.error(404)
        if not self._is_signed(request):
            return self.error(401)
        try:
            text = json.loads(request.body)["data"]["text"]
        except (ValueError, TypeError, KeyError):
            return self.error(400)
        if request.headers["webhook-id"] not in self._ids:
            self._ids.append(request.headers["webhook-id"])
            self._take(WEBHOOK, text)
        return Response(OK, {})

    def _is_signed(self, request: Request) -> bool:
        """Verify the signature of Standard Webhooks, and that it is recent."""
        id_, timestamp = (
            request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp")
        )
        if not (id_ and timestamp.isdecimal()):
            return False
        if abs(self.now().timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
            return False
        signed = b".".join((id_.encode(), timestamp.encode(), request.body))
        digest = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest())
        signatures = request.headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(one.encode(), b"v1," + digest) for one in signatures)

    def _take_message(self, request: Request, token: str) -> Response:
        if not self._is_token(token):
            return Response(404, b"no_service", {})
        try:
            text = _text_of(json.loads(request.body))
        except (ValueError, TypeError, KeyError):
            return Response(400, b"invalid_payload", {})
        self._take(SLACK, text)
        return Response(OK, b"ok", {})

    def _take(self, receiver: str, text: str) -> None:
        self.notices.append(ReceivedNotice(receiver, self.now(), str(text)))


def _text_of(message: Mapping[str, Any]) -> str:
    """Give the text of a message, within Slack's limits.

    Raises:
        ValueError: Slack would refuse the message.
    """
    texts = [block["text"] for block in message["blocks"] if block["type"] == "section"]
    is_plain = all(text["type"] == "plain_text" for text in texts)
    lengths = [len(text["text"]) for text in texts]
    fits = len(message["blocks"]) <= _MOST_BLOCKS and all(0 < n <= _MOST_TEXT for n in lengths)
    if not (message["text"] and texts and is_plain and fits):
        raise ValueError("the message isn't valid")
    return "\n\n".join(text["text"] for text in texts)
