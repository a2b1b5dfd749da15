"""A tenant of ConductorOne: its keys at an address of its own, and the calls that it signs.

Shapes: ConductorOne's page on webhooks, and the types of its SDK.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from handler.callers.conductorone import APPROVAL_STEP, ENTITLEMENT_KIND, KEYS_PATH, TEST, USER_KIND
from sandbox.local_server import LocalHandler, LocalServer, checked_by_service

if TYPE_CHECKING:
    from types import TracebackType

TENANT = "sandbox"
_KEY_ID = "sandbox-1"
_TYPES = "type.googleapis.com"


class Tenant:
    """A tenant, from `with` to the end of it; its key is made for this run.

    Attributes:
        settings: what a stack is given to be called by it.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._key.public_key().public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID}
        jwk |= {"n": _integer(numbers.n), "e": _integer(numbers.e)}
        keys = json.dumps({"keys": [jwk]}).encode()

        class Handler(LocalHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                if self.path == KEYS_PATH:
                    self.reply(HTTPStatus.OK, keys, [("Content-Type", "application/json")])
                else:
                    self.reply(HTTPStatus.NOT_FOUND, b"{}")

        # Public keys are for everybody.
        self._server = LocalServer(Handler, checked_by_service)
        self.settings = {
            "CONDUCTORONE_TENANT": TENANT,
            "CONDUCTORONE_BASE_URL": self._server.url,
        }

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()

    def headers(self, url: str, body: bytes, now: datetime | None = None) -> dict[str, str]:
        """Make the headers of a call, with its token.

        Args:
            url: the public address that is called, without a query.
            body: what is sent.
            now: when the token is made; the machine's time, if None.
        """
        at = int((now or datetime.now(UTC)).timestamp())
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


def policy_step(
    email: str, duration: timedelta, *, entitlement: str, app: str = "app-1", by: str = ""
) -> bytes:
    """Make the body of a policy step: somebody requests an entitlement.

    Args:
        email: who gets the access.
        duration: for how long.
        entitlement: the id of what is requested.
        app: the id of its app.
        by: the id of who requests it, if somebody else.
    """
    user = f"id of {email}"
    grant = {
        "appId": app,
        "appEntitlementId": entitlement,
        "identityUserId": user,
        "grantDuration": f"{int(duration.total_seconds())}s",
    }
    task = {
        "id": "task-1",
        "numericId": "1",
        "displayName": "Grant",
        "description": "INC-12",
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
