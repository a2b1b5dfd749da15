"""Whether an answer may be so, and whether anything grew. Pure: given answers and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from statistics import mean
from typing import Any, NamedTuple

from bench.measure import Figure
from bench.processes import Sample, Usage
from cli.diagnosis import approval_of
from cli.webhook_client import SendError, WebhookAnswer
from handler.json_fields import ShapeError

# What a call may get whose child was killed, or that found none.
CLEAN_ERRORS = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
)
MAX_PROBLEMS = 20


class Kind(StrEnum):
    """What became of a call."""

    APPROVED = "approved"
    LEFT = "left to humans"
    REFUSED = "refused, as they had to be"
    ERROR = "HTTP errors"
    WRONG = "wrong approvals"
    LOST = "lost answers"


class ExpectedCall(NamedTuple):
    """One call: who may be approved by it, and whether the access system signed it."""

    event: Mapping[str, Any]
    may_be_approved: bool
    genuine: bool = True


class Verdict(NamedTuple):
    """What became of a call, and what is wrong with that; "" for nothing."""

    kind: Kind
    problem: str = ""


def judge(call: ExpectedCall, answer: WebhookAnswer | SendError) -> Verdict:
    """Judge one answer."""
    who = call.event["actor"]["email"]
    if isinstance(answer, SendError):
        return Verdict(Kind.LOST, f"{who} got no answer: {answer}")
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.http in CLEAN_ERRORS and body:
        return Verdict(Kind.ERROR)
    if not call.genuine:
        refused = answer.http == HTTPStatus.UNAUTHORIZED
        problem = "" if refused else f"a forged call got HTTP {answer.http}"
        return Verdict(Kind.REFUSED if refused else Kind.WRONG, problem)
    if answer.http != HTTPStatus.OK or not isinstance(body.get("claims"), list):
        return Verdict(Kind.LOST, f"{who} got HTTP {answer.http}, with {sorted(body)}")
    return _judge_decision(call, answer, who)


def _judge_decision(call: ExpectedCall, answer: WebhookAnswer, who: str) -> Verdict:
    try:
        approval = approval_of(answer, call.event)
    except ShapeError as error:
        return Verdict(Kind.WRONG, f"{who} got a claim that is wrong: {error}")
    if approval and not call.may_be_approved:
        return Verdict(Kind.WRONG, f"{who} was approved: {approval.why}")
    return Verdict(Kind.APPROVED if approval else Kind.LEFT)


class Tally:
    """The verdicts so far."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.problems: list[str] = []

    def add(self, verdict: Verdict) -> None:
        """Count one; of the problems, the first are kept."""
        self.counts[verdict.kind] += 1
        if verdict.problem and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(verdict.problem)

    def figures(self, kills: int) -> Iterator[Figure]:
        """Give the counts; each kill may cost one call its answer, and nothing else may."""
        most: dict[Kind, float] = {Kind.ERROR: kills, Kind.WRONG: 0, Kind.LOST: 0}
        for kind in Kind:
            yield Figure(kind, self.counts[kind], "", most.get(kind))


def growth_of_sandbox(before: Sample, after: Sample) -> Iterator[Figure]:
    """Compare what the sandbox holds when all is quiet."""
    # Its records of calls and of the log grow to their limits.
    yield from _growth("sandbox", before.sandbox, after.sandbox, memory=1.4)


def growth_of_children(before: Sample, after: Sample, memory_mb: int) -> Iterator[Figure]:
    """Compare those that lived all the while, and see that none ever took what Lambda kills for."""
    lived = before.children.keys() & after.children.keys()
    yield Figure("children that did not live on", len(before.children) - len(lived), "", 0)
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
        # A few come and go: a connection that is kept, or one that is about to end.
        yield Figure(f"{name}: {what}, {first} when warm", last, "", 1.25 * first + 2)


def _mean(usages: Iterable[Usage]) -> Usage:
    return Usage(*(round(mean(column)) for column in zip(*usages, strict=True)))
