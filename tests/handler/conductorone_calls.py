"""A ConductorOne tenant for tests: keys, calls, and answers read with its own SDK's types."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import jwt as pyjwt
from conductorone_sdk.models import shared
from cryptography.hazmat.primitives.asymmetric import rsa

from handler.callers.conductorone import APPROVAL_STEP, TEST
from tests.handler.conftest import ANA

HOST = "abc123.lambda-url.eu-west-1.on.aws"
PATH = "/conductorone"
USER, OTHER, APP, ENTITLEMENT = "2fUserA", "2fUserB", "2fApp01", "2fEnt01"
_TYPES = "type.googleapis.com/"


@cache
def private_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A tenant's key; each number gives another one."""
    assert number >= 0
    return rsa.generate_private_key(65537, bits)


def key_set(**numbers: int) -> bytes:
    """The JWKS of keys, by id."""
    keys = []
    for id_, number in numbers.items():
        public = private_key(number).public_key()
        jwk = pyjwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
        keys.append({**jwk, "kid": id_, "use": "sig", "alg": "RS256"})
    return json.dumps({"keys": keys}).encode()


def claims_for(body: bytes, now: datetime, **changes: object) -> dict[str, Any]:
    """The claims of a token; a claim changed to None is left out."""
    at = int(now.timestamp())
    claims = {
        "iss": "acme.conductor.one",
        "aud": HOST,
        "iat": at,
        "nbf": at - 60,
        "exp": at + 120,
        "jti": "2fJti01",
        "c1typ": "wh",
        "htm": "POST",
        "htu": f"https://{HOST}{PATH}",
        "htb_s256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def sign(claims: Mapping[str, Any], number: int = 0, kid: str | None = "k1") -> str:
    """Sign as ConductorOne does."""
    return pyjwt.encode(dict(claims), private_key(number), "RS256", {"kid": kid} if kid else None)


def event_of(
    body: bytes,
    authorization: str,
    *,
    host: str = HOST,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """A call as the function URL passes it on; the sender chooses the headers."""
    return {
        "version": "2.0",
        "rawPath": PATH,
        "requestContext": {
            "http": {"method": "POST", "path": PATH},
            "requestId": "call-1",
            "domainName": host,
        },
        "headers": {"authorization": authorization, "content-type": "application/json", **headers},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def envelope(event: str, payload: Mapping[str, Any]) -> bytes:
    """The envelope of every event, as compact as ConductorOne's."""
    values = {
        "version": "v1",
        "webhookId": "2fWebhook01",
        "callbackUrl": "https://acme.conductor.one/api/v1/webhooks/callback/tok_abc",
        "event": event,
        "payload": {"@type": f"{_TYPES}{event}", **payload},
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def test_event() -> bytes:
    """The event that the Test button sends."""
    return envelope(TEST, {})


test_event.__test__ = False  # type: ignore[attr-defined]  # not a test


def step(payload: Mapping[str, Any] | None = None) -> bytes:
    """A policy step, by default with `grant_payload`."""
    return envelope(APPROVAL_STEP, grant_payload() if payload is None else payload)


def grant_payload(
    *,
    task: Mapping[str, Any] | None = None,
    grant: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    task_type: Mapping[str, Any] | None = None,
    account: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request by Ana for an hour, made by the vendor's types.

    Changes use the SDK's names; a change to None leaves a field out. `task_type` replaces the
    task's type, and `account` is added.
    """
    granted = shared.TaskTypeGrant(
        **_changed(
            {
                "app_id": APP,
                "app_entitlement_id": ENTITLEMENT,
                "app_user_id": "",
                "identity_user_id": USER,
                "grant_duration": "3600s",
            },
            grant,
        )
    )
    kind = shared.TaskType(**(task_type or {"task_type_grant": granted}))
    asked = shared.Task(
        **_changed(
            {
                "id": "2fTask01",
                "numeric_id": 4711,
                "display_name": "Grant Production",
                "description": "INC-12: database läuft voll",
                "created_by_user_id": USER,
                "user_id": USER,
                "emergency_access": False,
                "state": shared.TaskState.TASK_STATE_OPEN,
                "task_type": kind,
            },
            task,
        )
    )
    person = shared.User(
        **_changed(
            {
                "id": USER,
                "email": ANA,
                "emails": ["someone.else@acme.example"],
                "username": "ana",
                "display_name": "Ana Lima",
                "status": shared.UserStatus.ENABLED,
            },
            user,
        )
    )
    app = shared.App(id=APP, display_name="AWS")
    entitlement = shared.AppEntitlement(id=ENTITLEMENT, app_id=APP, display_name="Production")
    view = shared.TaskView(task=asked, app_path="$.expanded[0]", user_path="$.expanded[1]")
    payload: dict[str, Any] = {
        # One by one, since the SDK's type of the whole payload can read lists but not write them.
        "taskView": _written(view),
        "expanded": [
            {"@type": f"{_TYPES}{name}", **_written(value)}
            for name, value in (
                ("c1.api.app.v1.App", app),
                ("c1.api.user.v1.User", person),
                ("c1.api.app.v1.AppEntitlement", entitlement),
                *((("c1.api.app.v1.AppUser", shared.AppUser(**account)),) if account else ()),
            )
        ],
    }
    read = shared.PayloadPolicyApprovalStep.model_validate(payload)
    assert read.task_view == view
    assert [entry.at_type for entry in read.expanded or ()] == [
        entry["@type"] for entry in payload["expanded"]
    ]
    return payload


def _changed(fields: dict[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: value for name, value in {**fields, **(changes or {})}.items() if value is not None
    }


def _written(value: Any) -> Any:  # noqa: ANN401 - any of the SDK's types
    return json.loads(value.model_dump_json(by_alias=True, exclude_none=True))


def outcome_of(body: str) -> str:
    """Read an answer with the vendor's types: `accept`, or the comment to the humans.

    A denial is the comment after "deny: ".
    """
    read = shared.ResponsePolicyApprovalStep.model_validate_json(body)
    assert read.version == "v1"
    assert not read.response_policy_approval_step_reassign
    denied = read.response_policy_approval_step_deny
    replaced = read.response_policy_approval_replace_policy
    approved = read.response_policy_approval_step_approve
    if replaced:
        assert not approved
        assert not denied
        assert replaced.comment
        assert len(replaced.comment) <= 1024
        assert replaced.policy_steps
        (only,) = replaced.policy_steps
        assert only.accept
        assert only.model_fields_set == {"accept"}
        return "accept"
    passed_on = approved or denied
    assert passed_on
    assert not (approved and denied)
    assert passed_on.comment
    assert len(passed_on.comment) <= 1024
    return f"deny: {passed_on.comment}" if denied else passed_on.comment
