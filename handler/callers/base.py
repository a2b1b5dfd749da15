"""What a caller's file has to provide, and what it may use. No I/O."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from handler import emails
from handler.clock import Deadline
from handler.http import Client
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from handler.settings import Settings
from handler.typing import Any, ClassVar, NamedTuple, Protocol

# Access systems make the requester wait for up to 10 s, and need time themselves.
BUDGET_SECONDS = 6.0
MOST_BODY_BYTES = 1024 * 1024
MOST_REASON = 500
# For all requests of a call: each resource is compared with each of hundreds of rules.
MOST_RESOURCES = 200
# Label names are read several times, and each text is folded for each rule.
MOST_LABELS = 2000
MOST_CHARACTERS = 50_000
# Why an answer is a 503; `oncall check` knows them by these texts.
UNREAD_SECRET = "The webhook's secret can't be read; see the log for the reason."  # noqa: S105 - a text
UNREAD_KEYS = "The tenant's keys can't be fetched; see the log for the reason."
_PLAIN_SIGNS = {ord("<"): "(", ord(">"): ")", ord("&"): "+", ord("@"): "(at)", ord("`"): "'"}
# An escape that is valid only as one of a pair.
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_NAMELESS = "Approved by a duty whose name isn't shown here; find it in the log by its id"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """A call gets an HTTP error: `message` is for the caller, `why` only for the log."""

    def __init__(self, http: int, message: str, why: str = "") -> None:
        super().__init__(message)
        self.http = http
        self.message = message
        self.why = why or message


class NotFound(Refusal):
    """No caller has this path, or its caller is switched off: the answer doesn't show which."""

    def __init__(self, why: str) -> None:
        super().__init__(404, "There is nothing here.", why)


def unauthenticated(why: str) -> Refusal:
    """Make the refusal of an unknown caller: the answer is the same whatever is wrong."""
    return Refusal(401, "The call is not authenticated.", why)


class HttpCall(NamedTuple):
    """One HTTP call: `id` and `host` come from AWS; header names are in lower case."""

    id: str
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Services(NamedTuple):
    """What a caller may use.

    Attributes:
        settings: gives the settings; this may fetch the secret.
        loaded_settings: gives the settings if they are loaded already, and fetches nothing.
        cache: shared by all calls to this environment.
        log: writes a line from a level, a message and fields.
    """

    environment: Mapping[str, str]
    settings: Callable[[], Settings]
    loaded_settings: Callable[[], Settings | None]
    client: Client
    deadline: Deadline
    cache: dict[str, Any]
    log: Callable[..., None]


class Caller(Protocol):
    """A system that calls the function; there is an object for each call.

    A caller's file binds its class to `CALLER`. Each of the three steps may do I/O within the
    deadline, and may raise `Refusal`.

    Attributes:
        methods: the HTTP methods that it uses.
        request_id: its own id of the call, for the log; "" if it sends none.
        ends_with: the decision (approved or not) after which its answer ends; None if it answers
            every request. Known once `requests` has returned.
    """

    methods: ClassVar[Collection[str]]
    request_id: str
    ends_with: bool | None

    def __init__(self, call: HttpCall, services: Services) -> None: ...

    @staticmethod
    def budget(environment: Mapping[str, str]) -> float:
        """Give the seconds that a call may take, from when AWS took it."""

    def authenticate(self) -> None:
        """Check who calls. Checks without I/O come first."""

    def requests(self) -> Sequence[Request]:
        """Read what is requested. A call about something else requests nothing."""

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Answer with the decisions, one for each request up to the one that ends the answer."""

    @staticmethod
    def failure(
        http: int, message: str, headers: Mapping[str, str], settings: Settings | None
    ) -> dict[str, Any]:
        """Answer with an error. However the caller reads it, nobody is let in.

        `headers` are those of the call that can be read. `settings` is None if they haven't been
        loaded yet.
        """


def read_call(
    event: Mapping[str, Any], methods: Collection[str], received_at: datetime
) -> HttpCall:
    """Read the event of a function URL or an HTTP API (payload format 2.0).

    Raises:
        Refusal: another method, a body that is too large, or one that isn't valid base64.
    """
    context = event["requestContext"]
    method = context["http"]["method"]
    if method not in methods:
        allowed = " or ".join(methods)
        raise Refusal(405, f"{method} isn't supported here: use {allowed}")
    # A text that can't be encoded was not UTF-8, and will not match its signature.
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        try:
            body = binascii.a2b_base64(body, strict_mode=True)
        except binascii.Error:
            raise unauthenticated("the body is marked as base64 but isn't valid base64") from None
    if len(body) > MOST_BODY_BYTES:
        raise Refusal(413, "the body is over 1 MiB")
    host = str(context.get("domainName") or "")
    return HttpCall(
        id_of(event), method, host, path_of(event), headers_of(event), body, received_at
    )


def id_of(event: object) -> str:
    """Give AWS's id of a call, whatever the event is; "" if it has none."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return str(context.get("requestId") or "") if isinstance(context, dict) else ""


