"""Decides logged requests again, with the same policy or another one. No I/O.

A record that lacks facts is not decided again, and the result says why: a refusal only because
nobody asked for a fact would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from auditlog.record import OTHER_PERSON, Record, duties_of, request_of
from handler import emails
from handler.audit import decision_record
from handler.callers import CALLERS
from handler.durations import parse_instant
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.collect import dependencies, duty_query, lengthening_dependencies
from handler.providers.registry import BY_ID, BY_NAME
from handler.rules.conditions import OnCall, walk
from handler.rules.evaluate import Decision, decide_all
from handler.rules.model import Policy
from handler.rules.petitions import group_by_petition

# What is shown of both records. Only values are compared, since another version may word the reason
# differently.
REPORTED = ("outcome", "reason", "rules", "duration")
_IDENTITY = ("provider", "kind", "id", "name", "incident")
NOT_WHOLE = (
    "the log line was shortened, hides an e-mail or comes from an older version, "
    "so it lacks facts of the decision"
)
INCOMPLETE_CALL = "other log lines of the same call are missing or incomplete"
UNDECIDED_PETITION = "another request of the same petition cannot be decided again"
INCONSISTENT_CALL = "the log lines of its call contradict each other"
ANOTHER_HOLDER = (
    "with this policy, a duty that counted by the holder's id may be somebody else's, and the log "
    "does not say who holds it without the policy"
)
UNKNOWN_USER = (
    "with this policy, a duty on which the approval is based may be somebody else's: identities "
    "for its provider have changed, and the log does not say which user holds the duty"
)
MAPPED_ELSEWHERE = (
    "with this policy, the requester may have duties that the logged policy gave to somebody else: "
    "identities for their provider have changed, and the log does not say whose duties those are"
)
ANOTHER_PERSON = "with this policy, the caller's name for the requester would mean somebody else"
# It lists schedules, and looks up those without an escalation policy, only if rules name some.
_LOOKED_UP_BY_NAME = frozenset({BY_ID["pagerduty"].name})


class ReplayResult(NamedTuple):
    """The result of deciding a record again.

    Attributes:
        record: as logged.
        new_record: as it would be logged now; None if it cannot be decided again.
        problem: why it cannot be decided again, or "".
    """

    record: Record
    new_record: Record | None = None
    problem: str = ""

    @property
    def differences(self) -> tuple[str, ...]:
        """The names of the values that differ, of those that the line has."""
        if self.new_record is None:
            return ()
        old, new = _values(self.record), _values(self.new_record)
        if old["outcome"] == "approve" and not old["evidence"]:
            del old["evidence"]
        if not (self.record["trace"]["rules"] or self.record["trace"]["other_rules"]):
            del old["denied_by"]
        return tuple(name for name, value in old.items() if value != new[name])


def _values(record: Record) -> dict[str, object]:
    """Return what was decided, apart from the wording."""
    return {
        "outcome": record["outcome"],
        "rules": record["rules"],
        "duration": record["duration"],
        "evidence": {
            tuple(duty.get(field, "") for field in _IDENTITY) for duty in record["evidence"]
        },
        "denied_by": {
            rule["rule"] for rule in record["trace"]["rules"] if rule["verdict"] == "denies"
        },
    }


def replay(records: Iterable[Record], policy: Policy) -> list[ReplayResult]:
    """Decide logged requests again; those of one call together, as the first time."""
    all_records = list(records)
    providers = _providers(all_records, policy)
    results: list[ReplayResult] = []
    for call in _calls(all_records):
        results += _without_torn_petitions(list(_replay_call(call, policy, providers)))
    return results


def _without_torn_petitions(results: Sequence[ReplayResult]) -> Iterator[ReplayResult]:
    """Give no new decision to a petition with a request that cannot be decided again."""
    for group in group_by_petition([request_of(result.record) for result in results]):
        is_torn = any(results[i].problem for i in group)
        for i in group:
            if is_torn and not results[i].problem:
                yield ReplayResult(results[i].record, problem=UNDECIDED_PETITION)
            else:
                yield results[i]


def _calls(records: Sequence[Record]) -> Iterable[list[Record]]:
    """Group the records by call; a repeated line counts once."""
    calls: dict[object, list[Record]] = {}
    firsts = 0
    for record in records:
        # Without an id, a call ends where the first request of the next one begins.
        if record["number"] == 0:
            firsts += 1
        call = calls.setdefault(record["call"] or firsts, [])
        if record not in call:
            call.append(record)
    return calls.values()


def _replay_call(
    call: Sequence[Record], policy: Policy, providers: frozenset[str]
) -> Iterator[ReplayResult]:
    if not _is_consistent(call):
        yield from (ReplayResult(record, problem=INCONSISTENT_CALL) for record in call)
        return
    complete = len(call) == call[0]["of"] and all(record["whole"] for record in call)
    usable = []
    for record in call:
        if problem := _problem(record, policy, complete=complete):
            yield ReplayResult(record, problem=problem)
        else:
            usable.append(record)
    if usable:
        yield from _decide_call(usable, policy, providers)


def _is_consistent(call: Sequence[Record]) -> bool:
    """Whether these can be records of one call: decided at one moment, no number twice.

    A requester's duties are the same in all of them, as they are looked up once. Only a request
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


