"""What each caller's file provides, and what it may use. No I/O."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from handler import emails
from handler.clock import Deadline
from handler.http import Client
from handler.request import Request
from handler.rules.evaluate import Decision
from handler.settings import Settings

# The requester waits 10 s for the access system: this leaves it time for its own part.
BUDGET_SECONDS = 6.0
MOST_BODY_BYTES = 1024 * 1024
MOST_REASON = 500
_PLAIN_SIGNS = {ord("<"): "(", ord(">"): ")", ord("&"): "+", ord("@"): "(at)", ord("`"): "'"}
_NAMELESS = "Approved by a duty whose name is not shown here; the log has it by its id"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """A call that gets an HTTP error: `message` is for the caller, `why` for the log only."""

    def __init__(self, http: int, message: str, why: str = "") -> None:
        super().__init__(message)
        self.http = http
        self.message = message
        self.why = why or message


def unauthenticated(why: str) -> Refusal:
    """Refuse a stranger: the answer is the same whatever is wrong."""
    return Refusal(401, "The call is not authenticated.", why)


class HttpCall(NamedTuple):
    """One HTTP call: `id` and `host` are AWS's words; header names are in lower case."""

    id: str
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Services(NamedTuple):
    """What a caller may use.

    `settings` may fetch the secret; `cache` is for all calls to this environment.
    """

    environment: Mapping[str, str]
    settings: Callable[[], Settings]
    client: Client
    deadline: Deadline
    cache: dict[str, Any]


class Caller(Protocol):
    """A system that asks: an object for each call. Its file binds the class to `CALLER`.

    Each of the three steps may do I/O within the deadline, and may raise `Refusal`.
    """

    methods: ClassVar[Collection[str]]

    def __init__(self, call: HttpCall, services: Services) -> None: ...

    @staticmethod
    def budget(environment: Mapping[str, str]) -> float:
        """Give the seconds that a call may take."""

    def authenticate(self) -> None:
        """Check who calls, first by what costs nothing."""

    def requests(self) -> Sequence[Request]:
        """Read what is requested: nothing, if the call is about something else."""

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Answer with the decisions, one for each request, in order."""

    @staticmethod
    def failure(http: int, message: str) -> dict[str, Any]:
        """Answer with an error. Nothing that its reader makes of it lets anybody in."""


def read_call(
    event: Mapping[str, Any], methods: Collection[str], received_at: datetime
) -> HttpCall:
    """Read a function URL's event (payload format 2.0).

    Raises:
        Refusal: another method, a body that is too large, or one that isn't valid base64.
    """
    context = event["requestContext"]
    method = context["http"]["method"]
    if method not in methods:
        allowed = " or ".join(methods)
        raise Refusal(405, f"{method} is not answered here: use {allowed}")
    # Whatever cannot be encoded was not UTF-8, and will not match its signature.
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        try:
            body = binascii.a2b_base64(body, strict_mode=True)
        except binascii.Error:
            raise unauthenticated("the body is marked as base64 and is none") from None
    if len(body) > MOST_BODY_BYTES:
        raise Refusal(413, "the body is over 1 MiB")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    id_, host = str(context.get("requestId") or ""), str(context.get("domainName") or "")
    return HttpCall(id_, method, host, path_of(event), headers, body, received_at)


def path_of(event: object) -> str:
    """Give the path of a call, whatever the event is."""
    path = event.get("rawPath") if isinstance(event, dict) else ""
    return path if isinstance(path, str) and path else "/"


def response(http: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a JSON answer in the form that a function URL returns."""
    headers = {"Content-Type": "application/json"}
    return {"statusCode": http, "headers": headers, "body": json.dumps(body)}


def plain_text(text: str) -> str:
    """Make one line without markup, mentions, links or e-mails of a text with others' names in it.

    Chat systems and web pages act on what a schedule's name may hold.
    """
    if emails.may_be_in(text):
        return _NAMELESS
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    text = text.translate(_PLAIN_SIGNS).replace("://", ": ").replace("](", "] (")
    return text if len(text) <= MOST_REASON else f"{text[: MOST_REASON - 1]}…"
