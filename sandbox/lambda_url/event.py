"""Translates an HTTP request to an event of payload format 2.0, and an answer to a response.

Protocol: "Invoking Lambda function URLs" in the Lambda developer guide, which has the format of
API Gateway's HTTP APIs.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_URL_ID: Final = "sandbox"
_STATUS: Final = range(200, 600)
_TEXT: Final = {"application/json", "application/xml", "application/javascript"}
_JSON: Final = (("Content-Type", "application/json"),)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOP_BY_HOP: Final = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Request:
    """A request as it came; `target` is the path with its query, `headers` are in their order."""

    method: str
    target: str
    protocol: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str


@dataclass(frozen=True)
class Response:
    """A response to send, without the headers that belong to the connection."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def message(status: HTTPStatus, **body: str) -> Response:
    """Make a response of AWS itself."""
    return Response(status, _JSON, json.dumps(body).encode())


FORBIDDEN: Final = message(
    HTTPStatus.FORBIDDEN,
    Message="Forbidden. The function's policy must let everyone do lambda:InvokeFunctionUrl and,"
    " through the URL, lambda:InvokeFunction.",
)
THROTTLED: Final = message(
    HTTPStatus.TOO_MANY_REQUESTS,
    Reason="ConcurrentInvocationLimitExceeded",
    Type="User",
    message="Rate Exceeded.",
)
TOO_LARGE: Final = message(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message="The request is larger than an event may be."
)
BAD_LENGTH: Final = message(HTTPStatus.BAD_REQUEST, message="Content-Length is not a number.")
NO_LENGTH: Final = message(HTTPStatus.LENGTH_REQUIRED, message="Content-Length is missing.")
BAD_GATEWAY: Final = message(HTTPStatus.BAD_GATEWAY, message="Internal Server Error")


class MalformedAnswerError(ValueError):
    """The handler's answer isn't a valid response; the message says why."""


def domain_name(region: str) -> str:
    """Give the host of a function's URL, as AWS tells the function."""
    return f"{_URL_ID}.lambda-url.{region}.on.aws"


def to_event(request: Request, *, request_id: str, now: datetime, region: str) -> dict[str, Any]:
    """Translate a request to a function URL's event; `now` is in UTC."""
    return event_of(
        request, request_id=request_id, now=now, account="anonymous", domain=domain_name(region)
    )


def event_of(
    request: Request, *, request_id: str, now: datetime, account: str, domain: str
) -> dict[str, Any]:
    """Translate a request to an event of payload format 2.0.

    Args:
        request: what came.
        request_id: AWS's id of the call.
        now: when it came, in UTC.
        account: the account's number; "anonymous" at a function URL.
        domain: the host that AWS gave to what was called; it begins with its id.
    """
    id_ = domain.partition(".")[0]
    path, _, query = request.target.partition("?")
    headers = _join((name.lower(), value) for name, value in request.headers)
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    body, is_base64 = _encode(request.body, headers.get("content-type", ""))
    parameters = _join(parse_qsl(query, keep_blank_values=True))
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": parameters} if parameters else {}),
        "requestContext": {
            "accountId": account,
            "apiId": id_,
            "domainName": domain,
            "domainPrefix": id_,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S %z}",
            "timeEpoch": int(now.timestamp() * 1000),
        },
        **({"body": body} if body else {}),
        "isBase64Encoded": is_base64,
    }


def _join(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _encode(body: bytes, content_type: str) -> tuple[str, bool]:
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        return "", False
    if media_type in _TEXT or media_type.startswith("text/"):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


def to_response(payload: bytes) -> Response:
    """Translate what the handler returned (JSON) to a response.

    Without `statusCode` the whole answer is the body of a 200.

    Raises:
        MalformedAnswerError: where Lambda would answer 502.
    """
    answer = json.loads(payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(HTTPStatus.OK, _JSON, payload)
    status = answer["statusCode"]
    if not isinstance(status, int) or status not in _STATUS:
        raise MalformedAnswerError(f"statusCode is {status!r}")
    return Response(status, tuple(_headers(answer)), _body(answer))


def _headers(answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    headers = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise MalformedAnswerError("headers must be an object, cookies a list")
    if "content-type" not in {name.lower() for name in headers}:
        yield "Content-Type", "application/json"
    for name, value in [*headers.items(), *(("Set-Cookie", cookie) for cookie in cookies)]:
        if not isinstance(value, str | int | float):
            raise MalformedAnswerError(f"header {name} is a {type(value).__name__}")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(str(value)):
            raise MalformedAnswerError(f"header {name!r} cannot be sent")
        if name.lower() not in _HOP_BY_HOP:
            yield name, str(value)


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise MalformedAnswerError(f"body is a {type(body).__name__}, not a string")
    if not answer.get("isBase64Encoded"):
        return body.encode("utf-8")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedAnswerError("body is not base64") from error
