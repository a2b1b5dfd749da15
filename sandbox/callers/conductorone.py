"""Sends as ConductorOne does; and a double of its tenant, which has the key and signs the calls.

Shapes: ConductorOne's page on webhooks, and the types of its SDK.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from cli.access_request import AccessRequest
from cli.check_conductorone import CALLS_URL, read_step_answer, signed_call, step_arguments
from cli.webhook_client import WebhookAnswer, call
from handler.callers.conductorone import (
    APPROVAL_STEP,
    ENTITLEMENT_KIND,
    KEYS_PATH,
    TEST,
    USER_KIND,
    read_step,
)
from handler.connection import Connect
from handler.request import Request
from handler.rules.model import Policy
from handler.settings import CONDUCTORONE_BASE_URL, CONDUCTORONE_TENANT
from sandbox.callers.base import APPROVED, LEFT_TO_HUMANS, Sender, Verdict
from sandbox.vendors.server import OK, Clock, Double, Response, utc_now
from sandbox.vendors.server import Request as DoubleRequest

TENANT = "sandbox"
_KEY_ID = "sandbox-1"
_TYPES = "type.googleapis.com"


@dataclass(frozen=True)
class ConductorOne(Sender):
    """A policy with a webhook step, which is followed by a human step.

    Attributes:
        url: where the webhook answers.
        calls_url: where the tenant makes a signed call.
    """

    name: ClassVar[str] = "ConductorOne"
    proof: ClassVar[str] = "by a token that its tenant has signed"
    variables: ClassVar[tuple[str, ...]] = ("CONDUCTORONE_URL", CALLS_URL)

    url: str
    calls_url: str = field(repr=False)

    def send(self, request: AccessRequest, connect: Connect | None = None) -> WebhookAnswer:
        """Send a policy step that the tenant has signed."""
        headers, body = signed_call(self.calls_url, request, connect)
        return call(self.url, "POST", headers, body, connect=connect)

    def read(self, body: Any, request: AccessRequest) -> Verdict:  # noqa: ANN401 - whatever came
        """Read the answer: who is accepted gets access for as long as they requested."""
        accepted, comment = read_step_answer(body)
        if accepted:
            return Verdict(APPROVED, request.duration, comment)
        return Verdict(LEFT_TO_HUMANS, reason=comment)

    def handler_request(self, request: AccessRequest, policy: Policy) -> Request:  # noqa: ARG002 - as for each caller
        """Give the request as the function reads it."""
        handler_request, _ = read_step(json.loads(_body_of(step_arguments(request))))
        return handler_request


class Tenant(Double):
    """A tenant; its key is made for this run.

    In ConductorOne, people request access and the tenant calls the webhook. Here, whoever knows
    `calls_url` has the tenant make a signed call, and sends that call.

    Attributes:
        webhook_url: the public address of the webhook that it calls.
    """

    def __init__(self, now: Clock = utc_now) -> None:
        super().__init__(
            {f"GET {KEYS_PATH}": self._list_keys, "POST /calls/{token}": self._make_call}, now
        )
        self.webhook_url = ""
        self._token = secrets.token_urlsafe(24)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function verifies this tenant's calls."""
        return {CONDUCTORONE_TENANT: TENANT, CONDUCTORONE_BASE_URL: self.url}

    @property
    def calls_url(self) -> str:
        """Where the tenant makes a call. The address is a secret of this run."""
        return f"{self.url}/calls/{self._token}"

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:  # noqa: ARG002 - it gives no time
        """Make an error as gRPC's gateway does."""
        return Response(status, {"code": status, "message": "", "details": []})

    def _list_keys(self, _: DoubleRequest) -> Response:
        numbers = self._key.public_key().public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID}
        return Response(OK, {"keys": [{**jwk, "n": _integer(numbers.n), "e": _integer(numbers.e)}]})

    def _make_call(self, request: DoubleRequest, token: str) -> Response:
        """Make the call for a request, or the test call if there is none; give headers and body.

        The request is an object with the arguments of `policy_step`, in whole seconds.
        """
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return self.error(404)
        try:
            values = json.loads(request.body)
            body = _body_of(values) if values else button_test()
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return self.error(400)
        call = {"headers": self.headers(self.webhook_url, body), "body": body.decode()}
        return Response(OK, call)

    def headers(self, url: str, body: bytes, now: datetime | None = None) -> dict[str, str]:
        """Make the headers of a call, with its token.

        Args:
            url: the public address that is called, without a query.
            body: what is sent.
            now: when the token is made; the tenant's time, if None.
        """
        at = int((now or self.now()).timestamp())
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        claims = {
            "iss": f"{TENANT}.conductor.one",
            "aud": urlsplit(url).netloc,
            "iat": at,
            "nbf": at - 60,
            "exp": at + 120,
            "jti": f"jti-{at}",
            "c1typ": "wh",
            "htm": "POST",
            "htu": url,
            "htb_s256": digest,
        }
        header = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
        signed = ".".join(_encoded(_compact(part)) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return {
            "Authorization": f"bearer {signed}.{_encoded(signature)}",
            "Content-Digest": f"sha-256={digest}",
            "Content-Type": "application/json",
            "Webhook-Version": "v1",
        }


def _body_of(arguments: dict[str, Any]) -> bytes:
    """Make the body of a policy step from what a shell sends."""
    seconds = arguments.pop("seconds", None)
    duration = None if seconds is None else timedelta(seconds=seconds)
    return policy_step(duration=duration, **arguments)


def policy_step(
    email: str,
    duration: timedelta | None,
    *,
    entitlement: str,
    app: str = "app-1",
    by: str = "",
    reason: str = "INC-12",
) -> bytes:
    """Make the body of a policy step: somebody requests an entitlement.

    Args:
        email: who gets the access.
        duration: for how long; None for access without an end.
        entitlement: the id of what is requested.
        app: the id of its app.
        by: the id of who requests it, if somebody else.
        reason: why they request it.
    """
    user = f"id of {email}"
    grant = {"appId": app, "appEntitlementId": entitlement, "identityUserId": user}
    if duration is not None:
        grant["grantDuration"] = f"{int(duration.total_seconds())}s"
    task = {
        "id": "task-1",
        "numericId": "1",
        "displayName": "Grant",
        "description": reason,
        "createdByUserId": by or user,
        "userId": user,
        "emergencyAccess": False,
        "state": "TASK_STATE_OPEN",
        "origin": "TASK_ORIGIN_WEBAPP",
        "type": {"grant": grant},
    }
    expanded = [
        {"@type": f"{_TYPES}/{USER_KIND}", "id": user, "email": email, "status": "ENABLED"},
        {"@type": f"{_TYPES}/{ENTITLEMENT_KIND}", "id": entitlement, "appId": app},
    ]
    view = {"task": task, "userPath": "$.expanded[0]", "identityUserPath": "$.expanded[0]"}
    return _event(APPROVAL_STEP, {"taskView": view, "expanded": expanded})


def button_test() -> bytes:
    """Make the body that the button *Test webhook* sends."""
    return _event(TEST, {})


def _event(name: str, payload: dict[str, Any]) -> bytes:
    return _compact(
        {
            "version": "v1",
            "webhookId": "webhook-1",
            "callbackUrl": f"https://{TENANT}.conductor.one/api/v1/webhooks/callback/none",
            "event": name,
            "payload": {"@type": f"{_TYPES}/{name}", **payload},
        }
    )


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _integer(number: int) -> str:
    return _encoded(number.to_bytes((number.bit_length() + 7) // 8))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
