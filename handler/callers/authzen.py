"""OpenID's AuthZEN Authorization API 1.0: evaluation, evaluations and metadata. No I/O.

Source: https://openid.net/specs/authorization-api-1_0.html. Every field that it does not name is
ignored; `null` is the same as absent. `context.reason`, `context.duration` and what is in the
answer's context are ours, and so is the bearer token.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from handler import emails
from handler.audit import decision_id
from handler.callers import EVALUATION, EVALUATIONS, METADATA
from handler.callers.base import (
    MOST_LABELS,
    HttpCall,
    Refusal,
    Services,
    check_requests,
    check_size,
    left_to_humans,
    plain_text,
    read_json,
    response,
    unauthenticated,
)
from handler.durations import format_instant, parse_duration
from handler.duty import Duty
from handler.json_fields import ShapeError, as_object, as_str, get_list, get_object, get_str
from handler.request import NOT_QUOTED, Request, Resource, quotable
from handler.rules.evaluate import Decision
from handler.rules.model import Policy
from handler.setting_parsers import SHORTEST_TOKEN
from handler.settings import AUTHZEN_DEADLINE, BY_NAME, PUBLIC_URL, Settings
from handler.typing import Any

NAME = "authzen"
APPROVED, LEFT_TO_HUMANS = "approved", "left to humans"
# By semantic: the decision that ends the answer.
SEMANTICS = {"execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True}
# An action is compared with those of each rule.
MOST_ACTION = 200
REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[ -~]{1,200}")
# Compiled only if it is needed, which is seldom.
_UUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
# What `AUTHZEN_TOKEN` may be.
_TOKEN = re.compile(rf"[!-~]{{{SHORTEST_TOKEN},}}")
_UNAUTHORIZED, _BAD_REQUEST = 401, 400
_REASON_NOT_SHOWN = "The reason isn't shown here; find it in the log by the decision's id"
_NUMBER = "[0-9]+(?:[.,][0-9]+)?"
# Without years and months, whose length varies.
_ISO_DURATION = re.compile(
    rf"P((?:{_NUMBER}W)|(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)"
)
# A longer text can't be a duration in either form, so it isn't searched.
_LONGEST_WISH = 66
_Json = Mapping[str, Any]


class AuthZen:
    """A call of an AuthZEN caller, which the specification calls a policy enforcement point."""

    methods = ("POST", "GET")

    def __init__(self, call: HttpCall, services: Services) -> None:
        self._call = call
        self._services = services
        self._is_batch = False
        self._errors: dict[int, str] = {}
        self.request_id = ""
        self.ends_with: bool | None = None

    @staticmethod
    def budget(environment: Mapping[str, str]) -> float:
        """Give the seconds from the settings: the specification has no time-out."""
        seconds: float = BY_NAME[AUTHZEN_DEADLINE].read(environment)
        return seconds

    def authenticate(self) -> None:
        """Compare the token. Metadata needs none."""
        call, services = self._call, self._services
        method = "GET" if call.path == METADATA else "POST"
        if call.method != method:
            raise Refusal(405, f"{call.method} isn't supported here: use {method}")
        if method == "POST":
            token = read_token(call.headers).encode()
            tokens = services.settings().authzen_tokens
            # Compare with every token, so that the time doesn't show which one matches.
            matches = [hmac.compare_digest(token, known.encode()) for known in tokens]
            if not any(matches):
                raise unauthenticated("the token is wrong")
        self.request_id = read_request_id(call.headers, services.loaded_settings())

    def requests(self) -> Sequence[Request]:
        """Read the request, or those of a batch; humans decide about an item that can't be read."""
        if self._call.path == METADATA:
            return ()
        values = self._read_body()
        policy = self._services.settings().policy
        try:
            items = get_list(values, "evaluations") if self._call.path == EVALUATIONS else ()
            if not items:
                return [read_request(values, policy)]
            check_size(len(items), (), ())
            semantic = get_str(get_object(values, "options"), "evaluations_semantic", "options.")
            self.ends_with = _last_of(semantic or "execute_all")
        except ShapeError as error:
            raise Refusal(400, str(error)) from None
        self._is_batch = True
        requests = [self._read_item(number, item, values) for number, item in enumerate(items)]
        # A default is small in the body, but every item inherits it.
        check_requests(requests)
        return [_identify(request, policy) for request in requests]

    def _read_item(self, number: int, item: object, defaults: _Json) -> Request:
        """Read an item of a batch. Each of its objects replaces the whole default of that name."""
        try:
            fields = as_object(item, "the item").items()
            own = {name: value for name, value in fields if value is not None}
            return _read_texts({**defaults, **own})
        except ShapeError as error:
            self._errors[number] = str(error)
            return left_to_humans(f"the item can't be read: {error}")

    def _read_body(self) -> _Json:
        media_type = self._call.headers.get("content-type", "").partition(";")[0]
        if media_type.strip().lower() != "application/json":
            raise Refusal(400, "Content-Type is not application/json")
        values, twice = read_json(self._call.body)
        if not isinstance(values, dict):
            raise Refusal(400, "the body is not a JSON object")
        if twice:
            raise Refusal(400, "an object in the body has a name twice")
        return values

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Answer each request in its place."""
        if self._call.path == METADATA:
            # Anybody may ask, so this never fetches the secret.
            public_url = BY_NAME[PUBLIC_URL].read(self._services.environment)
            return self._respond(metadata(public_url, self._call.host))
        answers = [
            {"decision": False, "context": _error(_BAD_REQUEST, self._errors[number])}
            if number in self._errors
            else evaluation(decision, decision_id(self._call.id, number))
            for number, decision in enumerate(decisions)
        ]
        return self._respond({"evaluations": answers} if self._is_batch else answers[0])

    def _respond(self, body: _Json) -> dict[str, Any]:
        return _echoing(response(200, body), self.request_id)

    @staticmethod
    def failure(
        http: int, message: str, headers: Mapping[str, str], settings: Settings | None
    ) -> dict[str, Any]:
        """Answer with an error: there is no decision in it."""
        request_id = read_request_id(headers, settings)
        answer = _echoing(response(http, _error(http, message)), request_id)
        if http == _UNAUTHORIZED:
            answer["headers"]["WWW-Authenticate"] = "Bearer"
        return answer


CALLER = AuthZen


def read_request_id(headers: Mapping[str, str], settings: Settings | None) -> str:
    """Read the caller's own id of the call; "" for one that is not sent back.

    An id that holds a token isn't: it is logged, and answers are stored elsewhere. Until the
    settings are loaded, that is any id that is long enough to hold one, except a UUID: most ids are
    UUIDs, and no token is.
    """
    value = headers.get(REQUEST_ID.lower(), "")
    if not _REQUEST_ID.fullmatch(value):
        return ""
    if settings is None:
        return "" if _TOKEN.search(value) and not re.fullmatch(_UUID, value) else value
    return "" if any(token in value for token in settings.authzen_tokens) else value


def _echoing(answer: dict[str, Any], request_id: str) -> dict[str, Any]:
    if request_id:
        answer["headers"][REQUEST_ID] = request_id
    return answer


def read_token(headers: Mapping[str, str]) -> str:
    """Read the token from the headers: a bearer token, or the password of Basic (RFC 7617).

    Raises:
        Refusal: there is none, or the settings would not accept it as a token, so that fetching the
            secret is pointless.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "basic":
        try:
            plain = binascii.a2b_base64(credentials, strict_mode=True).decode()
        except ValueError:  # as binascii.Error and UnicodeDecodeError are
            raise unauthenticated("Basic's credentials are not base64 of UTF-8") from None
        credentials = plain.partition(":")[2]
    elif scheme.lower() != "bearer":
        raise unauthenticated("there is no bearer token")
    if not _TOKEN.fullmatch(credentials):
        raise unauthenticated(
            "the token is too short, or contains a character that a token can't have"
        )
    return credentials


