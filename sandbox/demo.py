"""The demo: its requests, the answers, and whether the settings should give these answers."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from auditlog.explain import duration_in_words, why
from cli.webhook_client import WebhookAnswer, send
from handler.callers.indent import DURATION
from handler.durations import parse_duration
from handler.settings import Settings
from sandbox.demo_data import DEMO_REQUESTS, DemoRequest, seed_all
from sandbox.stack import Sandbox

NOT_REACHED = "the call did not reach the function"
NOT_EXPECTED = "  <- NOT AS EXPECTED"
APPROVED, LEFT_TO_HUMANS, REFUSED = "approved", "left to humans", "refused"
_LONGEST_RUN = timedelta(minutes=2)
HEADINGS = ("who", "is", "answer", "for", "why")


@dataclass(frozen=True)
class Outcome:
    """A request of the demo, and what the webhook answered.

    Attributes:
        request: what was asked.
        answer: what came back.
        why: what the function's log says.
        expected: whether the stack's settings give that answer.
    """

    request: DemoRequest
    answer: WebhookAnswer
    why: str
    expected: bool

    @property
    def verdict(self) -> str:
        """What the webhook did with the request."""
        if self.answer.http != HTTPStatus.OK:
            return REFUSED
        return APPROVED if self.answer.claims else LEFT_TO_HUMANS

    @property
    def row(self) -> tuple[str, ...]:
        """What the table shows."""
        verdict, duration = self.verdict, "-"
        if verdict == REFUSED:
            verdict = f"{REFUSED} ({self.answer.http})"
        elif verdict == APPROVED:
            duration = duration_in_words(self.answer.claims[0]["meta"]["labels"][DURATION])
        mark = "" if self.expected else NOT_EXPECTED
        name = self.request.email.partition("@")[0]
        return name, self.request.role, verdict, duration, self.why + mark


def send_requests(sandbox: Sandbox) -> list[Outcome]:
    """Give the doubles their people and duties, and send each request of the demo."""
    if not sandbox.doubles:
        raise ValueError("the demo's requests need the doubles, not real providers")
    seed_all(sandbox.doubles)
    return [
        _send(sandbox, request) for request in DEMO_REQUESTS if request.provider in sandbox.doubles
    ]


def _send(sandbox: Sandbox, request: DemoRequest) -> Outcome:
    settings = sandbox.settings
    secret = secrets.token_urlsafe(30) if request.forged else sandbox.webhook_secret
    count_before = sandbox.log.count
    answer = send(
        sandbox.url,
        secret,
        {"events": [request.event(settings.policy)]},
        signed_at=datetime.now(UTC) - request.signed_ago,
    )
    # Of a call that never reached the function there is no line to wait for.
    reached = answer.http in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}
    line = (sandbox.log.wait_for(_says_why, since=count_before) if reached else None) or {}
    expected = is_expected(request, answer, settings, is_shut=sandbox.is_shut)
    return Outcome(request, answer, why(line) or NOT_REACHED, expected)


def _says_why(record: dict[str, Any]) -> bool:
    return record.get("message") in {"decision", "refused", "failed"}


def is_expected(
    request: DemoRequest, answer: WebhookAnswer, settings: Settings, *, is_shut: bool = False
) -> bool:
    """Tell whether the webhook answered a request as a function with these settings has to.

    One that is shut is not even asked: its URL answers 429, whatever the call is.
    """
    if is_shut:
        return answer.http == HTTPStatus.TOO_MANY_REQUESTS and not answer.claims
    if answer.http != request.http:
        return False
    decision = request.decision(settings.policy, datetime.now(UTC))
    if request.http != HTTPStatus.OK or settings.dry_run or not decision.approved:
        return not answer.claims
    granted = [parse_duration(claim["meta"]["labels"][DURATION]) for claim in answer.claims]
    # Where access ends with the shift, that began with the first request, not now.
    ends_with_shift = any(rule.shift_end for rule in settings.policy.rules)
    least = decision.duration - (_LONGEST_RUN if ends_with_shift else timedelta(0))
    return len(granted) == 1 and least <= (granted[0] or timedelta(0)) <= decision.duration


def summary(verdicts: Sequence[tuple[str, bool]]) -> list[str]:
    """Sum up verdicts, each with whether it is as expected.

    Where nobody was approved, a line of its own says so, even if the settings want that.
    """
    expected_count = sum(expected for _, expected in verdicts)
    counts = Counter(verdict for verdict, _ in verdicts)
    count_texts = [
        f"{counts[verdict]} {verdict}"
        for verdict in (APPROVED, LEFT_TO_HUMANS, REFUSED)
        if counts[verdict] or verdict == APPROVED
    ]
    line = (
        f"{expected_count} of {len(verdicts)} came out as the stack's settings say: "
        f"{', '.join(count_texts)}."
    )
    return [line] if counts[APPROVED] else [line, "Nobody was approved."]
