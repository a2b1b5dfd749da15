"""What each caller's sender provides, and the outcomes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from cli.access_request import AccessRequest
from cli.webhook_client import WebhookAnswer
from handler.connection import Connect
from handler.json_fields import ShapeError
from handler.request import Request
from handler.rules.model import Policy

APPROVED, LEFT_TO_HUMANS, REFUSED = "approved", "left to humans", "refused"
WRONG_ANSWER = "wrong answer"


class Verdict(NamedTuple):
    """What a caller makes of an answer.

    Attributes:
        outcome: `APPROVED`, `LEFT_TO_HUMANS`, `REFUSED` or `WRONG_ANSWER`.
        duration: how long access lasts; None without access.
        reason: what the answer says about it; "" if it says nothing.
        http: the answer's HTTP status.
    """

    outcome: str
    duration: timedelta | None = None
    reason: str = ""
    http: int = HTTPStatus.OK


class Sender(Protocol):
    """Sends requests as one caller does.

    Attributes:
        name: the vendor's name.
        proof: how it proves itself, in words.
        variables: which of the sandbox's variables it is made of.
    """

    name: ClassVar[str]
    proof: ClassVar[str]
    variables: ClassVar[tuple[str, ...]]

    def __init__(self, url: str, secret: str) -> None: ...

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """Make it from the variables in `.sandbox/env`."""
        url, secret = (variables[name] for name in cls.variables)
        return cls(url, secret)

    def send(self, request: AccessRequest, connect: Connect | None = None) -> WebhookAnswer:
        """Send a request, and give the answer.

        Raises:
            UnsupportedRequestError: the caller's protocol can't express it.
            SendError: nobody answers.
        """

    def read(self, body: Any, request: AccessRequest) -> Verdict:  # noqa: ANN401 - whatever came
        """Read the body of an answer with HTTP 200.

        Raises:
            ShapeError: it isn't this project's answer.
        """

    def handler_request(self, request: AccessRequest, policy: Policy) -> Request:
        """Give the request as the function reads it."""


def verdict_of(sender: Sender, answer: WebhookAnswer, request: AccessRequest) -> Verdict:
    """Say what the caller makes of an answer."""
    if answer.http != HTTPStatus.OK:
        return Verdict(REFUSED, http=answer.http)
    try:
        return sender.read(answer.body, request)
    except ShapeError as error:
        return Verdict(WRONG_ANSWER, reason=str(error))
