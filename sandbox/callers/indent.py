"""Sends as Indent does: an event of a petition, signed with the webhook's secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cli.access_request import AccessRequest, UnsupportedRequestError
from cli.webhook_client import DEFAULT_KIND, WebhookAnswer, request_event, send
from handler.callers.indent import DURATION, read_events
from handler.connection import Connect
from handler.durations import format_go, parse_duration
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.request import ACCESS, Request
from handler.rules.model import Policy
from handler.settings import SIGNING_SECRET
from sandbox.callers.base import APPROVED, LEFT_TO_HUMANS, Sender, Verdict


@dataclass(frozen=True)
class Indent(Sender):
    """Indent's space, as the webhook sees it.

    Attributes:
        url: where the webhook answers.
        secret: signs the calls.
        signed_ago: how old a signature is.
    """

    name: ClassVar[str] = "Indent"
    proof: ClassVar[str] = "by a signature with a shared secret"
    variables: ClassVar[tuple[str, ...]] = ("WEBHOOK_URL", SIGNING_SECRET)

    url: str
    secret: str = field(repr=False)
    signed_ago: timedelta = timedelta(0)

    def send(self, request: AccessRequest, connect: Connect | None = None) -> WebhookAnswer:
        """Send the event of a petition for this request."""
        body = {"events": [_event(request)]}
        signed_at = datetime.now(UTC) - self.signed_ago
        return send(self.url, self.secret, body, signed_at=signed_at, connect=connect)

    def read(self, body: Any, request: AccessRequest) -> Verdict:  # noqa: ANN401, ARG002 - as for each caller
        """Read the claims: there is at most one, for one petition."""
        claims = get_list(as_object(body, "the answer"), "claims")
        if not claims:
            return Verdict(LEFT_TO_HUMANS)
        if len(claims) > 1:
            raise ShapeError(f"{len(claims)} claims came for one petition")
        claim = as_object(claims[0], "claims[]")
        text = get_str(get_object(get_object(claim, "meta"), "labels"), DURATION)
        duration = parse_duration(text)
        if duration is None:
            raise ShapeError(f"the claim has no {DURATION}")
        return Verdict(APPROVED, duration, get_str(claim, "reason"))

    def handler_request(self, request: AccessRequest, policy: Policy) -> Request:  # noqa: ARG002 - as for each caller
        """Give the request as the function reads it."""
        _, (event,) = read_events([_event(request)])
        return event.request


def _event(request: AccessRequest) -> dict[str, Any]:
    if request.action != ACCESS:
        raise UnsupportedRequestError("Indent's petitions are for access: leave out --action")
    return request_event(
        request.email,
        [f"{kind}:{id_}" for kind, id_ in request.with_kind(DEFAULT_KIND).resources],
        resource_labels=request.labels,
        duration="" if request.duration is None else format_go(request.duration),
        reason=request.reason,
    )
