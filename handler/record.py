"""The decision's log line: the audit trail. No I/O.

It holds all that the decision was made from, so that it can be made again (`replay.py`), but no
secret, no body, no signature, and nobody's e-mail but the requester's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from handler import __version__, emails
from handler.decision import (
    BESIDE_THE_POINT,
    DENIED,
    DENIES_OTHERS,
    OTHER_RESOURCES,
    Decision,
    Judged,
)
from handler.durations import format_go
from handler.duties import INCIDENT_UPDATE, Duty, Failure, Findings
from handler.events import Resource
from handler.policy import Policy
from handler.providers import BY_NAME
from handler.sources import Wants

# One line of CloudWatch Logs holds 256 KB; a body may ask for thousands of resources, one person
# may have thousands of duties, and a policy hundreds of rules.
MOST_ENTRIES = 50
MOST_RULES = 600
MOST_CHARACTERS = 200
# For the trace, entries and texts together; what else the line holds is far smaller.
MOST_BYTES = 60_000
_ENTRY_BYTES, _RULE_BYTES, _DUTY_BYTES = 40, 50, 400
HIDDEN = "(an e-mail)"
_NONE: Mapping[str, Wants] = MappingProxyType({})
_EMAIL = re.compile(r"[^\s:@]+(?:@|%40)[^\s:@]+")


class _Teller:
    """Cuts what is told to size, names nobody but the requester, and knows whether it had to."""

    def __init__(self, requester: str) -> None:
        self._requester = requester
        self._left = MOST_BYTES
        self.whole = True

    def text(self, text: str) -> str:
        """Tell a text."""
        told = text[:MOST_CHARACTERS]
        if emails.may_be_in(text):
            # Cut twice: an address that the second cut would halve is hidden before it.
            told = _EMAIL.sub(self._hidden, text[: 2 * MOST_CHARACTERS])[:MOST_CHARACTERS]
        self._left -= len(told) if told.isascii() else 6 * len(told)  # as JSON escapes it
        self.whole = self.whole and told == text
        return told

    def texts(self, texts: Iterable[str]) -> list[str]:
        """Tell the first of them."""
        return [self.text(each) for each in self.first(texts)]

    def first(
        self, entries: Iterable[Any], most: int = MOST_ENTRIES, each: int = _ENTRY_BYTES
    ) -> Iterator[Any]:
        """Take as many as fit."""
        for number, entry in enumerate(entries):
            if number == most or self._left < each:
                self.whole = False
                return
            self._left -= each
            yield entry

    def _hidden(self, found: re.Match[str]) -> str:
        return found[0] if emails.same(found[0], self._requester) else HIDDEN


def decision_record(
    decision: Decision,
    *,
    findings: Findings,
    asked: Sequence[str],
    policy: Policy,
    dry_run: bool,
    milliseconds: int,
    wants: Mapping[str, Wants] = _NONE,
    call: str = "",
    number: int = 0,
    of: int = 1,
) -> dict[str, Any]:
    """Say what was decided about one request, on what grounds, by which policy and code.

    Args:
        decision: the decision.
        findings: all that was found out for the call.
        asked: the providers that were asked.
        policy: by which it was decided.
        dry_run: whether no claim is made of it, whatever it says.
        milliseconds: how long the call took until here.
        wants: what the rules needed to know of each.
        call: the call's id.
        number: of the request within its call, from 0.
        of: how many requests the call holds.
    """
    request = decision.request
    requester = emails.normal(request.requester.email)
    own = policy.known_as(requester)
    tell = _Teller(requester)
    shown = {
        "requester": {
            "email": requester[:MOST_CHARACTERS],
            "emails": len(request.requester.addresses),
        },
        "resources": [
            _resource(each, request.requester, tell) for each in tell.first(request.resources)
        ],
        "asked_duration": _go(request.asked_duration),
        "asked_until": _instant(request.asked_expiry),
    }
    duties = tuple(tell.first(decision.duties, each=_DUTY_BYTES))
    trace = {
        "request": shown,
        "duties": [_duty(each, requester, own, tell) for each in duties],
        **_rules(decision, policy, duties, tell),
        "limits": tell.texts(decision.limits),
        "providers": _providers(asked, findings.failures, tell),
    }
    whole = tell.whole and len(requester) <= MOST_CHARACTERS
    tell = _Teller(requester)  # what comes first is told in any case
    petitions = tell.texts(request.petitions)
    whole = whole and tell.whole
    failed = {each.provider for each in findings.failures}
    return {
        "call": call,
        "number": number,
        "of": of,
        "petition": " ".join(dict.fromkeys(petitions)),
        "petitions": petitions,
        "requester": requester[:MOST_CHARACTERS],
        "resources": tell.texts(f"{each.kind}:{each.id}" for each in request.resources),
        "resource_count": len(request.resources),
        "outcome": "approve" if decision.approved else "abstain",
        "dry_run": dry_run,
        "reason": tell.text(decision.reason),
        "rules": tell.texts(decision.rules),
        "evidence": [_duty(each, requester, own, tell) for each in tell.first(decision.evidence)],
        "duration": format_go(decision.duration) if decision.approved else None,
        # Whether anybody could have given himself the duty: by a switch, that counts.
        "self_made": any(
            each.kind == INCIDENT_UPDATE or each.is_declared_by(own) for each in decision.evidence
        ),
        "provider_failures": tell.texts(str(each) for each in findings.failures),
        # 1 or 0, by id: metric filters read no names with dots, and add up numbers only.
        "failing": {BY_NAME[each].id: int(each in failed) for each in asked if each in BY_NAME},
        "decided_at": _instant(decision.now),
        "trace": {**trace, "wanted": {each: _wanted(wants[each], tell) for each in wants}},
        "whole": whole,
        "policy": policy.fingerprint,
        "version": __version__,
        "milliseconds": milliseconds,
    }


def _resource(resource: Resource, requester: Resource, tell: _Teller) -> dict[str, Any]:
    person = ""
    if resource.is_person:
        person = "requester" if resource.may_be(requester) else "another"
    return {
        "kind": tell.text(resource.kind),
        "id": tell.text(resource.id),
        "labels": {
            tell.text(name): tell.text(value) for name, value in tell.first(resource.labels.items())
        },
        "person": person,
    }


def _duty(duty: Duty, requester: str, own: frozenset[str], tell: _Teller) -> dict[str, Any]:
    """Tell a duty, without saying under which other address of the requester it is held."""
    told: dict[str, Any] = {
        "provider": duty.provider,
        "kind": duty.kind,
        "id": tell.text(duty.id),
        "name": tell.text(duty.name),
        "shortform": tell.text(duty.shortform),
        "level": duty.level,
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
    decision: Decision, policy: Policy, duties: Sequence[Duty], tell: _Teller
) -> dict[str, dict[str, list[str]] | list[dict[str, Any]]]:
    """Tell the rules that were looked at; of the others, nearly all of a long policy, the names."""
    judged = {each.rule: each for each in decision.judged}
    denied = any(each.verdict == "denies" for each in decision.judged)
    others: dict[str, list[str]] = {}
    looked_at = []
    for rule in tell.first(policy.rules if judged else (), MOST_RULES, each=_RULE_BYTES):
        each = judged.get(rule.name)
        why = DENIED if denied else DENIES_OTHERS if rule.deny else OTHER_RESOURCES
        if each and each.why not in BESIDE_THE_POINT:
            looked_at.append(_rule(each, duties, tell))
        else:
            others.setdefault(why, []).append(rule.name)
    return {"rules": looked_at, "other_rules": others}


def _rule(judged: Judged, duties: Sequence[Duty], tell: _Teller) -> dict[str, Any]:
    told: dict[str, Any] = {"rule": tell.text(judged.rule), "verdict": judged.verdict}
    if judged.why:
        told["why"] = tell.text(judged.why)
    if judged.until:
        told["until"] = _instant(judged.until)
    if judged.duties:
        places = {duty: place for place, duty in enumerate(duties)}
        told["duties"] = [
            {"duty": places[duty], "why": tell.text(why)}
            for duty, why in judged.duties
            if duty in places
        ]
    return told


def _providers(
    asked: Sequence[str], failures: Sequence[Failure], tell: _Teller
) -> list[dict[str, Any]]:
    return [
        {
            "provider": each,
            "failures": tell.texts(
                f"{failure.question}: {failure.problem}"
                for failure in failures
                if failure.provider == each
            ),
        }
        for each in asked
    ]


def _wanted(wants: Wants, tell: _Teller) -> dict[str, Any]:
    """Tell what of a provider was needed: by another policy, only that can be decided again."""
    told = {**wants._asdict(), "schedules": tell.texts(wants.schedules), "holders": ()}
    return {name: value for name, value in told.items() if value}


def _go(duration: timedelta | None) -> str | None:
    if duration is None or duration % timedelta(seconds=1) == timedelta(0):
        return None if duration is None else format_go(duration)
    return f"{duration // timedelta(microseconds=1)}us"


def _instant(moment: datetime | None) -> str | None:
    """Write an instant to the microsecond: made again, the decision has to be the same."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
