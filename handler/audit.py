"""The log line of a decision: the audit trail. No I/O.

It has everything that the decision was made from, for a replay (`auditlog/replay.py`). It has no
secret, body or signature, and no e-mail other than the requester's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring_ascii
from types import MappingProxyType

from handler import __version__, emails
from handler.durations import format_go
from handler.duty import INCIDENT_UPDATE, Duty, Failure, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.registry import BY_NAME
from handler.request import ACCESS, Resource
from handler.rules.evaluate import (
    DENIED,
    DENIES_OTHERS,
    IRRELEVANT,
    OTHER_RESOURCES,
    Decision,
    RuleResult,
)
from handler.rules.model import Policy
from handler.typing import Any

# CloudWatch Logs cuts an event at 262,144 bytes, 26 of which are its own, and what is left isn't
# JSON. One person may have thousands of duties, and a policy hundreds of rules. Nothing measures a
# line against this: the bounds below keep to it, which a test shows.
MOST_LINE_BYTES = 256_000
# For each of the three parts of a line. Every text whose length others choose is charged, as JSON
# escapes it; the rest is some 2,000 bytes.
MOST_BYTES = 60_000
MOST_ENTRIES, MOST_RULES = 50, 600
MOST_CHARACTERS = 200
MOST_LEVEL = 10**6
_LONGEST_BYTES = MOST_CHARACTERS * len(r"\uffff")
# The most bytes of an entry besides its texts.
_ENTRY_BYTES, _RESOURCE_BYTES, _DUTY_BYTES = 10, 80, 550
_RULE_BYTES, _JUDGED_DUTY_BYTES, _PROVIDER_BYTES = 130, 40, 200
_NONE: Mapping[str, Any] = MappingProxyType({})
_QUOTING = frozenset('"\\')
# Compiled only when it is used, which is seldom and never at a cold start.
_EMAIL = r'[^\s:@"()<>,;\[\]]+(?:@|%40)[^\s:@"()<>,;\[\]]+'


def decision_record(
    decision: Decision,
    *,
    snapshot: ProviderSnapshot,
    providers: Sequence[str],
    policy: Policy,
    dry_run: bool,
    milliseconds: int,
    queries: Mapping[str, DutyQuery] = _NONE,
    without_email: Mapping[str, tuple[int, int]] = _NONE,
    call: str = "",
    caller: str = "",
    caller_request: str = "",
    number: int = 0,
    of: int = 1,
) -> dict[str, Any]:
    """Record what was decided about one request, for which reasons, by which policy and code.

    Args:
        decision: what was decided.
        snapshot: what the providers answered.
        providers: the names of the providers that were asked.
        policy: what it was decided by.
        dry_run: whether the whole function is in dry run.
        milliseconds: how long the decision took.
        queries: what the rules needed to know, by provider.
        without_email: by provider, how many people on duty have no e-mail there, and of how many.
        call: AWS's id of the call.
        caller: the caller's name.
        caller_request: the caller's own id of the call, or "".
        number: the request's number in its call, from 0.
        of: how many requests of the call are answered.
    """
    request = decision.request
    requester = emails.normal(request.requester.email)
    known_as = policy.known_as(requester)
    # One budget each for the summary, the facts of the decision, and the results of the rules.
    summary, facts, results = (Redactor(requester) for _ in range(3))
    email = summary.text(requester)
    reason, petitions = summary.text(decision.reason), summary.texts(request.groups, "petitions")
    wishes: dict[str, Any] = {
        "requester": {"email": email, "emails": len(request.requester.addresses)},
        "resources": [
            _resource(resource, request.requester, facts)
            for resource in facts.first(request.resources, "resources", size=_RESOURCE_BYTES)
        ],
        "asked_duration": _go(request.requested_duration),
        "asked_until": _instant(request.requested_expiry),
    }
    if request.action != ACCESS:  # older lines, which have no action, are all for access
        wishes["action"] = facts.text(request.action)
    if request.unreadable_duration:
        wishes["unreadable_duration"] = facts.text(request.unreadable_duration)
    if request.unreadable_expiry:
        wishes["unreadable_until"] = facts.text(request.unreadable_expiry)
    if request.objection:
        wishes["objection"] = facts.text(request.objection)
    if request.all_or_nothing:
        wishes["all_or_nothing"] = True
    duties = tuple(facts.first(decision.duties, "duties", size=_DUTY_BYTES))
    trace = {
        "request": wishes,
        "duties": [_duty(duty, requester, known_as, facts) for duty in duties],
        **_rules(decision, policy, duties, results),
        "limits": results.texts(decision.limits),
        "providers": _providers(providers, snapshot.failures, results),
    }
    # Nothing else is needed for a replay: it has the policy, so results of rules may be cut.
    is_whole = summary.is_whole and facts.is_whole
    # It has no e-mail that only a provider shows.
    is_whole = is_whole and not any(duty.denied for duty in decision.duties)
    failed = {failure.provider for failure in snapshot.failures}
    record = {
        "call": summary.text(call),
        "number": number,
        "of": of,
        "petition": " ".join(dict.fromkeys(petitions))[:MOST_CHARACTERS],
        "petitions": petitions,
        "requester": email,
        "resources": [
            summary.pair(resource.kind, resource.id)
            for resource in summary.first(request.resources, "resources")
        ],
        "resource_count": len(request.resources),
        "outcome": "approve" if decision.approved else "abstain",
        "dry_run": dry_run,
        "reason": reason,
        "rules": summary.texts(decision.rules, "rules"),
        "evidence": [
            {**_duty(duty, requester, known_as, summary), "lasts": duty.lasts}
            for duty in summary.first(decision.evidence, "evidence", size=_DUTY_BYTES)
        ],
        "duration": format_go(decision.duration) if decision.approved else None,
        # Whether the requester could have given themselves the duty, which a setting may allow.
        "self_made": any(
            duty.kind == INCIDENT_UPDATE or duty.is_declared_by(known_as)
            for duty in decision.evidence
        ),
        "provider_failures": summary.texts(list(map(str, snapshot.failures)), "failures"),
        # 1 or 0 by id, since metric filters can't read names with dots and add up numbers only.
        "failing": {BY_NAME[name].id: int(name in failed) for name in providers if name in BY_NAME},
        "decided_at": _instant(decision.now),
        "trace": {**trace, "wanted": _queries(queries, summary)},
        "whole": is_whole,
        "policy": policy.fingerprint,
        "version": __version__,
        "milliseconds": milliseconds,
    }
    if caller:
        record |= {"caller": caller, "decision_id": decision_id(call, number)}
    # Nothing is decided from the next two, so each has a redactor of its own.
    if caller_request:
        record["caller_request"] = Redactor(requester).text(caller_request)
    id_ = request.requester.id
    if caller and id_ and not emails.same(id_, requester):
        record["requester_id"] = Redactor(requester).text(id_)
    optional = {
        "without_email": {
            BY_NAME[name].id: {"people": people, "of": of_all}
            for name, (people, of_all) in without_email.items()
            if name in BY_NAME
        },
        "identities": policy.identity_digests,
        "omitted": dict(summary.omitted + facts.omitted + results.omitted),
    }
    return {**record, **{name: value for name, value in optional.items() if value}}


def decision_id(call: str, number: int) -> str:
    """Give a decision's id, which its caller gets as well: its call and its number in it."""
    return f"{call}-{number}"


