"""Checks approvals whose access is still running: has the duty ended? No I/O.

An approval passes if each duty on which it is based is still there, or if its request would be
approved now, by whatever duty. Duties are compared by id, so names that changed or that several
schedules have don't matter, and neither does a policy that has changed since.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from auditlog.record import Record, evidence_of, moment_of, request_of
from auditlog.replay import NOT_WHOLE
from handler import emails
from handler.audit import MOST_CHARACTERS
from handler.durations import parse_duration
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, ProviderSnapshot
from handler.providers.collect import Dependency, dependencies
from handler.request import ACCESS, Request
from handler.rules.conditions import ANY, IncidentRole, OnCall
from handler.rules.evaluate import decide
from handler.rules.model import Policy

ON_DUTY, ENDED, UNKNOWN = "on duty", "duty ended", "unknown"
NO_ALIAS = (
    "the approval is based on a duty of another address of the requester, and the policy has no "
    "other address for them"
)
_SECOND = timedelta(seconds=1)


class Approval(NamedTuple):
    """An approval whose access is still running.

    Attributes:
        since, until: when the access began, and when it ends.
        evidence: the duties on which it is based; those of another address of the requester have a
            stand-in as their holder.
    """

    record: Record
    since: datetime
    until: datetime
    evidence: tuple[Duty, ...]

    @property
    def requester(self) -> str:
        """The requester's e-mail."""
        return str(self.record["requester"])

    @property
    def has_evidence(self) -> bool:
        """Whether the record has the requester and all of the evidence as they were."""
        names = (text for duty in self.evidence for text in (duty.id, duty.incident))
        texts = [self.requester, *names]
        is_cut = any(emails.HIDDEN in text or len(text) >= MOST_CHARACTERS for text in texts)
        return bool(self.evidence) and not (is_cut or "evidence" in self.record.get("omitted", {}))

    def request_at(self, now: datetime) -> Request:
        """Make a request of its own for the rest of the access."""
        return request_of(self.record)._replace(
            requested_duration=max(self.until - now, _SECOND),
            requested_expiry=None,
            all_or_nothing=False,
        )


class Finding(NamedTuple):
    """What is known of an approval now.

    Attributes:
        status: `ON_DUTY`, `ENDED` or `UNKNOWN`.
        ended: the duties that are no longer there, of an approval that is `ENDED`.
        why: what could not be checked, of an approval that is `UNKNOWN`.
    """

    approval: Approval
    status: str
    ended: tuple[Duty, ...] = ()
    why: str = ""


def running_approvals(records: Iterable[Record], now: datetime) -> list[Approval]:
    """Find the approvals whose access hasn't ended; of repeated ones, that which ends last."""
    latest: dict[object, Approval] = {}
    for record in records:
        since, length = moment_of(record["decided_at"]), parse_duration(record["duration"] or "")
        if record["dry_run"] or not (since and length) or since + length <= now:
            continue
        approval = Approval(record, since, since + length, evidence_of(record))
        request = record["trace"]["request"]
        key = (
            approval.requester,
            # With their labels, since other rules may be for them.
            json.dumps(
                [record["resources"], request["resources"], record["rules"]], sort_keys=True
            ),
            request.get("action", ACCESS),
            record.get("caller", ""),
            frozenset(duty.identity for duty in approval.evidence),
        )
        if key not in latest or latest[key].until < approval.until:
            latest[key] = approval
    return sorted(latest.values(), key=lambda approval: (approval.requester, approval.until))


def dependencies_of(approval: Approval, policy: Policy, now: datetime) -> list[Dependency]:
    """Say on which duties the finding depends: the evidence, and what the policy accepts now."""
    people = policy.addresses(approval.requester)
    evidence = [Dependency(_condition(duty), False, people) for duty in approval.evidence]  # noqa: FBT003 - a field
    return [*evidence, *dependencies([approval.request_at(now)], policy, now)]


def _condition(duty: Duty) -> OnCall | IncidentRole:
    if duty.kind == ON_CALL:
        return OnCall((duty.id,), duty.provider)
    return IncidentRole((duty.id,) if duty.kind == INCIDENT_ROLE else ANY)


def check(
    approval: Approval,
    snapshot: ProviderSnapshot,
    asked: Collection[str],
    policy: Policy,
    now: datetime,
) -> Finding:
    """Check an approval against what the providers say now.

    Args:
        approval: one that is running.
        snapshot: what they answered about its `dependencies_of`.
        asked: the names of the providers that were asked.
        policy: the current one.
        now: when they had answered.
    """
    people = policy.addresses(approval.requester)
    ended = tuple(
        duty
        for duty in approval.evidence
        if not _is_held(duty, people, snapshot, now)
        and not _is_in_grace_period(duty, approval, policy, now)
    )
    is_whole = approval.record["whole"]
    if (approval.has_evidence and not ended) or (
        is_whole and decide(approval.request_at(now), snapshot, policy, now).approved
    ):
        return Finding(approval, ON_DUTY)
    problems = [] if is_whole and approval.has_evidence else [NOT_WHOLE]
    if len(people) == 1 and any(duty.holder != approval.requester for duty in ended):
        problems.append(NO_ALIAS)
    problems += _unanswered(approval, snapshot, asked)
    problems += _hidden(ended, snapshot, now)
    if problems:
        return Finding(approval, UNKNOWN, why="; ".join(dict.fromkeys(problems)))
    return Finding(approval, ENDED, ended)


def _is_same(duty: Duty, other: Duty) -> bool:
    return duty.identity[:-1] == other.identity[:-1]


def _is_held(
    duty: Duty, people: Collection[str], snapshot: ProviderSnapshot, now: datetime
) -> bool:
    """Whether one of these addresses still has a duty; an update counts while its incident does."""
    if duty.kind == INCIDENT_UPDATE:
        return any(incident.reference == duty.incident for incident in snapshot.incidents)
    return any(
        _is_same(live, duty)
        and live.holder in people
        and live.level <= duty.level
        and live.runs_at(now)
        for live in snapshot.duties
    )


def _is_in_grace_period(duty: Duty, approval: Approval, policy: Policy, now: datetime) -> bool:
    """Whether a shift ended when it was to end, and the rules end the access so soon after it."""
    names = approval.record["rules"]
    graces = [
        rule.shift_end.grace
        for rule in policy.rules
        if rule.name in names and rule.shift_end is not None
    ]
    if not graces or len(graces) < len(names) or duty.end is None or duty.end > now:
        return False
    return approval.until <= duty.end + min(graces)


def _unanswered(
    approval: Approval, snapshot: ProviderSnapshot, asked: Collection[str]
) -> Iterator[str]:
    """Say which providers weren't asked that were asked for the decision, and which failed."""
    providers = [entry["provider"] for entry in approval.record["trace"]["providers"]]
    providers += (duty.provider for duty in approval.evidence)
    for name in dict.fromkeys(providers):
        if name not in asked:
            yield f"{name} was not asked, since its key is not set here"
    for failure in snapshot.failures:
        yield f"no answer from {failure}"


def _hidden(ended: Iterable[Duty], snapshot: ProviderSnapshot, now: datetime) -> Iterator[str]:
    """Say where somebody on duty shows no e-mail: it may be the requester."""
    for duty in ended:
        if any(_is_same(live, duty) and live.runs_at(now) for live in snapshot.without_email):
            yield f"somebody on duty for {duty.title} shows no e-mail at {duty.provider}"
