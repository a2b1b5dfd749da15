"""`make soak` recognises every wrong answer and every leak."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
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
    read_authzen,
    read_conductorone,
    read_indent,
)
from cli.webhook_client import SendError, WebhookAnswer, request_event

EVENT = request_event("jane@example.com", ["prod-db"], petition="p-1")
JANE, READ = "jane@example.com", partial(read_indent, EVENT)
MAY = ExpectedCall(JANE, READ, may_be_approved=True)
MAY_NOT = ExpectedCall(JANE, READ, may_be_approved=False)
FORGED = ExpectedCall(JANE, READ, may_be_approved=True, genuine=False)
BY_AUTHZEN = ExpectedCall(JANE, read_authzen, may_be_approved=True)
BY_CONDUCTORONE = ExpectedCall(JANE, read_conductorone, may_be_approved=True)
YES: dict[str, Any] = {
    "decision": True,
    "context": {
        "outcome": "approved",
        "reason": "on call",
        "expires_at": "2026-11-24T12:00:00Z",
    },
}
NO: dict[str, Any] = {
    "decision": False,
    "context": {"outcome": "left to humans", "reason": "no duty"},
}
ACCEPT: dict[str, Any] = {
    "version": "v1",
    "replacePolicy": {"comment": "on call", "policySteps": [{"accept": {"acceptMessage": "x"}}]},
}
MORE_THAN_ACCEPT: list[list[dict[str, Any]]] = [
    [],
    [{"accept": {}, "approval": {}}],
    [{"accept": {}}, {"approval": {}}],
]
PASS_ON: dict[str, Any] = {"version": "v1", "approve": {"comment": "Left to humans: no duty"}}
NO_ANSWERS: list[Any] = [
    [],
    {"version": "v1"},
    {**ACCEPT, **PASS_ON},
    {**PASS_ON, "version": "v2"},
]
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
        (BY_AUTHZEN, WebhookAnswer(200, YES), Kind.APPROVED),
        (BY_AUTHZEN, WebhookAnswer(200, NO), Kind.LEFT),
        (BY_AUTHZEN, WebhookAnswer(503, {"error": {}}), Kind.ERROR),
        (BY_CONDUCTORONE, WebhookAnswer(200, ACCEPT), Kind.APPROVED),
        (BY_CONDUCTORONE, WebhookAnswer(200, PASS_ON), Kind.LEFT),
        (
            BY_CONDUCTORONE,
            WebhookAnswer(
                200, {**ACCEPT, "replacePolicy": {**ACCEPT["replacePolicy"], "comment": ""}}
            ),
            Kind.APPROVED,
        ),
        (BY_CONDUCTORONE, WebhookAnswer(502, {"message": "x"}), Kind.ERROR),
    ],
)
def test_expected_answers(call: ExpectedCall, answer: WebhookAnswer, kind: Kind) -> None:
    """Correct approvals, empty answers, clean errors and refused forgeries are accepted."""
    assert judge(call, answer) == Verdict(kind)


@pytest.mark.parametrize(
    ("call", "answer", "kind", "problem"),
    [
        (MAY_NOT, APPROVED, Kind.WRONG, "was approved: on call, by the default rule"),
        (MAY, OTHER, Kind.WRONG, "an approval that is wrong: it approves something else"),
        (MAY, WebhookAnswer(200, {"claims": [7]}), Kind.WRONG, "an approval that is wrong"),
        *(
            (
                call._replace(may_be_approved=False),
                WebhookAnswer(200, body),
                Kind.WRONG,
                ": on call",
            )
            for call, body in ((BY_AUTHZEN, YES), (BY_CONDUCTORONE, ACCEPT))
        ),
        *(
            (BY_AUTHZEN, WebhookAnswer(200, body), Kind.WRONG, problem)
            for body, problem in (
                ({**YES, "context": NO["context"]}, "its outcome is 'left to humans'"),
                ({**NO, "context": YES["context"]}, "its outcome is 'approved'"),
                ({"decision": False}, "its outcome is ''"),
                (
                    {**YES, "context": {**YES["context"], "expires_at": "soon"}},
                    "it has no end",
                ),
            )
        ),
        *(
            (BY_AUTHZEN, WebhookAnswer(200, body), Kind.LOST, "got HTTP 200")
            for body in ("x", {}, {"decision": "true"}, {"evaluations": [YES]})
        ),
        *(
            (
                BY_CONDUCTORONE,
                WebhookAnswer(
                    200, {**ACCEPT, "replacePolicy": {"comment": "", "policySteps": steps}}
                ),
                *(Kind.WRONG, "it does more than to accept"),
            )
            for steps in MORE_THAN_ACCEPT
        ),
        *(
            (BY_CONDUCTORONE, WebhookAnswer(200, body), Kind.LOST, "got HTTP 200")
            for body in NO_ANSWERS
        ),
        (FORGED, APPROVED, Kind.WRONG, "a forged call got HTTP 200"),
        (FORGED, LEFT, Kind.WRONG, "a forged call got HTTP 200"),
        (MAY, WebhookAnswer(401, {"status": {}}), Kind.LOST, "got HTTP 401, with ['status']"),
        (MAY, WebhookAnswer(500, {"status": {}}), Kind.LOST, "got HTTP 500"),
        (MAY, WebhookAnswer(502, "<html>"), Kind.LOST, "got HTTP 502, with []"),
        (MAY, WebhookAnswer(200, {"status": {}}), Kind.LOST, "got HTTP 200 without a decision"),
        (MAY, WebhookAnswer(200, "[]"), Kind.LOST, "got HTTP 200"),
        (MAY, SendError("gone"), Kind.LOST, "got no answer: gone"),
        (FORGED, SendError("gone"), Kind.LOST, "got no answer: gone"),
    ],
)
def test_wrong_answers(
    call: ExpectedCall, answer: WebhookAnswer | SendError, kind: Kind, problem: str
) -> None:
    """A wrong or lost answer is counted, and its problem is recorded."""
    verdict = judge(call, answer)
    assert verdict.kind is kind
    assert problem in verdict.problem


def broken_figures(figures: list[Figure]) -> list[str]:
    """Return the names of the figures outside their bounds."""
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
    """No approval may be wrong, no answer lost, and a kill may cost one call."""
    tally = Tally()
    tally.add(Verdict(kind), "indent")
    assert broken_figures(list(tally.figures(kills))) == ([] if holds else [kind])


def test_only_the_first_problems_are_listed() -> None:
    """All problems are counted, but only the first are listed."""
    tally = Tally()
    for number in range(MAX_PROBLEMS + 1):
        tally.add(Verdict(Kind.LOST, f"no. {number}"), "indent")
    assert tally.problems == [f"no. {number}" for number in range(MAX_PROBLEMS)]
    assert tally.counts[Kind.LOST] == MAX_PROBLEMS + 1


BASE = Usage(kib=100_000, peak_kib=120_000, threads=40, sockets=20)
STEADY = Sample(BASE, {1: BASE, 2: BASE})


@pytest.mark.parametrize("field", ["kib", "threads", "sockets"])
def test_growth_of_the_sandbox(field: str) -> None:
    """Memory, threads and sockets may vary by 10 %, but not by 50 %."""
    assert broken_figures(list(growth_of_sandbox(STEADY, STEADY))) == []
    for factor, count in ((1.1, 0), (1.5, 1)):
        grown = BASE._replace(**{field: int(getattr(BASE, field) * factor)})
        assert (
            len(broken_figures(list(growth_of_sandbox(STEADY, STEADY._replace(sandbox=grown)))))
            == count
        )


def test_growth_of_children() -> None:
    """Surviving children are compared; a dead one is listed; a new one counts for the peak."""

    def broken_bounds(**changes: Usage) -> list[str]:
        children = {int(name[1:]): usage for name, usage in changes.items()}
        return broken_figures(
            list(growth_of_children(STEADY, STEADY._replace(children=children), 256))
        )

    assert broken_bounds(p1=BASE, p2=BASE, p3=BASE) == []
    assert broken_bounds(p1=BASE) == ["children that ended"]
    assert broken_bounds(p3=BASE) == ["children that ended"]
    twice = BASE._replace(kib=200_000, threads=80, sockets=40)
    assert len(broken_bounds(p1=twice, p2=twice)) == 3
    assert broken_bounds(p1=BASE, p2=BASE, p3=BASE._replace(peak_kib=300_000)) == [
        "a child: the most memory ever"
    ]
    assert broken_bounds() == ["children that ended"]


def test_answers_are_compared_whole() -> None:
    """A claim for another petition, or for none, is wrong."""
    labels = {**CLAIM["meta"]["labels"], "petition": "p-2"}
    other = replace(APPROVED, body={"claims": [CLAIM | {"meta": {"labels": labels}}]})
    assert judge(MAY, other).kind is Kind.WRONG
    assert judge(MAY, replace(APPROVED, body={"claims": [CLAIM, CLAIM]})).kind is Kind.WRONG
