"""ConductorOne's webhook policy step.

Each call has a JSON Web Token that is bound to the address and the body. It is verified with the
tenant's public keys, so there is no shared secret. Shapes: `PayloadPolicyApprovalStep` and
`ResponsePolicyApprovalStep` of ConductorOne's API (`c1.webhooks.v1`), in proto-JSON: every field
may be absent, and `null` means absent.

The calling policy has a human step after this one. An approval replaces the remaining steps by
"accept". Any other decision is answered with `approve`, and the next step's humans decide. If the
call shows that there is no human step, the answer is `deny`.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from handler.callers.base import (
    BUDGET_SECONDS,
    UNREAD_KEYS,
    HttpCall,
    NotFound,
    Refusal,
    Services,
    check_requests,
    left_to_humans,
    plain_text,
    read_json,
    response,
    unauthenticated,
)
from handler.http import HttpError
from handler.json_fields import (
    JsonObject,
    ShapeError,
    as_object,
    get_list,
    get_object,
    get_str,
)
from handler.jwt import RS256, RsaKey, Token, TokenError, read_keys, read_token, verify_rs256
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from handler.settings import (
    BY_NAME,
    CONDUCTORONE_BASE_URL,
    CONDUCTORONE_TENANT,
    PUBLIC_URL,
    Settings,
)
from handler.typing import Any, NamedTuple, TypeGuard

NAME = "conductorone"
VERSION = "v1"
TEST = "c1.webhooks.v1.PayloadTest"
APPROVAL_STEP = "c1.webhooks.v1.PayloadPolicyApprovalStep"
ENTITLEMENT_KIND = "c1.api.app.v1.AppEntitlement"
USER_KIND = "c1.api.user.v1.User"
APP_LABEL = "app"
KEYS_PATH = "/auth/v1/jwks"
LEFT_TO_HUMANS = "Left to humans: "
DENIED = "Denied, since nobody reviews any later step of the policy: "
# The kinds of approval steps that another person decides, not a program or the requester (`self`).
# An `expression` is none of them: ConductorOne skips its step if it finds nobody.
HUMAN_APPROVALS = frozenset(
    {"users", "manager", "appOwners", "group", "entitlementOwners", "resourceOwners"}
)
# Keys are cached for an hour, even if the tenant revokes them. An unknown id may be a new key, but
# the keys are fetched for it at most once a minute.
KEYS_LAST, KEYS_PAUSE = timedelta(hours=1), timedelta(minutes=1)
# For this long after a failed fetch, calls without known keys are answered without another fetch.
FAILURE_LASTS = timedelta(seconds=5)
# A token's `nbf` may be this long ago, and its `exp` this far ahead. ConductorOne's own tokens are
# valid from 60 s before they are made to 120 s after.
TOKEN_SECONDS = 300
# The share of a call's time for fetching the keys; the rest is for the providers.
_TIME_FOR_KEYS = 0.5
_FAILED_AT, _NEVER = f"{KEYS_PATH} failed at", datetime.min.replace(tzinfo=UTC)
_OTHER_ALGORITHMS = frozenset({"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256"})
_BEARER = re.compile(r"(?i:bearer) +([\w.-]+)", re.ASCII)
# proto-JSON's `google.protobuf.Duration`, not negative. Access for over 31 years has no end.
_DURATION = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?s")


class KnownKeys(NamedTuple):
    """A tenant's keys, and when they were fetched."""

    keys: Mapping[str, RsaKey]
    fetched_at: datetime