def path_of(event: object) -> str:
    """Give the path of a call, whatever the event is."""
    path = event.get("rawPath") if isinstance(event, dict) else ""
    return path if isinstance(path, str) and path else "/"


def headers_of(event: object) -> dict[str, str]:
    """Give the headers of a call, by their names in lower case, whatever the event is."""
    headers = event.get("headers") if isinstance(event, dict) else None
    pairs = headers.items() if isinstance(headers, dict) else ()
    return {name.lower(): value for name, value in pairs if isinstance(value, str)}


def seconds_since(event: Mapping[str, Any], now: datetime) -> float:
    """Say how long ago AWS received the call; this includes a cold start."""
    context = event["requestContext"]
    return max(0.0, now.timestamp() - context["timeEpoch"] / 1000) if "timeEpoch" in context else 0


def read_json(body: bytes) -> tuple[Any, bool]:
    """Parse JSON, and say whether an object in it has a name twice.

    Other readers of the same bytes may use the other value, so callers refuse such a body.

    Raises:
        Refusal: it isn't JSON in UTF-8, or has a text that can't be written as UTF-8.
    """
    twice = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        fields = dict(pairs)
        twice = twice or len(fields) < len(pairs)
        return fields

    try:
        values = json.loads(
            body.decode(),
            object_pairs_hook=unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if _HALF_A_PAIR.search(body):
            # Strict readers reject half a pair, so it couldn't be logged as it is.
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refusal(400, "a text in the body is not Unicode") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON in UTF-8") from None
    return values, twice


def _no_constant(_name: str) -> None:
    raise ValueError  # NaN and Infinity aren't JSON (RFC 8259, 6)


def _finite(text: str) -> float:
    """Refuse a number that becomes infinity, which JSON can't express."""
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError
    return number


def left_to_humans(objection: str) -> Request:
    """Make a request that humans decide, whatever the policy allows."""
    return Request(Resource(), (), objection=objection)


def check_size(
    resources: int,
    entities: Iterable[Resource],
    labels: Iterable[Mapping[str, str]],
    actions: Iterable[str] = (),
) -> None:
    """Refuse a call that is too large to be decided within the budget.

    Args:
        resources: how many the call asks for.
        entities: the requester and the resources of each request.
        labels: those of the requests and of all entities.
        actions: the name of each request's action.

    Raises:
        Refusal: it is too large.
    """
    labels = list(labels)
    count = sum(map(len, labels))
    length = sum(len(entity.kind) + len(entity.id) + len(entity.email) for entity in entities)
    length += sum(len(name) + len(value) for some in labels for name, value in some.items())
    length += sum(map(len, actions))
    if resources > MOST_RESOURCES:
        problem = f"asks for {resources} resources: at most {MOST_RESOURCES}"
    elif count > MOST_LABELS:
        problem = f"has {count} labels: at most {MOST_LABELS}"
    elif length > MOST_CHARACTERS:
        problem = (
            f"names and labels its resources in {length} characters: at most {MOST_CHARACTERS}"
        )
    else:
        return
    raise Refusal(413, f"the call {problem} are decided at once")


def check_requests(requests: Sequence[Request]) -> None:
    """Refuse requests for one resource each that are too large, as `check_size` does."""
    entities = [entity for one in requests for entity in (one.requester, *one.resources)]
    labels = (entity.labels for entity in entities)
    check_size(len(requests), entities, labels, (request.action for request in requests))


def response(http: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a JSON answer in the form that a function URL or an HTTP API returns."""
    headers = {"Content-Type": "application/json"}
    return {"statusCode": http, "headers": headers, "body": json.dumps(body)}


def plain_text(text: str, without_email: str = _NAMELESS) -> str:
    """Make one line without markup, mentions, links or e-mails of a text that has others' names.

    Chat systems and web pages interpret what a schedule's name may contain. `without_email`
    replaces a text that may contain an e-mail.
    """
    if emails.may_be_in(text):
        return without_email
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    text = text.translate(_PLAIN_SIGNS).replace("://", ": ").replace("](", "] (")
    if "www." in text.lower():
        text = re.sub(r"(?i)(www)\.", r"\1 .", text)
    return text if len(text) <= MOST_REASON else f"{text[: MOST_REASON - 1]}…"
