"""The demo: it sends requests, shows the answers, and compares them with the stack's settings."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import groupby
from typing import Any

from auditlog.explain import why
from auditlog.record import DECISION
from handler.durations import in_words
from handler.settings import DRY_RUN, Settings
from infra.settings import RESERVED_CONCURRENCY
from policy.terminal import counted, table
from sandbox.callers import SENDERS
from sandbox.callers.base import APPROVED, LEFT_TO_HUMANS, REFUSED, Sender, Verdict, verdict_of
from sandbox.callers.indent import Indent
from sandbox.demo_data import seed_all
from sandbox.demo_requests import DEMO_REQUESTS, DemoRequest
from sandbox.receivers import WEBHOOK
from sandbox.stack import Sandbox

NOT_REACHED = "the call did not reach the function"
NOT_EXPECTED = "NOT AS EXPECTED"
HEADINGS = ("who", "situation", "answer", "why")
_LONGEST_RUN = timedelta(minutes=2)
_GREEN, _YELLOW, _RED, _END = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
_COLOURS = {APPROVED: _GREEN, LEFT_TO_HUMANS: _YELLOW, REFUSED: _RED, NOT_EXPECTED: _RED}
_OUTCOME = re.compile(rf"(?<=  )(?:{APPROVED}|{LEFT_TO_HUMANS}|{REFUSED}|{NOT_EXPECTED})\b")


@dataclass(frozen=True)
class Outcome:
    """A request of the demo, and its answer.

    Attributes:
        request: what was asked.
        verdict: the answer.
        why: the reason in the function's log.
        expected: whether the stack's settings give this answer.
    """

    request: DemoRequest
    verdict: Verdict
    why: str
    expected: bool

    @property
    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        answer = self.verdict.outcome
        if answer == REFUSED:
            answer = f"{answer} ({self.verdict.http})"
        elif self.verdict.duration is not None:
            answer = f"{answer}, {in_words(self.verdict.duration)}"
        reason = self.why if self.expected else f"{NOT_EXPECTED}: {self.why}"
        return self.request.email.partition("@")[0], self.request.situation, answer, reason


def send_requests(sandbox: Sandbox) -> list[Outcome]:
    """Give the doubles their people and duties, and send each request of the demo."""
    if not sandbox.doubles:
        raise ValueError("the demo's requests need the doubles, not real providers")
    seed_all(sandbox.doubles)
    return [
        _send(sandbox, request) for request in DEMO_REQUESTS if request.provider in sandbox.doubles
    ]


def _send(sandbox: Sandbox, request: DemoRequest) -> Outcome:
    settings, sender = sandbox.settings, sender_of(request, sandbox.variables())
    sent = request.request(settings.policy)
    count_before = sandbox.log.count
    verdict = verdict_of(sender, sender.send(sent), sent)
    shut = sandbox.status_when_shut if sandbox.is_shut else None
    # A call that never reached the function has no line in the log.
    reached = verdict.http in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}
    line = (sandbox.log.wait_for(_says_why, since=count_before) if reached else None) or {}
    expected = is_expected(request, sender, verdict, settings, shut=shut)
    return Outcome(request, verdict, why(line) or verdict.reason or NOT_REACHED, expected)


def sender_of(request: DemoRequest, variables: Mapping[str, str]) -> Sender:
    """Make the sender of a request, which may sign with another secret or at another time."""
    sender = SENDERS[request.caller].from_variables(variables)
    if not isinstance(sender, Indent):
        return sender
    secret = secrets.token_urlsafe(30) if request.forged else sender.secret
    return replace(sender, secret=secret, signed_ago=request.signed_ago)


def _says_why(record: dict[str, Any]) -> bool:
    return record.get("message") in {"decision", "refused", "failed"}


def is_expected(
    request: DemoRequest,
    sender: Sender,
    verdict: Verdict,
    settings: Settings,
    *,
    shut: HTTPStatus | None = None,
) -> bool:
    """Say whether a function with these settings should answer a request in this way.

    `shut` is the answer to every call to a function that is shut; None for one that isn't.
    """
    http = shut or request.http
    if http != HTTPStatus.OK:
        return (verdict.outcome, verdict.http) == (REFUSED, http)
    decision = request.decision(sender, settings.policy, datetime.now(UTC))
    if settings.dry_run or not decision.approved:
        return verdict.outcome == LEFT_TO_HUMANS
    # Where access ends with the shift, that began with the first request, not now.
    ends_with_shift = any(rule.shift_end for rule in settings.policy.rules)
    least = decision.duration - (_LONGEST_RUN if ends_with_shift else timedelta(0))
    granted = verdict.duration or timedelta(0)
    return verdict.outcome == APPROVED and least <= granted <= decision.duration


def outcome_table(outcomes: Sequence[Outcome], width: int, *, colour: bool) -> str:
    """Set the outcomes in a table, grouped by caller."""
    rows: list[Sequence[str] | str] = []
    for caller, of_caller in groupby(outcomes, key=lambda outcome: outcome.request.caller):
        sender = SENDERS[caller]
        rows += ["", f"{sender.name}, {sender.proof}:", *(outcome.row for outcome in of_caller)]
    text = table(HEADINGS, rows, width)
    return _OUTCOME.sub(_coloured, text) if colour else text


def _coloured(match: re.Match[str]) -> str:
    return f"{_COLOURS[match[0]]}{match[0]}{_END}"


def summary(outcomes: Sequence[tuple[str, bool]]) -> str:
    """Sum up the outcomes, each with whether it is as expected."""
    matching = sum(expected for _, expected in outcomes)
    counts = Counter(outcome for outcome, _ in outcomes)
    count_texts = [
        f"{count} {outcome}"
        for outcome, count in counts.items()
        if outcome not in {APPROVED, LEFT_TO_HUMANS, REFUSED}
    ]
    count_texts[:0] = [
        f"{counts[outcome]} {outcome}"
        for outcome in (APPROVED, LEFT_TO_HUMANS, REFUSED)
        if counts[outcome] or outcome == APPROVED
    ]
    answers = counted(len(outcomes), "answer")
    which = f"All {answers}" if matching == len(outcomes) else f"Only {matching} of {answers}"
    return f"{which} match the settings: {', '.join(count_texts)}."


def count_notices(sandbox: Sandbox) -> tuple[int, int]:
    """Give how many approvals there were, and of how many a signed notice came."""
    approvals = sum(
        record.get("outcome") == "approve" and not record["dry_run"]
        for record in sandbox.log.records
        if record.get("message") == DECISION
    )
    return approvals, sum(notice.receiver == WEBHOOK for notice in sandbox.receivers.notices)


def reasons_for_nobody(settings: Settings, notes: Sequence[str], *, is_shut: bool) -> Iterator[str]:
    """Say why the stack's settings approve none of the demo's requests."""
    if is_shut:
        yield f"{RESERVED_CONCURRENCY} is 0, which shuts the webhook's URL"
    if settings.dry_run:
        yield f"{DRY_RUN} is true, so every request is left to humans"
    yield from notes