def _resource(resource: Resource, requester: Resource, redact: Redactor) -> dict[str, Any]:
    person = ""
    if resource.is_person:
        person = "requester" if resource.may_be(requester) else "another"
    labels = redact.first(tuple(resource.labels.items()), "labels")
    return {
        "kind": redact.text(resource.kind),
        "id": redact.text(resource.id),
        "labels": {redact.text(name): redact.text(value) for name, value in labels},
        "person": person,
    }


def _duty(duty: Duty, requester: str, known_as: frozenset[str], redact: Redactor) -> dict[str, Any]:
    """Record a duty, but not the requester's other address that holds it."""
    fields: dict[str, Any] = {
        "provider": duty.provider,
        "kind": duty.kind,
        "id": redact.text(duty.id),
        "name": redact.text(duty.name),
        "shortform": redact.text(duty.shortform),
        "level": redact.number(duty.level),
        "incident": redact.text(duty.incident),
        "severity": redact.texts(duty.severity),
        "type": redact.texts(duty.type),
        "start": _instant(duty.start),
        "end": _instant(duty.end),
        "endless": duty.endless,
        "reporter": duty.reporter,
        "self_declared": duty.is_declared_by(known_as),
        "shared_names": redact.texts(sorted(duty.shared_names)),
        "ids_elsewhere": redact.texts(sorted(duty.ids_elsewhere)),
        "link": redact.text(duty.link),
        "user": redact.text(duty.user),
        "alias": duty.holder != requester,
    }
    # Most duties have few of these fields.
    return {name: value for name, value in fields.items() if value or name in {"provider", "kind"}}


def _rules(
    decision: Decision, policy: Policy, duties: Sequence[Duty], redact: Redactor
) -> dict[str, dict[str, list[str]] | list[dict[str, Any]]]:
    """Record the relevant rules, and the names of all others."""
    by_name = {result.rule: result for result in decision.rule_results}
    is_denied = any(result.verdict == "denies" for result in decision.rule_results)
    rules = policy.rules if by_name else ()
    relevant = [
        result
        for rule in rules
        if (result := by_name.get(rule.name)) and result.why not in IRRELEVANT
    ]
    places = {duty: place for place, duty in enumerate(duties)}
    results = [
        _rule(result, places, redact)
        for result in redact.first(relevant, "rules", MOST_RULES, _RULE_BYTES)
    ]
    names = {result.rule for result in relevant}
    others: dict[str, list[str]] = {}
    rest = [rule for rule in rules if rule.name not in names]
    for rule in redact.first(rest, "rules", MOST_RULES - len(results)):
        why = DENIED if is_denied else DENIES_OTHERS if rule.deny else OTHER_RESOURCES
        others.setdefault(why, []).append(redact.text(rule.name))
    return {"rules": results, "other_rules": others}