def _last_of(semantic: str) -> bool | None:
    if semantic not in SEMANTICS:
        raise ShapeError(f"options.evaluations_semantic is not one of {', '.join(SEMANTICS)}")
    return SEMANTICS[semantic]


def read_request(values: _Json, policy: Policy) -> Request:
    """Read what is requested. A resource's properties are its labels; the caller vouches for them.

    Raises:
        ShapeError: a required field is missing, or a field has the wrong type or is too long.
        Refusal: there are too many labels, or the texts are too long.
    """
    request = _read_texts(values)
    check_requests([request])
    return _identify(request, policy)


def _read_texts(values: _Json) -> Request:
    """Read a request whose requester has no e-mail yet. No long text is scanned."""
    subject = _entity(values, "subject", "type", "id")
    resource = _entity(values, "resource", "type", "id")
    action = _entity(values, "action", "name")
    if len(action["name"]) > MOST_ACTION:
        raise ShapeError(f"action.name is longer than {MOST_ACTION} characters")
    context = get_object(values, "context")
    get_str(context, "reason", "context.")
    length, unreadable = _wish(context.get("duration"))
    properties = get_object(resource, "properties")
    if len(properties) > MOST_LABELS:  # whatever they are, each item would go through them
        raise Refusal(413, f"resource.properties has more than {MOST_LABELS} entries")
    labels = {name: value for name, value in properties.items() if isinstance(value, str)}
    return Request(
        Resource(subject["type"], subject["id"]),
        (Resource(resource["type"], resource["id"], labels=labels),),
        requested_duration=length,
        unreadable_duration=unreadable,
        action=action["name"],
    )


