"""What `make soak` makes of answers and samples: each thing that must not be is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.measure import Figure
from bench.processes import Sample, Usage
from bench.verdicts import (
    MAX_PROBLEMS,
    ExpectedCall,
    Kind,
    Tally,
    Verdict,
    growth_of_children,
    growth_of_sandbox,
    judge,
)
from cli.webhook_client import SendError, WebhookAnswer, request_event

EVENT = request_event("jane@example.com", ["prod-db"], petition="p-1")
MAY, MAY_NOT = ExpectedCall(EVENT, may_be_approved=True), ExpectedCall(EVENT, may_be_approved=False)
FORGED = ExpectedCall(EVENT, may_be_approved=True, genuine=False)
CLAIM: dict[str, Any] = {
    "event": "access/approve",
    "reason": "Approved: on call",
    "resources": [EVENT["actor"], *EVENT["resources"]],
    "meta": {
        "labels": {
            "petition": "p-1",
            "indent.com/time/duration": "1h0m0s",
            "indent.com/time/expires": "2026-11-24T12:00:00Z",
        }
    },
}
APPROVED = WebhookAnswer(200, {"claims": [CLAIM]})
OTHER = WebhookAnswer(200, {"claims": [CLAIM | {"resources": [EVENT["actor"]]}]})
LEFT = WebhookAnswer(200, {"claims": []})


@pytest.mark.parametrize(
    ("call", "answer", "kind"),
    [
        (MAY, APPROVED, Kind.APPROVED),
        (MAY, LEFT, Kind.LEFT),
        (MAY_NOT, LEFT, Kind.LEFT),
        (MAY, WebhookAnswer(502, {"message": "x"}), Kind.ERROR),
        (MAY, WebhookAnswer(503, {"status": {}}), Kind.ERROR),
        (FORGED, WebhookAnswer(502, {"message": "x"}), Kind.ERROR),
        (FORGED, WebhookAnswer(401, {"status": {}}), Kind.REFUSED),
    ],
)
def test_what_may_be(call: ExpectedCall, answer: WebhookAnswer, kind: Kind) -> None:
    """A claim for who may have it, an empty list, a clean error, and a forged call refused."""
    assert judge(call, answer) == Verdict(kind)


@pytest.mark.parametrize(
    ("call", "answer", "kind", "problem"),
    [
        (MAY_NOT, APPROVED, Kind.WRONG, "was approved: on call, by the default rule"),
        (MAY, OTHER, Kind.WRONG, "a claim that is wrong: it approves something else"),
        (MAY, WebhookAnswer(200, {"claims": [7]}), Kind.WRONG, "a claim that is wrong"),
        (FORGED, APPROVED, Kind.WRONG, "a forged call got HTTP 200"),
        (FORGED, LEFT, Kind.WRONG, "a forged call got HTTP 200"),
        (MAY, WebhookAnswer(401, {"status": {}}), Kind.LOST, "got HTTP 401, with ['status']"),
        (MAY, WebhookAnswer(500, {"status": {}}), Kind.LOST, "got HTTP 500"),
        (MAY, WebhookAnswer(502, "<html>"), Kind.LOST, "got HTTP 502, with []"),
        (MAY, WebhookAnswer(200, {"status": {}}), Kind.LOST, "got HTTP 200, with ['status']"),
        (MAY, WebhookAnswer(200, "[]"), Kind.LOST, "got HTTP 200"),
        (MAY, SendError("gone"), Kind.LOST, "got no answer: gone"),
        (FORGED, SendError("gone"), Kind.LOST, "got no answer: gone"),
    ],
)
def test_what_must_not_be(
    call: ExpectedCall, answer: WebhookAnswer | SendError, kind: Kind, problem: str
) -> None:
    """It is counted as what it is, and its problem is kept."""
    verdict = judge(call, answer)
    assert verdict.kind is kind
    assert problem in verdict.problem


def broken_figures(figures: list[Figure]) -> list[str]:
    """Those whose bound is not kept."""
    return [figure.name for figure in figures if not figure.holds]


@pytest.mark.parametrize(
    ("kind", "kills", "holds"),
    [
        (Kind.APPROVED, 0, True),
        (Kind.LEFT, 0, True),
        (Kind.REFUSED, 0, True),
        (Kind.ERROR, 1, True),
        (Kind.ERROR, 0, False),
        (Kind.WRONG, 1, False),
        (Kind.LOST, 1, False),
    ],
)
def test_bounds_of_the_counts(kind: Kind, kills: int, holds: bool) -> None:  # noqa: FBT001 - a row
    """No approval is wrong, no answer lost, and each kill costs one call at most."""
    tally = Tally()
    tally.add(Verdict(kind))
    assert broken_figures(list(tally.figures(kills))) == ([] if holds else [kind])


def test_the_first_problems_are_kept() -> None:
    """Of thousands, a screenful; all of them are counted."""
    tally = Tally()
    for number in range(MAX_PROBLEMS + 1):
        tally.add(Verdict(Kind.LOST, f"no. {number}"))
    assert tally.problems == [f"no. {number}" for number in range(MAX_PROBLEMS)]
    assert tally.counts[Kind.LOST] == MAX_PROBLEMS + 1


BASE = Usage(kib=100_000, peak_kib=120_000, threads=40, sockets=20)
STEADY = Sample(BASE, {1: BASE, 2: BASE})


@pytest.mark.parametrize("field", ["kib", "threads", "sockets"])
def test_growth_of_the_sandbox(field: str) -> None:
    """Memory, threads and sockets may vary a little; half as much again is growth."""
    assert broken_figures(list(growth_of_sandbox(STEADY, STEADY))) == []
    for factor, count in ((1.1, 0), (1.5, 1)):
        grown = BASE._replace(**{field: int(getattr(BASE, field) * factor)})
        assert (
            len(broken_figures(list(growth_of_sandbox(STEADY, STEADY._replace(sandbox=grown)))))
            == count
        )


def test_growth_of_children() -> None:
    """Those that lived on are compared, one that died is listed, a new one counts for the peak."""

    def broken_bounds(**changes: Usage) -> list[str]:
        children = {int(name[1:]): usage for name, usage in changes.items()}
        return broken_figures(
            list(growth_of_children(STEADY, STEADY._replace(children=children), 256))
        )

    assert broken_bounds(p1=BASE, p2=BASE, p3=BASE) == []
    assert broken_bounds(p1=BASE) == ["children that did not live on"]
    assert broken_bounds(p3=BASE) == ["children that did not live on"]
    twice = BASE._replace(kib=200_000, threads=80, sockets=40)
    assert len(broken_bounds(p1=twice, p2=twice)) == 3
    assert broken_bounds(p1=BASE, p2=BASE, p3=BASE._replace(peak_kib=300_000)) == [
        "a child: the most memory ever"
    ]
    assert broken_bounds() == ["children that did not live on"]


def test_answers_are_compared_whole() -> None:
    """A claim of another petition, or of none, is wrong."""
    labels = {**CLAIM["meta"]["labels"], "petition": "p-2"}
    other = replace(APPROVED, body={"claims": [CLAIM | {"meta": {"labels": labels}}]})
    assert judge(MAY, other).kind is Kind.WRONG
    assert judge(MAY, replace(APPROVED, body={"claims": [CLAIM, CLAIM]})).kind is Kind.WRONG
