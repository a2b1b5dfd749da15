"""Indent's webhook protocol: signature, routing, envelopes. No I/O.

Signature: hex HMAC-SHA256 over `v0:<timestamp>:<raw body>`, as in Indent's `@indent/webhook`
package; that a call must be recent, and the HTTP codes, are ours.
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from handler.durations import parse_instant
from handler.json_fields import ShapeError, as_list, as_str
from handler.request import CHANGES, Request, read_events

GET_INFO = "GetInfo"
PULL_UPDATE = "PullUpdate"
GET_DECISION = "GetDecision"
CAPABILITIES = (GET_DECISION, PULL_UPDATE)
BOT_KIND = "indent.v1.Bot"

MOST_BODY_BYTES = 1024 * 1024
# Of one call, all requests together: each is held against each rule, of which there are hundreds.
MOST_RESOURCES = 200
# The same: each label's name is read several times, and each text is folded for each rule.
MOST_LABELS = 2000
MOST_CHARACTERS = 50_000
TIMESTAMP_HEADER = "x-indent-timestamp"
SIGNATURE_HEADER = "x-indent-signature"

# google.rpc.Code
OK = 0
INVALID_ARGUMENT = 3
NOT_FOUND = 5
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16


_SIGNATURE = re.compile(r"[0-9a-f]{64}")
# An escape that means something only beside another one.
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """A call that gets an HTTP error.

    Attributes:
        http, code: the HTTP status and the google.rpc code of the answer.
        message: the sentence that the caller reads.
        why: what only the log says.
    """

    def __init__(self, http: int, code: int, message: str, why: str = "") -> None:
        super().__init__(message)
        self.http = http
        self.code = code
        self.message = message
        self.why = why or message


class Call(NamedTuple):
    """A webhook call that may be answered: its name, and what it brings."""

    name: str
    kinds: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()


def raw_body(event: Mapping[str, Any]) -> bytes:
    """Take the bytes that were sent out of a function URL's event (payload format 2.0).

    Raises:
        Refusal: not a POST, too large, or base64 that is none.
    """
    method = event["requestContext"]["http"]["method"]
    if method != "POST":
        raise Refusal(405, INVALID_ARGUMENT, f"{method} is not answered here: use POST")
    # Whatever cannot be encoded was not UTF-8 to begin with, and will not match its signature.
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        try:
            body = binascii.a2b_base64(body, strict_mode=True)
        except binascii.Error:
            raise _unauthenticated("the body is marked as base64 and is none") from None
    if len(body) > MOST_BODY_BYTES:
        raise Refusal(413, INVALID_ARGUMENT, "the body is over 1 MiB")
    return body


class Signature(NamedTuple):
    """What came in the two headers."""

    timestamp: str
    signature: str


def read_signature(headers: Mapping[str, str], *, now: datetime, max_age: timedelta) -> Signature:
    """Take the signature out of the headers, if it is recent. It is not verified yet.

    Raises:
        Refusal: always the same to the caller; `why` tells the cases apart.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = lowered.get(TIMESTAMP_HEADER), lowered.get(SIGNATURE_HEADER)
    if not timestamp or not signature:
        raise _unauthenticated("the timestamp or the signature is missing")
    if not _SIGNATURE.fullmatch(signature):
        raise _unauthenticated("the signature is wrong")
    signed_at = parse_instant(timestamp)
    if signed_at is None:
        raise _unauthenticated("the timestamp is no RFC 3339 instant")
    if abs(now - signed_at) > max_age:
        raise _unauthenticated(f"the timestamp is {(now - signed_at).total_seconds():.0f} s old")
    return Signature(timestamp, signature)


