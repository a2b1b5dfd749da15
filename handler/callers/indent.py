"""Indent's webhook protocol. No I/O.

Signature: hex HMAC-SHA256 of `v0:<timestamp>:<raw body>`, as in Indent's `@indent/webhook` package.
Refusing old calls, and the HTTP codes, are our choice. Shapes: the `Event`, `Resource` and `Meta`
messages of Indent's API, in proto-JSON: camelCase, every field may be absent, and `null` means
absent.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from handler import __version__
from handler.callers.base import (
    BUDGET_SECONDS,
    HttpCall,
    Refusal,
    Services,
    check_size,
    plain_text,
    read_json,
    response,
    unauthenticated,
)
from handler.durations import format_go, format_instant, parse_duration, parse_instant
from handler.folding import fold
from handler.json_fields import (
    ShapeError,
    as_list,
    as_object,
    as_str,
    get_list,
    get_object,
    get_str,
)
from handler.providers.registry import BY_ID, BY_NAME, Provider
from handler.request import Request, Resource, quotable
from handler.rules.evaluate import Decision
from handler.settings import Settings, max_age
from handler.typing import Any, NamedTuple

NAME = "oncall-approvals"
GET_INFO, PULL_UPDATE, GET_DECISION = "GetInfo", "PullUpdate", "GetDecision"
CAPABILITIES = (GET_DECISION, PULL_UPDATE)
BOT_KIND = "indent.v1.Bot"
# Providers that Indent spells differently.
_INDENT_NAMES = {"incidentio": "Incident.io", "opsgenie": "OpsGenie"}

REQUEST, APPROVE = "access/request", "access/approve"
CHANGES = ("access/grant", "access/revoke")
DURATION = "indent.com/time/duration"
EXPIRES = "indent.com/time/expires"
REQUESTED_DURATION = "indent.com/petition/duration"
PETITION = ("indent.com/petition", "petition")
_TIME_PREFIX = "indent.com/time/"
_TIME_LABELS = (REQUESTED_DURATION, "expires")
_EMAIL_LABEL = "indent.com/resource/email"
# A requested duration that means: as long as the policy allows.
_INDEFINITE, _NO_TIME = "indefinite", timedelta(0)

TIMESTAMP_HEADER = "x-indent-timestamp"
SIGNATURE_HEADER = "x-indent-signature"
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
# google.rpc.Code
OK, INVALID_ARGUMENT, NOT_FOUND, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 0, 3, 5, 13, 14, 16
_CODES = {401: UNAUTHENTICATED, 404: NOT_FOUND, 500: INTERNAL, 503: UNAVAILABLE}


class Event(NamedTuple):
    """An `access/request` event; `echo` is the unchanged actor and resources, for the claim."""

    actor: Resource
    resources: tuple[Resource, ...]
    labels: Mapping[str, str]
    echo: tuple[Mapping[str, Any], ...] = ()

    @property
    def request(self) -> Request:
        """The request that it makes."""
        return read_request(self.actor, self.resources, self.labels)


class Payload(NamedTuple):
    """A body: the name of the call, and its arguments."""

    name: str
    kinds: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


class Indent:
    """A call by Indent's protocol."""

    methods = ("POST",)
    request_id = ""  # a petition is in the record of each request
    ends_with = None

    def __init__(self, call: HttpCall, services: Services) -> None:
        self._call = call
        self._services = services
        self._payload = Payload("")

    @staticmethod
    def budget(_environment: Mapping[str, str]) -> float:
        """Give the usual time."""
        return BUDGET_SECONDS

    def authenticate(self) -> None:
        """Verify the signature. The secret is fetched only if the signature is recent."""
        call, services = self._call, self._services
        age = max_age(services.environment)
        signed = read_signature(call.headers, now=call.received_at, max_age=age)
        verify(signed, call.body, services.settings().webhook_secrets)

    def requests(self) -> Sequence[Request]:
        """Read the requests of a GetDecision call."""
        self._payload = read_payload(self._call.body)
        return [event.request for event in self._payload.events]

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Answer with a claim for each approval, or answer the other calls."""
        payload = self._payload
        if payload.name == GET_INFO:
            return response(200, info(NAME, __version__))
        if payload.name == PULL_UPDATE:
            bots = [bot_of(BY_ID[id_]) for id_ in self._services.settings().providers]
            return response(200, resources(payload.kinds, bots))
        made = [
            claim(
                event,
                actor=bot_of(BY_NAME[decision.evidence[0].provider]),
                reason=decision.reason,
                now=decision.now,
                duration=decision.duration,
            )
            for event, decision in zip(payload.events, decisions, strict=True)
            if decision.approved
        ]
        return response(200, {"status": {"code": OK}, "claims": made})

    @staticmethod
    def failure(
        http: int, message: str, _headers: Mapping[str, str], _settings: Settings | None
    ) -> dict[str, Any]:
        """Answer with a `google.rpc.Status`: there is no claim in it."""
        code = _CODES.get(http, INVALID_ARGUMENT)
        return response(http, {"status": {"code": code, "message": message}})


CALLER = Indent


def read_signature(
    headers: Mapping[str, str], *, now: datetime, max_age: timedelta
) -> tuple[str, str]:
    """Read timestamp and signature from the headers, if they are recent and well-formed."""
    timestamp, signature = headers.get(TIMESTAMP_HEADER), headers.get(SIGNATURE_HEADER)
    if not timestamp or not signature:
        raise unauthenticated("the timestamp or the signature is missing")
    if not _SIGNATURE.fullmatch(signature):
        raise unauthenticated("the signature is wrong")
    signed_at = parse_instant(timestamp)
    if signed_at is None:
        raise unauthenticated("the timestamp isn't an RFC 3339 time")
    if abs(now - signed_at) > max_age:
        raise unauthenticated(f"the timestamp is {(now - signed_at).total_seconds():.0f} s old")
    return timestamp, signature


def verify(signed: tuple[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check that one of the secrets signed this body; compare with each, in constant time."""
    timestamp, signature = signed
    matches = [
        hmac.compare_digest(sign(secret, timestamp, body), signature)
        for secret in secrets
        if secret
    ]
    if not any(matches):
        raise unauthenticated("the signature is wrong")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a body as Indent does: lowercase hex of HMAC-SHA256."""
    return hmac.new(secret.encode(), b"v0:%b:%b" % (timestamp.encode(), body), "sha256").hexdigest()


def read_payload(body: bytes) -> Payload:
    """Parse a verified body and find out which call it is.

    As in Indent's base handler, the first of `kinds`, `info` and `events` that is present names
    the call, and `[]` and `{}` are present.

    Raises:
        Refusal: it isn't JSON, has the wrong shape, or is a call that isn't supported.
    """
    values, twice = read_json(body)
    if not isinstance(values, dict):
        raise Refusal(400, "the body is not a JSON object")
    try:
        if _present(values.get("kinds")):
            kinds = as_list(values["kinds"], "kinds")
            return Payload(PULL_UPDATE, kinds=tuple(as_str(kind, "kinds") for kind in kinds))
        if _present(values.get("info")):
            return Payload(GET_INFO)
        if _present(values.get("events")):
            if twice:
                raise Refusal(400, "an object in the body has a name twice")
            names, events = read_events(values["events"])
            if not names.isdisjoint(CHANGES):
                raise _not_answered("ApplyUpdate (access/grant, access/revoke)")
            _check_size(events)
            return Payload(GET_DECISION, events=events)
    except ShapeError as error:
        raise Refusal(400, str(error)) from None
    raise _not_answered("a body with none of kinds, info and events")


def read_events(value: object) -> tuple[set[str], tuple[Event, ...]]:
    """Read the names of all events, and the `access/request` events."""
    names, events = set(), []
    for index, item in enumerate(as_list(value, "events")):
        path = f"events[{index}]"
        event = as_object(item, path)
        name = get_str(event, "event", f"{path}.")
        names.add(name)
        if name == REQUEST:
            events.append(_event(event, f"{path}."))
    return names, tuple(events)


def _event(event: Mapping[str, Any], at: str) -> Event:
    actor = _resource(event.get("actor"), f"{at}actor")
    resources = [
        _resource(resource, f"{at}resources[{index}]")
        for index, resource in enumerate(get_list(event, "resources", at))
    ]
    echo = (event.get("actor") or {}, *(raw or {} for raw in get_list(event, "resources", at)))
    meta = get_object(event, "meta", at)
    return Event(actor, tuple(resources), _labels(meta, f"{at}meta."), echo)


def _resource(value: object, path: str) -> Resource:
    raw = as_object(value, path)
    kind, id_, email = (get_str(raw, field, f"{path}.") for field in ("kind", "id", "email"))
    return Resource(kind, id_, email, _labels(raw, f"{path}."))


def _labels(parent: Mapping[str, Any], at: str) -> dict[str, str]:
    # The requester chooses the labels' names, so an error never repeats them.
    labels = get_object(parent, "labels", at)
    return {name: as_str(value, f"a value of {at}labels") for name, value in labels.items()}


def _check_size(events: Sequence[Event]) -> None:
    """Refuse a call that is too large; a request without resources counts as one resource."""
    entities = [entity for event in events for entity in (event.actor, *event.resources)]
    labels = [*(event.labels for event in events), *(entity.labels for entity in entities)]
    check_size(sum(max(1, len(event.resources)) for event in events), entities, labels)


def read_request(
    actor: Resource, resources: Sequence[Resource], labels: Mapping[str, str]
) -> Request:
    """Make the request of an event; its labels give further e-mails, times and petitions."""
    wishes = [*label_values(labels, DURATION), *label_values(labels, REQUESTED_DURATION)]
    wishes = [text for text in wishes if text.lower() != _INDEFINITE]
    positive = (length for text in wishes if (length := parse_duration(text)) and length > _NO_TIME)
    ends = label_values(labels, EXPIRES)
    return Request(
        _with_emails(actor),
        tuple(map(_with_emails, resources)),
        requested_duration=min(positive, default=None),
        requested_expiry=min(filter(None, map(parse_instant, ends)), default=None),
        unreadable_duration=_unreadable(wishes, parse_duration),
        unreadable_expiry=_unreadable(ends, parse_instant),
        groups=tuple(value for name in PETITION for value in label_values(labels, name)),
    )


def _with_emails(resource: Resource) -> Resource:
    return resource._replace(other_emails=label_values(resource.labels, _EMAIL_LABEL))


def _unreadable(texts: Iterable[str], parse: Callable[[str], object]) -> str:
    return next((quotable(text) for text in texts if parse(text) is None), "")


def label_values(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Give a label's values under every spelling of its name: other readers may be lax."""
    values = (value.strip() for label, value in labels.items() if fold(label) == name)
    return tuple(filter(None, values))


