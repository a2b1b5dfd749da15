"""Deciding logged decisions again, by the same policy or by another one. No I/O.

What a record does not hold cannot be decided again, and is said so: a no that rests on what nobody
asked then would be no answer.
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
from handler.rules.conditions import AllOf, AnyOf, Condition, OnCall
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
        return tuple(each for each in COMPARED if self.record[each] != again[each])


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
    unnamed = 0
    for record in records:
        # Where calls have no id, the first request of the next one tells them apart.
        unnamed += record["number"] == 0
        call = calls.setdefault(record["call"] or unnamed, [])
        if record not in call:
            call.append(record)
    return calls.values()


def _replay_call(
    call: Sequence[Record], policy: Policy, providers: frozenset[str]
) -> Iterator[Replayed]:
    if not _fit_together(call):
        yield from (Replayed(record, problem=CONTRADICTED) for record in call)
        return
    complete = len(call) == call[0]["of"] and all(each["whole"] for each in call)
    fit = []
    for record in call:
        if problem := _problem(record, complete=complete):
            yield Replayed(record, problem=problem)
        else:
            fit.append(record)
    if fit:
        yield from _decide(fit, policy, providers)


def _fit_together(call: Sequence[Record]) -> bool:
    """Whether these can be records of one call: decided at one moment, each number once.

    What is known of somebody is the same in each: their duties are looked up once. Only of a
    request that nothing could open are none told.
    """
    duties: dict[str, object] = {}
    for each in call:
        own = each["trace"]["duties"]
        if own and each["whole"] and duties.setdefault(each["requester"], own) != own:
            return False
    first = call[0]
    return len({each["number"] for each in call}) == len(call) and all(
        each[name] == first[name] for each in call for name in ("of", "decided_at", "policy")
    )


def _problem(record: Record, *, complete: bool) -> str:
    if not record["whole"]:
        return NOT_WHOLE
    # Without a petition, a request stands alone.
    return TORN if record["petitions"] and not complete else ""


def _decide(call: Sequence[Record], policy: Policy, providers: frozenset[str]) -> list[Replayed]:
    now = parse_instant(call[0]["decided_at"])
    assert now  # noqa: S101 - read so
    requests = [request_of(each) for each in call]
    found = [_findings(each, policy) for each in call]
    together = ProviderSnapshot(tuple(duty for each in found for duty in each.duties))
    decisions = decide_all(requests, together, policy, now)
    replayed = []
    for record, snapshot, decision in zip(call, found, decisions, strict=True):
        problem = _unknown(decision, record, policy, providers)
        again = None if problem else _again(decision, record, policy, snapshot)
        replayed.append(Replayed(record, again, problem))
    return replayed


def _findings(record: Record, policy: Policy) -> ProviderSnapshot:
    email = record["trace"]["request"]["requester"]["email"]
    others = sorted(policy.addresses(email) - {email})
    return ProviderSnapshot(duties_of(record, alias=others[0] if others else ANOTHER))


def _again(
    decision: Decision, record: Record, policy: Policy, snapshot: ProviderSnapshot
) -> dict[str, Any]:
    return decision_record(
        decision,
        snapshot=snapshot,
        providers=[each["provider"] for each in record["trace"]["providers"]],
        policy=policy,
        dry_run=record["dry_run"],
        milliseconds=record["milliseconds"],
        call=record["call"],
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
        wants = duty_query(name, needs)
        asked = record["trace"]["wanted"].get(name, {})
        if wants.anything and not _covers(asked, wants, by_name=name in _LOOKED_UP_BY_NAME):
            return f"by this policy, {name} would have been asked for what the record does not hold"
    return ""


def _unknown_of_a_yes(decision: Decision, email: str, policy: Policy) -> str:
    """Say what could speak against it that no record holds, since it names nobody else."""
    if any(each.holder != email for each in decision.evidence):
        return "it rests on a duty under another address of the requester, which is not logged"
    others = policy.known_as(email) - {emails.folded(email)}
    if others and not policy.self_declared and any(each.incident for each in decision.evidence):
        return (
            "by this policy, an incident that the requester declared under another address would "
            "not count, and who declared it is not logged"
        )
    return ""


def _covers(asked: Record, wants: DutyQuery, *, by_name: bool) -> bool:
    schedules = set(wants.schedules) <= set(asked.get("schedules", ()))
    any_will_do = asked.get("any_schedule", False) and not by_name
    return (schedules or any_will_do) and all(
        asked.get(field, False) or not getattr(wants, field)
        for field in ("any_schedule", "roles", "updates", "ends")
    )


def _providers(records: Iterable[Record], policy: Policy) -> frozenset[str]:
    """Give the providers that there are: those that were asked, and those that the policy names."""
    asked = (name for record in records for name in record["trace"]["wanted"])
    named = (name for rule in policy.rules for name in _named(rule.when))
    return frozenset((*asked, *named))


def _named(condition: Condition | None) -> Iterator[str]:
    if isinstance(condition, AnyOf | AllOf):
        for each in condition.members:
            yield from _named(each)
    elif isinstance(condition, OnCall) and condition.provider:
        yield condition.provider