def _problem(record: Record, policy: Policy, *, complete: bool) -> str:
    if not record["whole"]:
        return NOT_WHOLE
    if record["policy"] != policy.fingerprint:
        if _names_another(record, policy):
            return ANOTHER_PERSON
        if any(_has_another_holder(duty, record, policy) for duty in record["trace"]["duties"]):
            return ANOTHER_HOLDER
    # A request without a petition is decided on its own.
    return INCOMPLETE_CALL if record["petitions"] and not complete else ""


def _names_another(record: Record, policy: Policy) -> bool:
    """Whether a policy takes the caller's name for the requester for another person, or nobody."""
    caller, name = record.get("caller", ""), record.get("requester_id", "")
    # Without a name, the caller gave the e-mail itself.
    is_mapped = name and any(entry.maps_names for entry in CALLERS if entry.name == caller)
    return bool(is_mapped) and policy.email_of(caller, name) != emails.normal(record["requester"])


def _has_another_holder(duty: Record, record: Record, policy: Policy) -> bool:
    """Whether a policy maps the user who holds a duty to another person, or no longer to anybody.

    A line without the id is of a duty whose holder the provider shows.
    """
    if "user" not in duty:
        return False
    email = policy.email_of(duty["provider"], duty["user"])
    requester = emails.normal(record["requester"])
    # An alias is not logged, so it may be any of the requester's.
    others = policy.addresses(requester) - {requester}
    return email not in (others if duty.get("alias") else {requester})


def _decide_call(
    call: Sequence[Record], policy: Policy, providers: frozenset[str]
) -> list[ReplayResult]:
    now = parse_instant(call[0]["decided_at"])
    assert now  # noqa: S101 - the reader has checked it
    requests = [request_of(record) for record in call]
    snapshots = [_snapshot(record, policy) for record in call]
    all_duties = tuple(duty for snapshot in snapshots for duty in snapshot.duties)
    decisions = decide_all(requests, ProviderSnapshot(all_duties), policy, now)
    is_same = call[0]["policy"] == policy.fingerprint
    results = []
    for record, snapshot, decision in zip(call, snapshots, decisions, strict=True):
        problem = "" if is_same else _missing_facts(decision, record, policy, providers)
        new_record = None if problem else _new_record(decision, record, policy, snapshot)
        results.append(ReplayResult(record, new_record, problem))
    return results


def _snapshot(record: Record, policy: Policy) -> ProviderSnapshot:
    email = record["trace"]["request"]["requester"]["email"]
    others = sorted(policy.addresses(email) - {email})
    return ProviderSnapshot(duties_of(record, alias=others[0] if others else OTHER_PERSON))


