"""Repeats every decision of a test from its log record alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import pytest

from auditlog.replay import INCOMPLETE_CALL, NOT_WHOLE, replay
from handler import app
from handler.audit import decision_record
from handler.duty import ProviderSnapshot
from handler.providers.collect import Outcome, collect_and_decide
from handler.request import Request
from handler.rules.evaluate import Decision, decide, decide_all
from handler.rules.model import Policy
from policy import case_runner

Record = Mapping[str, Any]
# Fields that a decision doesn't depend on.
_OUTSIDE = (
    *("timestamp", "level", "message", "provider_failures", "failing"),
    *("version", "milliseconds", "omitted"),
)
_OUTSIDE_TRACE = ("providers", "wanted")


@contextmanager
def all_decisions_replayed(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Record what the handler logs and what a test module decides, and replay it afterwards.

    Of several decisions that one call makes while answers come in, only the last one counts.

    Raises:
        AssertionError: the record and the policy lead to another decision.
    """
    logged: list[tuple[Policy, Record]] = []

    def recorded(decision: Decision, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
        record = decision_record(decision, **facts)
        logged.append((facts["policy"], record))
        return record

    def decided_all(
        requests: Sequence[Request], snapshot: ProviderSnapshot, policy: Policy, now: datetime
    ) -> tuple[Decision, ...]:
        decisions = decide_all(requests, snapshot, policy, now)
        replay_all(_records(decisions, snapshot, policy), policy)
        return decisions

    def decided(
        request: Request, snapshot: ProviderSnapshot, policy: Policy, now: datetime
    ) -> Decision:
        decision = decide(request, snapshot, policy, now)
        replay_all(_records([decision], snapshot, policy), policy)
        return decision

    def collected(requests: Sequence[Request], policy: Policy, *how: Any) -> Outcome:  # noqa: ANN401 - passed on
        outcome = collect_and_decide(requests, policy, *how)
        replay_all(_records(outcome.decisions, outcome.snapshot, policy), policy)
        return outcome

    watched: dict[Callable[..., object], Callable[..., object]] = {
        decide_all: decided_all,
        decide: decided,
        decision_record: recorded,
        collect_and_decide: collected,
    }
    for place, name in _watched_names(module):
        if (value := getattr(place, name)) in watched:
            monkeypatch.setattr(place, name, watched[value])
    yield
    call: list[Record] = []
    for policy, record in logged:
        call.append(record)
        if len(call) == record["of"]:
            replay_all(call, policy)
            call = []
    assert not call


@cache
def _watched_names(module: ModuleType) -> list[tuple[ModuleType, str]]:
    watched = (decide_all, decide, decision_record)
    names = [
        (place, name)
        for place in (module, app, case_runner)
        for name, value in vars(place).items()
        if isinstance(value, FunctionType)
        and value in watched
        and (place, name) != (module, "decision_record")
    ]
    return [*names, *((place, "collect_and_decide") for place in _modules_that_collect())]


@cache
def _modules_that_collect() -> list[ModuleType]:
    """Give the modules of tests and of the command that decide by what providers answer.

    The handler does as well, and logs what it decides.
    """
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith(("cli.", "tests."))
        and name != __name__
        and vars(module).get("collect_and_decide") is collect_and_decide
    ]


def _records(
    decisions: Sequence[Decision], snapshot: ProviderSnapshot, policy: Policy
) -> list[dict[str, Any]]:
    return [
        decision_record(
            decision,
            snapshot=snapshot,
            providers=(),
            policy=policy,
            dry_run=False,
            milliseconds=0,
            number=number,
            of=len(decisions),
        )
        for number, decision in enumerate(decisions)
    ]


def replay_all(records: Iterable[Record], policy: Policy) -> None:
    """Repeat all decisions among these records, and ignore other records."""
    decisions = [record for record in records if record.get("message", "decision") == "decision"]
    for result in replay(json.loads(json.dumps(decisions)), policy):
        if result.new_record is None:
            assert result.problem in {NOT_WHOLE, INCOMPLETE_CALL}, result.problem
            assert result.problem == INCOMPLETE_CALL or not result.record["whole"]
            continue
        assert not result.differences
        assert _what_follows(json.loads(json.dumps(result.new_record))) == _what_follows(
            result.record
        )


def _what_follows(record: Record) -> dict[str, Any]:
    trace = {name: value for name, value in record["trace"].items() if name not in _OUTSIDE_TRACE}
    return {name: value for name, value in record.items() if name not in _OUTSIDE} | {
        "trace": trace
    }
