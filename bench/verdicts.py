"""Whether an answer is right, and whether anything grew. Pure: given answers and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from statistics import mean
from typing import Any, NamedTuple

from bench.measure import Figure
from bench.processes import Sample, Usage
from cli.diagnosis import approval_of
from cli.webhook_client import SendError, WebhookAnswer
from handler.durations import parse_instant
from handler.json_fields import ShapeError, get_object, get_str

# What a call may get if its child was killed, or if there was none.
CLEAN_ERRORS = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
)
MAX_PROBLEMS = 20


class Kind(StrEnum):
    """The result of a call."""

    APPROVED = "approved"
    LEFT = "left to humans"
    REFUSED = "refused (401), as expected"
    ERROR = "HTTP errors"
    WRONG = "wrong approvals"
    LOST = "lost answers"


class NoAnswerError(ValueError):
    """An HTTP 200 whose body isn't an answer in the caller's protocol."""


class ExpectedCall(NamedTuple):
    """One call, and what its answer may be.

    Attributes:
        who: who gets the access.
        read: gives the reason of an approval, and None where humans decide. Raises
            `NoAnswerError`, or `ShapeError` for an approval of something else.
        may_be_approved: whether the person may get what is requested.
        genuine: whether the caller made it, and nobody in its place.
    """

    who: str
    read: Callable[[WebhookAnswer], str | None]
    may_be_approved: bool
    genuine: bool = True


class Verdict(NamedTuple):
    """The result of a call, and what is wrong with it, or ""."""

    kind: Kind
    problem: str = ""


def judge(call: ExpectedCall, answer: WebhookAnswer | SendError) -> Verdict:
    """Judge one answer."""
    who = call.who
    if isinstance(answer, SendError):
        return Verdict(Kind.LOST, f"{who} got no answer: {answer}")
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.http in CLEAN_ERRORS and body:
        return Verdict(Kind.ERROR)
    if not call.genuine:
        refused = answer.http == HTTPStatus.UNAUTHORIZED
        problem = "" if refused else f"a forged call got HTTP {answer.http}"
        return Verdict(Kind.REFUSED if refused else Kind.WRONG, problem)
    if answer.http != HTTPStatus.OK:
        return Verdict(Kind.LOST, f"{who} got HTTP {answer.http}, with {sorted(body)}")
    return _judge_decision(call, answer)


def _judge_decision(call: ExpectedCall, answer: WebhookAnswer) -> Verdict:
    try:
        reason = call.read(answer)
    except NoAnswerError:
        return Verdict(Kind.LOST, f"{call.who} got HTTP {answer.http} without a decision")
    except ShapeError as error:
        return Verdict(Kind.WRONG, f"{call.who} got an approval that is wrong: {error}")
    if reason is None:
        return Verdict(Kind.LEFT)
    problem = "" if call.may_be_approved else f"{call.who} was approved: {reason}"
    return Verdict(Kind.WRONG if problem else Kind.APPROVED, problem)


def read_indent(event: Mapping[str, Any], answer: WebhookAnswer) -> str | None:
    """Read the answer to a petition's event."""
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get("claims"), list):
        raise NoAnswerError
    approval = approval_of(answer, event)
    return approval.why if approval else None


def read_authzen(answer: WebhookAnswer) -> str | None:
    """Read AuthZEN's answer to one question; both forms of the outcome have to agree."""
    body = answer.body
    if not isinstance(body, dict) or not isinstance(body.get("decision"), bool):
        raise NoAnswerError
    context, approved = get_object(body, "context"), body["decision"]
    reason, outcome = get_str(context, "reason"), get_str(context, "outcome")
    if not reason or outcome != ("approved" if approved else "left to humans"):
        raise ShapeError(f"its outcome is {outcome!r}")
    if approved and parse_instant(get_str(context, "expires_at")) is None:
        raise ShapeError("it has no end")
    return reason if approved else None


def read_conductorone(answer: WebhookAnswer) -> str | None:
    """Read the answer to a policy step: accept, or on to the next step."""
    match answer.body:
        case {"version": "v1", "approve": {"comment": str()}, **rest} if not rest:
            return None
        case {
            "version": "v1",
            "replacePolicy": {"comment": str(comment), "policySteps": list(steps)},
            **rest,
        } if not rest:
            if [*map(list, steps)] != [["accept"]]:
                raise ShapeError("it does more than to accept")
            return comment
        case _:
            raise NoAnswerError


class Tally:
    """The verdicts so far; `approvals` are counted by caller."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.approvals: Counter[str] = Counter()
        self.problems: list[str] = []

    def add(self, verdict: Verdict, caller: str) -> None:
        """Count one, and keep the first problems."""
        self.counts[verdict.kind] += 1
        self.approvals[caller] += verdict.kind is Kind.APPROVED
        if verdict.problem and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(verdict.problem)

    def figures(self, kills: int) -> Iterator[Figure]:
        """Give the counts. Each kill may cost one call its answer; nothing else may."""
        most: dict[Kind, float] = {Kind.ERROR: kills, Kind.WRONG: 0, Kind.LOST: 0}
        for kind in Kind:
            yield Figure(kind, self.counts[kind], "", most.get(kind))
        for caller, count in sorted(self.approvals.items()):
            yield Figure(f"approved through {caller}", count, "")


def growth_of_sandbox(before: Sample, after: Sample) -> Iterator[Figure]:
    """Compare the sandbox's use of resources when everything is quiet."""
    # Its records of calls and of the log grow to their limits.
    yield from _growth("sandbox", before.sandbox, after.sandbox, memory=1.4)


def growth_of_children(before: Sample, after: Sample, memory_mb: int) -> Iterator[Figure]:
    """Compare the children that lived throughout; none may use more memory than Lambda allows."""
    lived = before.children.keys() & after.children.keys()
    yield Figure("children that ended", len(before.children) - len(lived), "", 0)
    if lived:
        was = _mean(before.children[process] for process in lived)
        now = _mean(after.children[process] for process in lived)
        yield from _growth("a child", was, now, memory=1.5)
    peak = max((usage.peak_kib for usage in after.children.values()), default=0)
    yield Figure("a child: the most memory ever", peak / 1024, "MiB", memory_mb)


def _growth(name: str, was: Usage, now: Usage, memory: float) -> Iterator[Figure]:
    yield Figure(f"{name}: memory, at the end / when warm", now.kib / was.kib, "x", memory)
    for what, first, last in (
        ("threads", was.threads, now.threads),
        ("sockets", was.sockets, now.sockets),
    ):
        # The number varies a little: connections are kept for a while, and end.
        yield Figure(f"{name}: {what}, {first} when warm", last, "", 1.25 * first + 2)


def _mean(usages: Iterable[Usage]) -> Usage:
    return Usage(*(round(mean(column)) for column in zip(*usages, strict=True)))
