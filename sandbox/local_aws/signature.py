"""Checks AWS's Signature Version 4 on calls to the local AWS: only this run's key is accepted.

Protocol: "AWS Signature Version 4 for API requests" in the IAM user guide. botocore, which signs
the calls of boto3, computes the signature that a call must have.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import botocore.credentials
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

from sandbox.local_server import Refusal

if TYPE_CHECKING:
    from sandbox.local_aws.clients import Credentials

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request, *SignedHeaders=(?P<headers>[a-z0-9;-]+),"
    r" *Signature=(?P<signature>[0-9a-f]{64})"
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
REFUSED: Final = Refusal(
    HTTPStatus.FORBIDDEN,
    "This local AWS accepts only calls that are signed with its own access key. To have it, run"
    " `. .sandbox/env` while `make up` runs.",
)


class SignatureVerifier:
    """Accepts calls that one key signed, and refuses all others, including presigned ones."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, _target: str, headers: Message) -> Refusal | None:
        """Refuse a call that does not name the key, before its body is read."""
        (authorization, *more) = headers.get_all("Authorization", [""])
        credential = None if more else _AUTHORIZATION.fullmatch(authorization)
        return None if credential and self._is_id(credential["id"]) else REFUSED

    def verify(self, environ: dict[str, Any], body: bytes) -> bool:
        """Whether a WSGI call, as it came, has the key's signature."""
        credential = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        signed = _signed_headers(credential["headers"], environ) if credential else None
        if not (credential and signed and self._is_id(credential["id"])):
            return False
        if not signed.get("x-amz-date", "").startswith(credential["date"]) or "host" not in signed:
            return False
        declared = signed.get("x-amz-content-sha256", "")
        if _SHA256.fullmatch(declared) and declared != hashlib.sha256(body).hexdigest():
            return False
        key = botocore.credentials.Credentials(
            self._credentials.access_key_id, self._credentials.secret_access_key
        )
        kind = S3SigV4Auth if credential["service"] == "s3" else SigV4Auth
        auth = kind(key, credential["service"], credential["region"])
        request = AWSRequest(
            method=environ["REQUEST_METHOD"],
            url=f"http://{signed['host']}{environ['RAW_URI']}",
            headers=signed,
            data=body,
        )
        request.context["timestamp"] = signed["x-amz-date"]
        to_sign = auth.string_to_sign(request, auth.canonical_request(request))
        return hmac.compare_digest(auth.signature(to_sign, request), credential["signature"])

    def _is_id(self, key_id: str) -> bool:
        return hmac.compare_digest(key_id.encode(), self._credentials.access_key_id.encode())


def _signed_headers(names: str, environ: dict[str, Any]) -> dict[str, str] | None:
    """Give the headers that are signed; None if one of them is missing."""
    headers = {}
    for name in names.split(";"):
        key = name.upper().replace("-", "_")
        value = environ.get(f"HTTP_{key}", environ.get(key))
        if value is None:
            return None
        headers[name] = value
    return headers
