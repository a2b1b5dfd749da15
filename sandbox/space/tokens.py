"""Bearer tokens: JSON Web Tokens (RFC 7519, HS256) whose `sub` is the owner's e-mail. No I/O."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

LIFETIME = timedelta(days=30)
_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a token. An administrator may review, and may request for others."""

    email: str
    admin: bool = False


def issue(key: bytes, owner: Owner, now: datetime) -> str:
    """Make a token, valid for 30 days."""
    claims = {
        "sub": owner.email,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "admin": owner.admin,
    }
    signed = f"{_encode_json(_HEADER)}.{_encode_json(claims)}"
    return f"{signed}.{_signature(key, signed)}"


def verify(key: bytes, token: str, now: datetime) -> Owner | None:
    """The token's owner; None if another key signed the token, or it has expired."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(key, signed).encode(), signature.encode()):
        return None
    claims = _claims(token)
    if now.timestamp() >= claims["exp"]:
        return None
    return Owner(claims["sub"], claims["admin"])


def _claims(token: str) -> Any:  # noqa: ANN401 - we signed it: it holds what `issue` put there
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def _encode_json(value: object) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _signature(key: bytes, signed: str) -> str:
    return _encode(hmac.new(key, signed.encode(), "sha256").digest())


def _encode(data: bytes) -> str:
    """Write base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