class ConductorOne:
    """A call by ConductorOne."""

    methods = ("POST",)

    ends_with = None

    def __init__(self, call: HttpCall, services: Services) -> None:
        self.request_id = ""
        self._call = call
        self._services = services
        self._has_no_human = False

    @staticmethod
    def budget(_environment: Mapping[str, str]) -> float:
        """Give the usual time; ConductorOne waits for 30 seconds."""
        return BUDGET_SECONDS

    def authenticate(self) -> None:
        """Verify the token. The keys are fetched only if its claims are for this call."""
        tenant = BY_NAME[CONDUCTORONE_TENANT].read(self._services.environment)
        if not tenant:
            raise NotFound(f"{NAME} is off, since {CONDUCTORONE_TENANT} is not set")
        token = read_authorization(self._call.headers.get("authorization", ""))
        public_url = BY_NAME[PUBLIC_URL].read(self._services.environment)
        check_claims(token.claims, self._call, f"{tenant}.conductor.one", public_url)
        key = self._key(tenant, token)
        if not verify_rs256(key, token.signed, token.signature):
            raise unauthenticated("the token's signature is wrong")

    def _key(self, tenant: str, token: Token) -> RsaKey:
        """Give the tenant's key that a token names; fetch the keys if they may have changed."""
        id_, now, cache = token.key_id, self._call.received_at, self._services.cache
        known: KnownKeys | None = cache.get(KEYS_PATH)
        failed_at: datetime = cache.get(_FAILED_AT, _NEVER)
        if known is not None and not _is_within(KEYS_LAST, known.fetched_at, now):
            known = None
        if known is None and _is_within(FAILURE_LASTS, failed_at, now):
            raise Refusal(503, UNREAD_KEYS, "fetching the tenant's keys failed less than 5 s ago")
        if known is None or (
            id_ not in known.keys
            and not _is_within(KEYS_PAUSE, known.fetched_at, now)
            and not _is_within(KEYS_PAUSE, failed_at, now)
        ):
            known = self._fetch_keys(tenant)
        if id_ not in known.keys:
            raise unauthenticated("the tenant has no RSA key of the token's kid")
        return known.keys[id_]

    def _fetch_keys(self, tenant: str) -> KnownKeys:
        """Fetch the keys. A failure is remembered, unless it only shows that this call is late."""
        services, now = self._services, self._call.received_at
        base_url = BY_NAME[CONDUCTORONE_BASE_URL].read(services.environment)
        url = f"{base_url or f'https://{tenant}.conductor.one'}{KEYS_PATH}"
        deadline = services.deadline.part(_TIME_FOR_KEYS)
        seconds = deadline.left()
        try:
            keys = services.client.get_json(url, {}, deadline, read_usable_keys)
        except (HttpError, ShapeError) as error:
            if not deadline.ran_out_early(seconds):
                services.cache[_FAILED_AT] = now + timedelta(seconds=seconds - deadline.left())
            raise Refusal(503, UNREAD_KEYS, f"{url}: {error}") from None
        known = services.cache[KEYS_PATH] = KnownKeys(keys, now)
        return known

    def requests(self) -> Sequence[Request]:
        """Read the request of a policy step; a test event has none."""
        event = read_event(self._call.body)
        if event["event"] == TEST:
            return ()
        request, self.request_id = read_step(event)
        self._has_no_human = has_no_human(event)
        return [request]

    def answer(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Accept, or pass the request on to the next step; deny it if no human step follows."""
        answer = answer_to(*decisions)
        if self._has_no_human and "approve" in answer:
            reason = answer["approve"]["comment"].removeprefix(LEFT_TO_HUMANS)
            answer = {"deny": {"comment": f"{DENIED}{reason}"}}
            why = "the policy has no later step that a human decides"
            ids = {"call": self._call.id, "caller": NAME, "caller_request": self.request_id}
            self._services.log("WARN", "denied", **ids, why=why)
        return response(200, {"version": VERSION, **answer})

    @staticmethod
    def failure(
        http: int, message: str, _headers: Mapping[str, str], _settings: Settings | None
    ) -> dict[str, Any]:
        """Answer with an error, which doesn't decide the step."""
        return response(http, {"message": message})


CALLER = ConductorOne


def read_usable_keys(value: object) -> dict[str, RsaKey]:
    """Read a tenant's keys. A set without a usable key must not replace the known keys.

    Raises:
        ShapeError: it isn't a JWK set, or has no RSA key that can verify RS256.
    """
    keys = read_keys(value)
    if not keys:
        raise ShapeError("the key set has no RSA key for RS256")
    return keys


def read_authorization(header: str) -> Token:
    """Read a bearer token that is signed with RS256.

    Raises:
        Refusal: there is no such token.
    """
    match = _BEARER.fullmatch(header)
    if match is None:
        raise unauthenticated("the Authorization header has no bearer token")
    try:
        token = read_token(match[1])
    except TokenError as error:
        raise unauthenticated(f"the bearer token cannot be read: {error}") from None
    algorithm = token.header.get("alg")
    if algorithm != RS256:
        is_known = isinstance(algorithm, str) and algorithm in _OTHER_ALGORITHMS
        raise unauthenticated(
            f"the token is signed with {algorithm if is_known else 'another algorithm'}, and only "
            f"{RS256} is verified here: choose {RS256} for the tenant's tokens in ConductorOne"
        )
    return token


def check_claims(
    claims: Mapping[str, Any], call: HttpCall, issuer: str, public_url: str = ""
) -> None:
    """Check that a token is for this call, now.

    The function's address comes from AWS or from the settings, never from a header.

    Args:
        claims: those of the token.
        call: the call that it came with.
        issuer: the tenant's host.
        public_url: the value of `PUBLIC_URL`; "" if it isn't set.

    Raises:
        Refusal: a claim is wrong. The message names it, without the token's value.
    """
    address = public_url or f"https://{call.host}"
    digest = binascii.b2a_base64(hashlib.sha256(call.body).digest(), newline=False).decode()
    expected = {
        "iss": issuer,
        "aud": address.partition("://")[2],
        "c1typ": "wh",
        "htm": call.method,
        "htu": f"{address}{call.path}",
    }
    for name, value in expected.items():
        if not value or claims.get(name) != value:
            raise unauthenticated(f"the token's {name} is not {value}")
    if claims.get("htb_s256") != digest:
        raise unauthenticated("the token's htb_s256 is not the body's")
    now = call.received_at.timestamp()
    begin, end = claims.get("nbf"), claims.get("exp")
    # Compare instead of subtracting: an integer may be too large to be subtracted from a float.
    if not (_is_number(begin) and now - TOKEN_SECONDS <= begin <= now):
        raise unauthenticated(
            "the token's nbf is missing, more than 5 minutes ago, or in the future"
        )
    if not (_is_number(end) and now < end <= now + TOKEN_SECONDS):
        raise unauthenticated(
            "the token's exp is missing, in the past, or more than 5 minutes ahead"
        )


def read_event(body: bytes) -> Mapping[str, Any]:
    """Read an event: a policy step or a test.

    Raises:
        Refusal: it is neither (410). ConductorOne doesn't send it again.
    """
    try:
        value, twice = read_json(body)
        event = as_object(value, "the body")
        name = get_str(event, "event"), get_str(event, "version")
    except (Refusal, ShapeError) as error:
        raise _gone(str(error)) from None
    if twice:
        raise _gone("an object in the body has a name twice")
    if name not in {(TEST, VERSION), (APPROVAL_STEP, VERSION)}:
        raise _gone("the event is neither a test nor a policy step")
    return event


def _gone(why: str) -> Refusal:
    return Refusal(410, f"This isn't supported here: {why}.")


def read_step(event: JsonObject) -> tuple[Request, str]:
    """Read the request of a policy step, and its task's id."""
    id_ = ""
    try:
        payload = get_object(event, "payload")
        task = get_object(get_object(payload, "taskView"), "task")
        id_ = get_str(task, "id")
        request = _read_task(task, payload)
        check_requests([request])
    except ShapeError as error:
        return left_to_humans(f"it cannot be read: {error}"), id_
    except Refusal as refusal:
        return left_to_humans(refusal.message), id_
    return request, id_


def has_no_human(event: JsonObject) -> bool:
    """Say whether a policy step comes with its policy, and no human decides any later step.

    A step that can't be read isn't a human's.
    """
    try:
        task = get_object(get_object(get_object(event, "payload"), "taskView"), "task")
    except ShapeError:
        return False  # the policy isn't there either
    policy = task.get("policy")
    steps = policy.get("next") if isinstance(policy, dict) else None
    return policy is not None and not any(
        isinstance(step, dict)
        and isinstance(approval := step.get("approval"), dict)
        and any(isinstance(approval.get(kind), dict) for kind in HUMAN_APPROVALS)
        for step in (steps if isinstance(steps, list) else ())
    )


def _read_task(task: JsonObject, payload: JsonObject) -> Request:
    kinds = [kind for kind, value in get_object(task, "type").items() if value is not None]
    if kinds != ["grant"]:
        return left_to_humans("it is not a request for access")
    grant = get_object(task["type"], "grant")
    user_id, app_id, entitlement_id, account_id = (
        get_str(grant, name)
        for name in ("identityUserId", "appId", "appEntitlementId", "appUserId")
    )
    user, account = _find(payload, ".User", user_id), _find(payload, ".AppUser", account_id)
    account_is_theirs = (
        get_str(account, "identityUserId") == user_id
        and get_str(account, "appId") == app_id
        and get_str(account, "appUserType") in {"", "APP_USER_TYPE_USER"}
        and not _is_deleted(account)
    )
    is_for_another = get_str(task, "createdByUserId") != user_id or (
        get_str(task, "userId") not in {"", user_id}
    )
    is_enabled = get_str(user, "status") == "ENABLED" and (
        get_str(user, "directoryStatus") in {"", "ENABLED"}
    )
    objections = (
        (get_str(task, "state") != "TASK_STATE_OPEN" or _is_deleted(task), "it is not open"),
        (
            get_str(grant, "outcome") not in {"", "GRANT_OUTCOME_UNSPECIFIED"},
            "it has an outcome already",
        ),
        (is_for_another, "it is requested on behalf of somebody else"),
        (not (app_id and entitlement_id), "it doesn't name an entitlement of an app"),
        (not user, "it doesn't include the user who gets access"),
        (not is_enabled, "the user is not enabled"),
        (get_str(user, "type") not in {"", "USER_TYPE_HUMAN"}, "the user isn't a person"),
        (_is_deleted(user), "the user is deleted"),
        (
            account_id and not account_is_theirs,
            "the account that gets access isn't known to be the user's",
        ),
    )
    return Request(
        Resource(USER_KIND, user_id, get_str(user, "email")),
        (Resource(ENTITLEMENT_KIND, entitlement_id, labels={APP_LABEL: app_id}),),
        requested_duration=read_duration(grant.get("grantDuration")),
        objection=next((why for applies, why in objections if applies), ""),
        all_or_nothing=True,
    )


def _is_deleted(value: JsonObject) -> bool:
    return value.get("deletedAt") is not None


def _find(payload: JsonObject, type_: str, id_: str) -> JsonObject:
    """Find the object of a type and id in `expanded`; give an empty one if it isn't there.

    It may be there several times, if all are the same.
    """
    entries = [as_object(entry, "expanded") for entry in get_list(payload, "expanded")]
    found = [
        entry
        for entry in entries
        if get_str(entry, "@type").endswith(type_) and get_str(entry, "id") == id_ != ""
    ]
    return found[0] if found and all(entry == found[0] for entry in found) else {}


def read_duration(value: object) -> timedelta | None:
    """Read for how long access is requested, rounded up to whole seconds.

    Returns None, which means access without an end, if the duration is absent, zero, negative or
    can't be read.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    seconds = int(match[1]) + bool((match[2] or "").strip("0"))
    return timedelta(seconds=seconds) if seconds else None


def answer_to(decision: Decision | None = None) -> dict[str, Any]:
    """Make the answer to a decision; without one, to the test event."""
    if decision is None:
        return {}
    if decision.approved:
        comment = plain_text(decision.reason)
        accept = {"accept": {"acceptMessage": comment}}
        return {"replacePolicy": {"comment": comment, "policySteps": [accept]}}
    why = plain_text(decision.reason, without_email="see the log for the reason")
    return {"approve": {"comment": f"{LEFT_TO_HUMANS}{why}"}}


def _is_within(span: timedelta, since: datetime, now: datetime) -> bool:
    """Whether `since` is at most this long ago. If the clock was set back, it isn't."""
    return timedelta(0) <= now - since < span


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