def _rule(result: RuleResult, places: Mapping[Duty, int], redact: Redactor) -> dict[str, Any]:
    fields: dict[str, Any] = {"rule": redact.text(result.rule), "verdict": result.verdict}
    if result.why:
        fields["why"] = redact.text(result.why)
    if result.until:
        fields["until"] = _instant(result.until)
    if result.duties:
        judged = [(places[duty], why) for duty, why in result.duties if duty in places]
        fields["duties"] = [
            {"duty": place, "why": redact.text(why)}
            for place, why in redact.first(judged, "judgements", size=_JUDGED_DUTY_BYTES)
        ]
    return fields


def _providers(
    names: Sequence[str], failures: Sequence[Failure], redact: Redactor
) -> list[dict[str, Any]]:
    def problems(name: str) -> list[str]:
        own = [failure for failure in failures if failure.provider == name]
        return [f"{failure.question}: {failure.problem}" for failure in own]

    return [
        {"provider": name, "failures": redact.texts(problems(name), "failures")}
        for name in redact.first(names, "providers", size=_PROVIDER_BYTES)
    ]


def _queries(queries: Mapping[str, DutyQuery], redact: Redactor) -> dict[str, dict[str, Any]]:
    """Record what each provider was asked: a replay with another policy has nothing else."""
    records = {}
    for name in redact.first(tuple(queries), "providers", size=_PROVIDER_BYTES):
        schedules = redact.texts(queries[name].schedules, "schedules")
        fields = {**queries[name]._asdict(), "schedules": schedules, "holders": (), "users": ()}
        records[name] = {field: value for field, value in fields.items() if value}
    return records


def _go(duration: timedelta | None) -> str | None:
    if duration is None:
        return None
    if duration % timedelta(seconds=1):
        return f"{duration // timedelta(microseconds=1)}us"
    return format_go(duration)


def _instant(moment: datetime | None) -> str | None:
    """Write an instant to the microsecond, so that a replay gives the same decision."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Redactor:
    """Cuts a line's texts to size, hides other people's e-mails, and counts what it omits."""

    def __init__(self, requester: str) -> None:
        self._requester = requester
        self._left = MOST_BYTES
        self.is_whole = True
        self.omitted: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Redact a text."""
        return self._charge(self._without_address(text), text) if text else ""

    def pair(self, one: str, two: str) -> str:
        """Redact two texts and join them with a colon."""
        redacted = f"{self._without_address(one)}:{self._without_address(two)}"
        if emails.may_be_in(redacted) and not (emails.may_be_in(one) or emails.may_be_in(two)):
            redacted = emails.HIDDEN
        return self._charge(redacted, f"{one}:{two}")

    def number(self, number: int) -> int:
        """Cap a number, which may have thousands of digits."""
        capped = min(number, MOST_LEVEL)
        self.is_whole = self.is_whole and capped == number
        return capped

    def texts(self, texts: Sequence[str], name: str = "texts") -> list[str]:
        """Redact the first of them."""
        return [self.text(text) for text in self.first(texts, name)] if texts else []

    def first(
        self, entries: Sequence[Any], name: str, most: int = MOST_ENTRIES, size: int = _ENTRY_BYTES
    ) -> Iterator[Any]:
        """Give as many as fit, and count the rest as omitted."""
        for number, entry in enumerate(entries):
            if number == most or self._left < size + _LONGEST_BYTES:
                self._omit(name, len(entries) - number)
                return
            self._left -= size
            yield entry

    def _charge(self, redacted: str, text: str) -> str:
        redacted = redacted[:MOST_CHARACTERS]
        if not redacted.isprintable():
            redacted = _without_half_pairs(redacted)
        size = len(encode_basestring_ascii(redacted)) - len('""')
        if size > self._left:
            redacted, size = "", 0
        self._left -= size
        if redacted != text:
            self._omit("texts", 1)
        return redacted

    def _omit(self, name: str, count: int) -> None:
        self.is_whole = False
        self.omitted[name] += count

    def _without_address(self, text: str) -> str:
        """Hide each address, or the whole text if it isn't clear where an address ends."""
        if not emails.may_be_in(text) or emails.same(text, self._requester):
            return text
        if len(text) > 2 * MOST_CHARACTERS or not _QUOTING.isdisjoint(text):
            return emails.HIDDEN
        if emails.has_at(re.sub(_EMAIL, " ", text)):
            return emails.HIDDEN
        return re.sub(_EMAIL, self._hide, text)

    def _hide(self, address: re.Match[str]) -> str:
        return address[0] if emails.same(address[0], self._requester) else emails.HIDDEN


def _without_half_pairs(text: str) -> str:
    """Replace lone surrogates, which JSON can escape but strict readers refuse."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