def _new_record(
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


def _missing_facts(
    decision: Decision, record: Record, policy: Policy, providers: frozenset[str]
) -> str:
    """Say which facts for a decision by another policy the record lacks, or "" if it has all."""
    email, logged = emails.normal(record["requester"]), record.get("identities", {})
    changed = {name for name in BY_NAME if logged.get(name) != policy.identity_digests.get(name)}
    if decision.approved and (
        problem := _missing_facts_for_approval(decision, email, policy, changed)
    ):
        return problem
    # Another duty might make an approval longer.
    needs = lengthening_dependencies([decision], policy, decision.now)
    if decision.could_change:
        needs += dependencies([decision.request], policy, decision.now)
    if not needs:
        return ""
    has_others = bool(policy.addresses(email) - {email})
    if has_others or _maps_user_to(email, policy, changed):
        whose = "other addresses" if has_others else "users at a provider"
        return f"with this policy, duties of the requester's {whose} would count as well"
    for name in sorted(providers):
        query = duty_query(name, needs)
        asked = record["trace"]["wanted"].get(name, {})
        if query.is_empty:
            continue
        if name in logged and name in changed:
            return MAPPED_ELSEWHERE
        if not _covers(asked, query, by_name=name in _LOOKED_UP_BY_NAME):
            return f"with this policy, {name} would have been asked for facts that the log lacks"
    return ""


def _missing_facts_for_approval(
    decision: Decision, email: str, policy: Policy, changed: set[str]
) -> str:
    """Say what might speak against an approval but is never logged, as it names other people.

    `changed` are the providers of whose users the policy maps others than the logged one.
    """
    if any(duty.holder != email for duty in decision.evidence):
        return "it is based on a duty of another address of the requester, which is not logged"
    unknown = {duty.provider for duty in decision.evidence if not duty.user}
    if any(_maps_others(email, name, policy) for name in unknown & changed):
        return UNKNOWN_USER
    is_mapped = _maps_user_to(email, policy, BY_NAME)
    if is_mapped and any(rule.deny and rule.when for rule in policy.rules):
        return (
            "with this policy, a rule may deny the e-mail that a provider shows for the requester, "
            "which is not logged"
        )
    others = is_mapped or policy.known_as(email) - {emails.folded(email)}
    if others and not policy.self_declared and any(duty.incident for duty in decision.evidence):
        return (
            "with this policy, an incident that the requester declared with another address or "
            "user would not count, and the log does not say who declared it"
        )
    return ""


def _maps_user_to(email: str, policy: Policy, providers: Iterable[str]) -> bool:
    """Whether a policy maps a user of one of these providers to this e-mail."""
    return any(email in policy.identities.get(name, {}).values() for name in providers)


def _maps_others(email: str, provider: str, policy: Policy) -> bool:
    """Whether a policy maps a user of this provider to anybody but the person with this e-mail."""
    return not policy.addresses(email).issuperset(policy.identities.get(provider, {}).values())


def _covers(logged: Record, query: DutyQuery, *, by_name: bool) -> bool:
    """Whether the logged query to a provider covers another one."""
    has_schedules = set(query.schedules) <= set(logged.get("schedules", ()))
    has_any = logged.get("any_schedule", False) and not by_name
    return (has_schedules or has_any) and all(
        logged.get(field, False) or not getattr(query, field)
        for field in ("any_schedule", "roles", "updates", "ends")
    )


def _providers(records: Iterable[Record], policy: Policy) -> frozenset[str]:
    """Return the providers that were asked or that the policy names."""
    logged = (name for record in records for name in record["trace"]["wanted"])
    named = (
        condition.provider
        for rule in policy.rules
        for condition in walk(rule.when)
        if isinstance(condition, OnCall) and condition.provider
    )
    return frozenset((*logged, *named))