def claim(
    event: Event,
    *,
    actor: Mapping[str, Any],
    reason: str,
    now: datetime,
    duration: timedelta,
) -> dict[str, Any]:
    """Make the approving event: requester first, then the resources, for `duration` from `now`.

    The request's labels are echoed, except those about time, which only the decision sets.
    """
    labels = {name: value for name, value in event.labels.items() if not _speaks_of_time(name)}
    labels[DURATION] = format_go(duration)
    labels[EXPIRES] = format_instant(now + duration)
    return {
        "event": APPROVE,
        "timestamp": format_instant(now),
        "actor": dict(actor),
        "reason": plain_text(reason),
        "resources": list(event.echo),
        "meta": {"labels": labels},
    }


def _speaks_of_time(label: str) -> bool:
    name = fold(label)
    return name.startswith(_TIME_PREFIX) or name in _TIME_LABELS


def info(name: str, version: str) -> dict[str, Any]:
    """Answer GetInfo: the integrations are JSON text within a `DebugInfo`."""
    about = {"name": name, "version": version, "capabilities": list(CAPABILITIES)}
    detail = {
        "@type": "type.googleapis.com/google.rpc.DebugInfo",
        "detail": json.dumps({"integrations": [about]}),
    }
    return {"status": {"code": OK, "details": [detail]}}


def bot_of(provider: Provider) -> dict[str, Any]:
    """Make the bot in whose name a claim is made; Indent knows it from PullUpdate."""
    name = _INDENT_NAMES.get(provider.id, provider.name)
    return {
        "kind": BOT_KIND,
        "id": f"{provider.id}-approval-bot",
        "displayName": f"{name} Approval Bot",
        "email": "bot@indent.com",
    }


def resources(kinds: Sequence[str], bots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer PullUpdate with the bots, if their exact kind is requested."""
    return {"status": {"code": OK}, "resources": list(bots) if BOT_KIND in kinds else []}


def _not_answered(what: str) -> Refusal:
    answered = ", ".join((*CAPABILITIES, GET_INFO))
    return Refusal(404, f"{what} isn't supported here; supported are: {answered}")


def _present(value: object) -> bool:
    """Say whether a value is present as in JavaScript, where empty lists and objects are."""
    return isinstance(value, list | dict) or bool(value)