def verify(signature: Signature, body: bytes, secrets: Sequence[str]) -> None:
    """Check that one of the secrets signed this body.

    Raises:
        Refusal: the same as `read_signature` raises.
    """
    given = signature.signature.encode(errors="surrogatepass")
    matches = [
        hmac.compare_digest(sign(secret, signature.timestamp, body).encode(), given)
        for secret in secrets
        if secret
    ]
    if not any(matches):
        raise _unauthenticated("the signature is wrong")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a body as Indent does: lowercase hex of HMAC-SHA256."""
    return hmac.new(secret.encode(), b"v0:%b:%b" % (timestamp.encode(), body), "sha256").hexdigest()


def read_call(body: bytes) -> Call:
    """Parse a verified body and find out what is asked.

    As in Indent's base handler, the first of `kinds`, `info` and `events` that is present names
    the call, and `[]` and `{}` are present.

    Raises:
        Refusal: not JSON, of the wrong shape, or nothing that is answered here.
    """
    values, twice = _values(body)
    if not isinstance(values, dict):
        raise Refusal(400, INVALID_ARGUMENT, "the body is not a JSON object")
    try:
        if _present(values.get("kinds")):
            kinds = as_list(values["kinds"], "kinds")
            return Call(PULL_UPDATE, kinds=tuple(as_str(each, "kinds") for each in kinds))
        if _present(values.get("info")):
            return Call(GET_INFO)
        if _present(values.get("events")):
            if twice:
                raise Refusal(400, INVALID_ARGUMENT, "an object in the body has a name twice")
            events = read_events(values["events"])
            if not set(CHANGES).isdisjoint(events.names):
                raise _not_answered("ApplyUpdate (access/grant, access/revoke)")
            _check_size(events.requests)
            return Call(GET_DECISION, requests=events.requests)
    except ShapeError as error:
        raise Refusal(400, INVALID_ARGUMENT, str(error)) from None
    raise _not_answered("a body with none of kinds, info and events")


def _values(body: bytes) -> tuple[Any, bool]:
    """Parse JSON, and say whether an object in it has a name twice.

    Whoever reads the same bytes may take the other value, so that nothing is decided by it.
    """
    twice = False

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        found = dict(pairs)
        twice = twice or len(found) < len(pairs)
        return found

    try:
        values = json.loads(
            body.decode(),
            object_pairs_hook=as_object,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if _HALF_A_PAIR.search(body):
            # What cannot be logged as it is must not be approved: not every reader takes it.
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refusal(400, INVALID_ARGUMENT, "a text in the body is not Unicode") from None
    except (ValueError, RecursionError):
        raise Refusal(400, INVALID_ARGUMENT, "the body is not JSON in UTF-8") from None
    return values, twice


def _check_size(requests: Sequence[Request]) -> None:
    """Refuse what could not be decided within the budget; a request for nothing counts as one."""
    asked = sum(max(1, len(each.resources)) for each in requests)
    if asked > MOST_RESOURCES:
        raise _too_much(f"asks for {asked} resources: at most {MOST_RESOURCES}")
    things = [thing for each in requests for thing in (each.requester, *each.resources)]
    labels = [*(each.labels for each in requests), *(each.labels for each in things)]
    count = sum(map(len, labels))
    if count > MOST_LABELS:
        raise _too_much(f"has {count} labels: at most {MOST_LABELS}")
    length = sum(len(each.kind) + len(each.id) + len(each.email) for each in things)
    length += sum(len(name) + len(each[name]) for each in labels for name in each)
    if length > MOST_CHARACTERS:
        raise _too_much(
            f"names and labels its resources in {length} characters: at most {MOST_CHARACTERS}"
        )


def _too_much(what: str) -> Refusal:
    return Refusal(413, INVALID_ARGUMENT, f"the call {what} are decided at once")


def info(name: str, version: str) -> dict[str, Any]:
    """Answer GetInfo: the integrations travel as JSON text inside a `DebugInfo`."""
    about = {"name": name, "version": version, "capabilities": list(CAPABILITIES)}
    detail = {
        "@type": "type.googleapis.com/google.rpc.DebugInfo",
        "detail": json.dumps({"integrations": [about]}),
    }
    return {"status": {"code": OK, "details": [detail]}}


def resources(kinds: Sequence[str], bots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer PullUpdate with the bots, when exactly their kind is asked for."""
    return {"status": {"code": OK}, "resources": list(bots) if BOT_KIND in kinds else []}


def claims(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer GetDecision."""
    return {"status": {"code": OK}, "claims": list(made)}


def response(http: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Put an answer in the form that a function URL returns."""
    headers = {"Content-Type": "application/json"}
    return {"statusCode": http, "headers": headers, "body": json.dumps(body)}


def refused(refusal: Refusal) -> dict[str, Any]:
    """Put a refusal in the form that a function URL returns."""
    status = {"code": refusal.code, "message": refusal.message}
    return response(refusal.http, {"status": status})


def _unauthenticated(why: str) -> Refusal:
    message = "The call is not signed with this webhook's secret, or not recently."
    return Refusal(401, UNAUTHENTICATED, message, why)


def _not_answered(what: str) -> Refusal:
    answered = ", ".join((*CAPABILITIES, GET_INFO))
    return Refusal(404, NOT_FOUND, f"{what} is not answered here; these are: {answered}")


def _present(value: object) -> bool:
    """Tell present from absent as JavaScript does, for which empty lists and objects are there."""
    return isinstance(value, list | dict) or bool(value)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """Refuse what only fits infinity, which is echoed as no JSON."""
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"{text} is not finite")
    return number
