"""Deciding logged decisions again, by the same policy or by another one. No I/O.

A record that does not hold enough is not decided again, and says why: a no for want of what nobody
asked for then would be no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from auditlog.record import ANOTHER, Record, duties_of, request_of
from handler import emails
from handler.audit import decision_record
from handler.durations import parse_instant
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.collect import dependencies, duty_query
from handler.providers.registry import BY_ID
from handler.rules.conditions import OnCall, walk
from handler.rules.evaluate import Decision, decide_all
from handler.rules.model import Policy

COMPARED = ("outcome", "reason", "rules", "duration")
NOT_WHOLE = (
    "it was cut to size, hides an e-mail or is of an older version, "
    "so it does not hold all that was decided from"
)
TORN = "requests of its call that may be of the same petition are missing, or are not whole"
CONTRADICTED = "other records of its call do not fit with it"
# Its schedules are listed, and those of no escalation policy looked up, only where rules name some.
_LOOKED_UP_BY_NAME = frozenset({BY_ID["pagerduty"].name})


class Replayed(NamedTuple):
    """A record, decided again.

    Attributes:
        record: as it was logged.
        again: as it would be logged now; None where it cannot be decided again.
        problem: why it cannot, or "".
    """

    record: Record
    again: Record | None = None
    problem: str = ""

    @property
    def differences(self) -> tuple[str, ...]:
        """What came out in another way."""
        again = self.again
        if again is None:
            return ()
        return tuple(name for name in COMPARED if self.record[name] != again[name])


def replay(records: Iterable[Record], policy: Policy) -> list[Replayed]:
    """Decide records of the log again. Those of one call are decided together, as they were."""
    all_records = list(records)
    providers = _providers(all_records, policy)
    replayed: list[Replayed] = []
    for call in _calls(all_records):
        replayed += _replay_call(call, policy, providers)
    return replayed


def _calls(records: Sequence[Record]) -> Iterable[list[Record]]:
    """Put the records of each call together; a line that is there twice counts once."""
    calls: dict[object, list[Record]] = {}
    firsts = 0
    for record in records:
        # Where calls have no id, the first request of the next one tells them apart.
        if record["number"] == 0:
            firsts += 1
        call = calls.setdefault(record["call"] or firsts, [])
        if record not in call:
            call.append(record)
    return calls.values()


def _replay_call(
    call: Sequence[Record], policy: Policy, providers: frozenset[str]
) -> Iterator[Replayed]:
    if not _fit_together(call):
        yield from (Replayed(record, problem=CONTRADICTED) for record in call)
        return
    complete = len(call) == call[0]["of"] and all(record["whole"] for record in call)
    usable = []
    for record in call:
        if problem := _problem(record, complete=complete):
            yield Replayed(record, problem=problem)
        else:
            usable.append(record)
    if usable:
        yield from _decide(usable, policy, providers)


def _fit_together(call: Sequence[Record]) -> bool:
    """Whether these can be records of one call: decided at one moment, each number once.

    A requester's duties are the same in each: they are looked up once. Only the record of a request
    that nothing could open has none.
    """
    duties: dict[str, object] = {}
    for record in call:
        own = record["trace"]["duties"]
        if own and record["whole"] and duties.setdefault(record["requester"], own) != own:
            return False
    first = call[0]
    return len({record["number"] for record in call}) == len(call) and all(
        record[name] == first[name] for record in call for name in ("of", "decided_at", "policy")
    )


def _problem(record: Record, *, complete: bool) -> str:
    if not record["whole"]:
        return NOT_WHOLE
    # Without a petition, a request stands alone.
    return TORN if record["petitions"] and not complete else ""


def _decide(call: Sequence[Record], policy: Policy, providers: frozenset[str]) -> list[Replayed]:
    now = parse_instant(call[0]["decided_at"])
    assert now  # noqa: S101 - read so
    requests = [request_of(record) for record in call]
    snapshots = [_snapshot(record, policy) for record in call]
    all_duties = tuple(duty for snapshot in snapshots for duty in snapshot.duties)
    decisions = decide_all(requests, ProviderSnapshot(all_duties), policy, now)
    replayed = []
    for record, snapshot, decision in zip(call, snapshots, decisions, strict=True):
        problem = _unknown(decision, record, policy, providers)
        again = None if problem else _record(decision, record, policy, snapshot)
        replayed.append(Replayed(record, again, problem))
    return replayed


def _snapshot(record: Record, policy: Policy) -> ProviderSnapshot:
    email = record["trace"]["request"]["requester"]["email"]
    others = sorted(policy.addresses(email) - {email})
    return ProviderSnapshot(duties_of(record, alias=others[0] if others else ANOTHER))


def _record(
    decision: Decision, record: Record, policy: Policy, snapshot: ProviderSnapshot
) -> dict[str, Any]:
    return decision_record(
        decision,
        snapshot=snapshot,
        providers=[provider["provider"] for provider in record["trace"]["providers"]],
        policy=policy,
        dry_run=record["dry_run"],
        milliseconds=record["milliseconds"],
        call=record["call"],
        caller=record.get("caller", ""),
        caller_request=record.get("caller_request", ""),
        number=record["number"],
        of=record["of"],
    )


def _unknown(decision: Decision, record: Record, policy: Policy, providers: frozenset[str]) -> str:
    """Say what would have had to be known, too, before this could be the answer; "" for nothing."""
    if record["policy"] == policy.fingerprint:
        return ""
    email = emails.normal(record["requester"])
    if decision.approved and (problem := _unknown_of_a_yes(decision, email, policy)):
        return problem
    # A yes by one duty may last longer by another one, whose end nobody has read.
    if not decision.could_change:
        return ""
    if policy.addresses(email) - {email}:
        return "by this policy, duties under other addresses of the requester would count, too"
    needs = dependencies([decision.request], policy, decision.now)
    for name in sorted(providers):
        query = duty_query(name, needs)
        logged = record["trace"]["wanted"].get(name, {})
        if not query.is_empty and not _covers(logged, query, by_name=name in _LOOKED_UP_BY_NAME):
            return f"by this policy, {name} would have been asked for what the record does not hold"
    return ""


def _unknown_of_a_yes(decision: Decision, email: str, policy: Policy) -> str:
    """Say what could speak against it that no record holds, since it names nobody else."""
    if any(duty.holder != email for duty in decision.evidence):
        return "it rests on a duty under another address of the requester, which is not logged"
    others = policy.known_as(email) - {emails.folded(email)}
    if others and not policy.self_declared and any(duty.incident for duty in decision.evidence):
        return (
            "by this policy, an incident that the requester declared under another address would "
            "not count, and who declared it is not logged"
        )
    return ""


def _covers(logged: Record, query: DutyQuery, *, by_name: bool) -> bool:
    """Whether what a provider was asked for answers a query, too."""
    has_schedules = set(query.schedules) <= set(logged.get("schedules", ()))
    has_any = logged.get("any_schedule", False) and not by_name
    return (has_schedules or has_any) and all(
        logged.get(field, False) or not getattr(query, field)
        for field in ("any_schedule", "roles", "updates", "ends")
    )


def _providers(records: Iterable[Record], policy: Policy) -> frozenset[str]:
    """Give the providers that there are: those that were asked, and those that the policy names."""
    logged = (name for record in records for name in record["trace"]["wanted"])
    named = (
        condition.provider
        for rule in policy.rules
        for condition in walk(rule.when)
        if isinstance(condition, OnCall) and condition.provider
    )
    return frozenset((*logged, *named))
