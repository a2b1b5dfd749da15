"""Counts decisions by outcome, rule and provider, and failures, without naming people. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from auditlog.explain import DEFAULT_RULE, hidden_emails
from auditlog.record import DECISION, FAILED, NOTICE_FAILED, REFUSED, Record
from handler.durations import parse_instant

# What is counted, and its heading.
COUNTS = {
    "outcomes": "decisions",
    "rules": "approved by rule",
    "providers": "approved by a duty at",
    "failures": "no answer from",
    "without_email": "someone on duty without an e-mail at",
    REFUSED: "calls refused",
    FAILED: "calls failed",
    NOTICE_FAILED: "notices failed",
    "policies": "decided with policy",
}


def report(records: Iterable[Record]) -> dict[str, Any]:
    """Count decisions, calls without a decision, and approvals whose notice failed.

    Returns the number of `decisions`, the instants `from` and `to` (None without decisions), and
    for each of `COUNTS` a dictionary of counts, the most frequent first.
    """
    counters: dict[str, Counter[str]] = {name: Counter() for name in COUNTS}
    times = []
    for record in records:
        if record["message"] != DECISION:
            where = f"{record['to']}: " if record.get("to") else ""
            counters[record["message"]][f"{where}{record.get('why', '')}"] += 1
            continue
        times.append(record.get("timestamp") or record["decided_at"])
        for name, value in _facts(record):
            counters[name][value] += 1
    return {
        "decisions": len(times),
        "from": min(times, default=None),
        "to": max(times, default=None),
        **{name: dict(counter.most_common()) for name, counter in counters.items()},
    }


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    outcome = "approved" if record["outcome"] == "approve" else "left to humans"
    yield "outcomes", f"{outcome}, in dry run" if record["dry_run"] else outcome
    yield "policies", record["policy"]
    for rule in record["rules"]:
        yield "rules", rule or DEFAULT_RULE
    for provider in {duty["provider"] for duty in record["evidence"]}:
        yield "providers", provider
    for failure in record["provider_failures"]:
        yield "failures", failure
    for provider in hidden_emails(record):
        yield "without_email", provider


def is_since(record: Record, since: datetime) -> bool:
    """Whether a record is not older; one without a time counts, so that none is missed."""
    logged_at = parse_instant(record.get("timestamp") or record.get("decided_at", ""))
    return logged_at is None or logged_at >= since