def _identify(request: Request, policy: Policy) -> Request:
    """Add the requester's e-mail: the policy's for this name, or else the name if it is one."""
    name = request.requester.id
    email = policy.email_of(NAME, name) or (name if emails.has_at(name) else "")
    return request._replace(requester=request.requester._replace(email=email))


def _entity(values: _Json, name: str, *fields: str) -> _Json:
    if values.get(name) is None:
        raise ShapeError(f"{name} is missing")
    entity = as_object(values[name], name)
    for field in fields:
        if not get_str(entity, field, f"{name}."):
            raise ShapeError(f"{name}.{field} is missing")
    get_object(entity, "properties", f"{name}.")
    return entity


def _wish(value: object) -> tuple[timedelta | None, str]:
    """Read the requested duration; if it isn't a positive duration, give what to quote of it."""
    if value is None:
        return None, ""
    text = as_str(value, "context.duration")
    match = _ISO_DURATION.fullmatch(text) if len(text) <= _LONGEST_WISH else None
    length = parse_duration(match[1].replace("T", "").replace(",", ".") if match else text)
    if length is None or length <= timedelta(0):
        return None, quotable(text) or NOT_QUOTED
    return length, ""


def evaluation(decision: Decision, id_: str) -> dict[str, Any]:
    """Answer one request. Callers that can't compare booleans compare the outcome."""
    context: dict[str, Any] = {
        "outcome": APPROVED if decision.approved else LEFT_TO_HUMANS,
        "reason": plain_text(decision.reason)
        if decision.approved
        else plain_text(decision.reason, _REASON_NOT_SHOWN),
        "decision_id": id_,
    }
    if decision.approved:
        context["expires_at"] = format_instant(decision.now + decision.duration)
        context["duration_seconds"] = int(decision.duration.total_seconds())
        context["rests_on"] = [_duty(duty, decision.now) for duty in decision.evidence]
    return {"decision": decision.approved, "context": context}


def _duty(duty: Duty, now: datetime) -> dict[str, str]:
    """Say which duty an approval is based on, and how long that lasts. It names no person."""
    end = duty.known_end(now)
    fields = {
        "provider": duty.provider,
        "kind": duty.kind,
        "name": plain_text(duty.title),
        "incident": plain_text(duty.incident, emails.HIDDEN),
        "lasts": duty.lasts,
        "until": format_instant(end) if end else "",
    }
    return {name: value for name, value in fields.items() if value}


def metadata(public_url: str, host: str) -> dict[str, Any]:
    """Give the addresses of the endpoints, at `PUBLIC_URL` or else at AWS's own address."""
    url = public_url or f"https://{host}"
    return {
        "policy_decision_point": url,
        "access_evaluation_endpoint": f"{url}{EVALUATION}",
        "access_evaluations_endpoint": f"{url}{EVALUATIONS}",
    }


def _error(http: int, message: str) -> dict[str, Any]:
    return {"error": {"status": http, "message": message}}
