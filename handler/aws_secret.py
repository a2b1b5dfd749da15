"""The one AWS call: `GetSecretValue`, signed here (AWS Signature Version 4).

From the AWS documentation: "Create a signed AWS API request" (IAM User Guide) and "GetSecretValue"
(Secrets Manager API Reference).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from handler.clock import Clock, Deadline
from handler.http import Client, HttpError
from handler.typing import NamedTuple

_DOMAINS = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}
_ARN_PARTS = 7


class SecretError(Exception):
    """The secret can't be read. The message never contains any of it."""


class Credentials(NamedTuple):
    """The keys that sign. `token` is empty for a long-lived key."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        """Hide the keys, wherever the value is printed."""
        return "Credentials(...)"


def fetch(
    client: Client, environment: Mapping[str, str], clock: Clock, deadline: Deadline
) -> dict[str, str]:
    """Read the function's secret, a JSON object of strings.

    Raises:
        SecretError: there are no credentials, there is no answer, or it isn't such an object.
    """
    arn = environment["HANDLER_SECRET_ARN"]
    parts = arn.split(":")
    if len(parts) != _ARN_PARTS or parts[2] != "secretsmanager":
        raise SecretError(f"HANDLER_SECRET_ARN is {arn!r}, which isn't a secret's ARN")
    partition, region = parts[1], parts[3]
    endpoint = (
        environment.get("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        or environment.get("AWS_ENDPOINT_URL")
        or f"https://secretsmanager.{region}.{_DOMAINS.get(partition, 'amazonaws.com')}"
    )
    query = {"SecretId": arn}
    if version := environment.get("HANDLER_SECRET_VERSION"):
        query["VersionId"] = version
    body = json.dumps(query).encode()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if not environment.get(name):
            raise SecretError(f"{name} is not set")
    credentials = Credentials(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment.get("AWS_SESSION_TOKEN", ""),
    )
    headers = {
        "Host": urlsplit(endpoint).netloc,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.GetSecretValue",
    }
    signed = sign(
        "POST",
        headers,
        body,
        credentials=credentials,
        region=region,
        service="secretsmanager",
        now=clock.now(),
    )
    try:
        answer = client.send("POST", f"{endpoint.rstrip('/')}/", signed, body, deadline)
        values = json.loads(json.loads(answer)["SecretString"])
    except HttpError as error:
        raise SecretError(f"Secrets Manager: {error}{_error_type(error.body)}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SecretError("the secret is not a JSON object") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise SecretError("the secret is not a JSON object of strings")
    return values


def sign(
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Add the date, the session token and the `Authorization` of a request for `/`, without query.

    Every given header is signed; they have to include `Host`.
    """
    moment = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    signed = {**headers, "X-Amz-Date": moment}
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    canonical = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    lines = "".join(f"{name}:{canonical[name]}\n" for name in sorted(canonical))
    names = ";".join(sorted(canonical))
    request = f"{method}\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signed["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
    )
    return signed


def _error_type(body: bytes) -> str:
    """Name AWS's own error, such as ResourceNotFoundException; its message may have the ARN."""
    try:
        name = str(json.loads(body)["__type"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" ({name.rpartition('#')[2][:80]})"
