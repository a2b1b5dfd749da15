"""The decision's log line: the audit trail. No I/O.

It holds all that the decision was made from, so that it can be made again (`replay.py`), but no
secret, no body, no signature, and nobody's e-mail but the requester's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from handler import __version__, emails
from handler.durations import format_go
from handler.duty import INCIDENT_UPDATE, Duty, Failure, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.registry import BY_NAME
from handler.redaction import MOST_CHARACTERS, Redactor
from handler.request import Resource
from handler.rules.evaluate import (
    BESIDE_THE_POINT,
    DENIED,
    DENIES_OTHERS,
    OTHER_RESOURCES,
    Decision,
    RuleResult,
)
from handler.rules.model import Policy

MOST_RULES = 600
# What an entry takes at most beside its texts.
_RESOURCE_BYTES, _DUTY_BYTES = 80, 550
_RULE_BYTES, _JUDGED_DUTY_BYTES, _PROVIDER_BYTES = 130, 40, 200
_NONE: Mapping[str, DutyQuery] = MappingProxyType({})
_NOBODY: Mapping[str, tuple[int, int]] = MappingProxyType({})


def decision_record(
    decision: Decision,
    *,
    snapshot: ProviderSnapshot,
    asked: Sequence[str],
    policy: Policy,
    dry_run: bool,
    milliseconds: int,
    wants: Mapping[str, DutyQuery] = _NONE,
    without_email: Mapping[str, tuple[int, int]] = _NOBODY,
    call: str = "",
    number: int = 0,
    of: int = 1,
) -> dict[str, Any]:
    """Say what was decided about one request, on what grounds, by which policy and code.

    Args:
        decision: the decision.
        snapshot: all that was found out for the call.
        asked: the providers that were asked.
        policy: by which it was decided.
        dry_run: whether no claim is made of it, whatever it says.
        milliseconds: how long the call took until here.
        wants: what the rules needed to know of each.
        without_email: how many people on duty show no e-mail there, and of how many, by provider.
        call: the call's id.
        number: of the request within its call, from 0.
        of: how many requests the call holds.
    """
    request = decision.request
    requester = emails.normal(request.requester.email)
    own = policy.known_as(requester)
    omitted: dict[str, int] = {}
    # What is told first, then what it was decided from, then what became of the rules.
    tell, ground, ruled = (Redactor(requester, omitted) for _ in range(3))
    email = tell.text(requester)
    reason, petitions = tell.text(decision.reason), tell.texts(request.groups, "petitions")
    unreadable = {
        "unreadable_duration": request.unreadable_duration,
        "unreadable_until": request.unreadable_expiry,
    }
    shown = {
        "requester": {"email": email, "emails": len(request.requester.addresses)},
        "resources": [
            _resource(each, request.requester, ground)
            for each in ground.first(request.resources, "resources", each=_RESOURCE_BYTES)
        ],
        "asked_duration": _go(request.requested_duration),
        "asked_until": _instant(request.requested_expiry),
        # Few requests have one of these.
        **{name: ground.text(value) for name, value in unreadable.items() if value},
    }
    duties = tuple(ground.first(decision.duties, "duties", each=_DUTY_BYTES))
    trace = {
        "request": shown,
        "duties": [_duty(each, requester, own, ground) for each in duties],
        **_rules(decision, policy, duties, ruled),
        "limits": ruled.texts(decision.limits),
        "providers": _providers(asked, snapshot.failures, ruled),
    }
    # Cut rules are no loss to who decides again, by the policy that has them.
    whole = tell.whole and ground.whole
    failed = {each.provider for each in snapshot.failures}
    record = {
        "call": tell.text(call),
        "number": number,
        "of": of,
        "petition": " ".join(dict.fromkeys(petitions))[:MOST_CHARACTERS],
        "petitions": petitions,
        "requester": email,
        "resources": [
            tell.pair(each.kind, each.id) for each in tell.first(request.resources, "resources")
        ],
        "resource_count": len(request.resources),
        "outcome": "approve" if decision.approved else "abstain",
        "dry_run": dry_run,
        "reason": reason,
        "rules": tell.texts(decision.rules, "rules"),
        "evidence": [
            _duty(each, requester, own, tell)
            for each in tell.first(decision.evidence, "evidence", each=_DUTY_BYTES)
        ],
        "duration": format_go(decision.duration) if decision.approved else None,
        # Whether anybody could have given himself the duty: by a switch, that counts.
        "self_made": any(
            each.kind == INCIDENT_UPDATE or each.is_declared_by(own) for each in decision.evidence
        ),
        "provider_failures": tell.texts([str(each) for each in snapshot.failures], "failures"),
        # 1 or 0, by id: metric filters read no names with dots, and add up numbers only.
        "failing": {BY_NAME[each].id: int(each in failed) for each in asked if each in BY_NAME},
        "decided_at": _instant(decision.now),
        "trace": {**trace, "wanted": _all_wanted(wants, tell)},
        "whole": whole,
        "policy": policy.fingerprint,
        "version": __version__,
        "milliseconds": milliseconds,
    }
    if without_email:
        record["without_email"] = {
            BY_NAME[each].id: {"people": people, "of": of_all}
            for each, (people, of_all) in without_email.items()
            if each in BY_NAME
        }
    return {**record, "omitted": omitted} if omitted else record


def _resource(resource: Resource, requester: Resource, tell: Redactor) -> dict[str, Any]:
    person = ""
    if resource.is_person:
        person = "requester" if resource.may_be(requester) else "another"
    labels = tell.first(tuple(resource.labels.items()), "labels")
    return {
        "kind": tell.text(resource.kind),
        "id": tell.text(resource.id),
        "labels": {tell.text(name): tell.text(value) for name, value in labels},
        "person": person,
    }


def _duty(duty: Duty, requester: str, own: frozenset[str], tell: Redactor) -> dict[str, Any]:
    """Tell a duty, without saying under which other address of the requester it is held."""
    told: dict[str, Any] = {
        "provider": duty.provider,
        "kind": duty.kind,
        "id": tell.text(duty.id),
        "name": tell.text(duty.name),
        "shortform": tell.text(duty.shortform),
        "level": tell.number(duty.level),
        "incident": tell.text(duty.incident),
        "severity": tell.texts(duty.severity),
        "type": tell.texts(duty.type),
        "start": _instant(duty.start),
        "end": _instant(duty.end),
        "endless": duty.endless,
        "reporter": duty.reporter,
        "self_declared": duty.is_declared_by(own),
        "shared_names": tell.texts(sorted(duty.shared_names)),
        "ids_elsewhere": tell.texts(sorted(duty.ids_elsewhere)),
        "link": tell.text(duty.link),
        "alias": duty.holder != requester,
    }
    # Most duties have few of these: the rest would only make the line long.
    return {name: value for name, value in told.items() if value or name in {"provider", "kind"}}


def _rules(
    decision: Decision, policy: Policy, duties: Sequence[Duty], tell: Redactor
) -> dict[str, dict[str, list[str]] | list[dict[str, Any]]]:
    """Tell the rules that were looked at; of the others, nearly all of a long policy, the names."""
    judged = {each.rule: each for each in decision.rule_results}
    denied = any(each.verdict == "denies" for each in decision.rule_results)
    rules = policy.rules if judged else ()
    to_the_point = [
        found
        for rule in rules
        if (found := judged.get(rule.name)) and found.why not in BESIDE_THE_POINT
    ]
    places = {duty: place for place, duty in enumerate(duties)}
    looked_at = [
        _rule(each, places, tell)
        for each in tell.first(to_the_point, "rules", MOST_RULES, _RULE_BYTES)
    ]
    names = {each.rule for each in to_the_point}
    others: dict[str, list[str]] = {}
    beside = [each for each in rules if each.name not in names]
    for rule in tell.first(beside, "rules", MOST_RULES - len(looked_at)):
        why = DENIED if denied else DENIES_OTHERS if rule.deny else OTHER_RESOURCES
        others.setdefault(why, []).append(tell.text(rule.name))
    return {"rules": looked_at, "other_rules": others}


def _rule(judged: RuleResult, places: Mapping[Duty, int], tell: Redactor) -> dict[str, Any]:
    told: dict[str, Any] = {"rule": tell.text(judged.rule), "verdict": judged.verdict}
    if judged.why:
        told["why"] = tell.text(judged.why)
    if judged.until:
        told["until"] = _instant(judged.until)
    if judged.duties:
        known = [(places[duty], why) for duty, why in judged.duties if duty in places]
        told["duties"] = [
            {"duty": place, "why": tell.text(why)}
            for place, why in tell.first(known, "judgements", each=_JUDGED_DUTY_BYTES)
        ]
    return told


def _providers(
    asked: Sequence[str], failures: Sequence[Failure], tell: Redactor
) -> list[dict[str, Any]]:
    return [
        {
            "provider": each,
            "failures": tell.texts(
                [
                    f"{failure.question}: {failure.problem}"
                    for failure in failures
                    if failure.provider == each
                ],
                "failures",
            ),
        }
        for each in tell.first(asked, "providers", each=_PROVIDER_BYTES)
    ]


def _all_wanted(wants: Mapping[str, DutyQuery], tell: Redactor) -> dict[str, dict[str, Any]]:
    """Tell what of each provider was needed: by another policy, only that can be decided again."""
    wanted = {}
    for name in tell.first(tuple(wants), "providers", each=_PROVIDER_BYTES):
        schedules = tell.texts(wants[name].schedules, "schedules")
        told = {**wants[name]._asdict(), "schedules": schedules, "holders": ()}
        wanted[name] = {each: value for each, value in told.items() if value}
    return wanted


def _go(duration: timedelta | None) -> str | None:
    if duration is None or duration % timedelta(seconds=1) == timedelta(0):
        return None if duration is None else format_go(duration)
    return f"{duration // timedelta(microseconds=1)}us"


def _instant(moment: datetime | None) -> str | None:
    """Write an instant to the microsecond: made again, the decision has to be the same."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
