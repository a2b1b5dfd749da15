"""Sends as an AuthZEN caller does: a question for each resource, with a bearer token."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cli.access_request import AccessRequest
from cli.check_authzen import headers, questions, read_evaluations
from cli.webhook_client import DEFAULT_KIND, WebhookAnswer, call
from handler.callers import EVALUATIONS
from handler.callers.authzen import read_request
from handler.connection import Connect
from handler.request import Request
from handler.rules.model import Policy
from handler.settings import AUTHZEN_TOKEN
from sandbox.callers.base import APPROVED, LEFT_TO_HUMANS, Sender, Verdict


@dataclass(frozen=True)
class AuthZen(Sender):
    """Anything that can send an HTTP request.

    Attributes:
        url: where the function answers, without a slash at the end.
        token: the bearer token.
    """

    name: ClassVar[str] = "AuthZEN"
    proof: ClassVar[str] = "by a bearer token"
    variables: ClassVar[tuple[str, ...]] = ("AUTHZEN_URL", AUTHZEN_TOKEN)

    url: str
    token: str = field(repr=False)

    def send(self, request: AccessRequest, connect: Connect | None = None) -> WebhookAnswer:
        """Send a batch with a question for each resource."""
        body = {"evaluations": questions(request.with_kind(DEFAULT_KIND))}
        url = f"{self.url.rstrip('/')}{EVALUATIONS}"
        return call(url, "POST", headers(self.token), json.dumps(body).encode(), connect=connect)

    def read(self, body: Any, request: AccessRequest) -> Verdict:  # noqa: ANN401 - whatever came
        """Read the decisions: it is a yes if each of them is."""
        evaluations = read_evaluations(body, len(request.resources))
        for evaluation in evaluations:
            if not evaluation.decision:
                return Verdict(LEFT_TO_HUMANS, reason=evaluation.reason)
        shortest = min(evaluations, key=lambda evaluation: evaluation.duration)
        return Verdict(APPROVED, shortest.duration, shortest.reason)

    def handler_request(self, request: AccessRequest, policy: Policy) -> Request:
        """Give the request as the function reads it, which is the first of a batch."""
        question, *_ = questions(request.with_kind(DEFAULT_KIND))
        return read_request(question, policy)
