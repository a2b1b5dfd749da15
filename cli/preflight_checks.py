"""Checks of the settings and the policy against the providers' answers. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from auditlog.explain import emails_missing, rule_title
from cli.console import join_words
from cli.policy_notes import approving_rules, open_rule_notes
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_TYPE,
    KEY,
    ON_CALL,
    SEVERITY,
    Duty,
    ProviderSnapshot,
    ScheduleOrRole,
)
from handler.providers.base import DutyQuery
from handler.providers.collect import without_email
from handler.providers.registry import BY_ID, BY_NAME
from handler.rules.conditions import ANY, IncidentRole, OnCall, duty_conditions
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.diagnostics import hidden_difference, nearest, nearest_of
from policy.lint import kinds_without_end, unnamed_kinds

OK, PROBLEM, NOTE = "ok", "problem", "note"
_KIND_NAMES = {
    ON_CALL: "schedule",
    INCIDENT_ROLE: "role",
    SEVERITY: "severity",
    INCIDENT_TYPE: "type of incidents",
}
# How a failure begins where the provider does not accept the key.
_REFUSED = "answered 401"
_BY_NAME_ALONE = frozenset({SEVERITY, INCIDENT_TYPE})
_MOST_OBJECTIONS, _MOST_NAMES = 3, 8
# What makes a provider show e-mails, and whose it never shows.
_EMAIL_REMEDIES = {
    "incidentio": "give each of these users an e-mail in incident.io, and take deactivated ones "
    "off the schedules and roles",
    "pagerduty": "use a read-only key of the whole account, since another key may see users "
    "without their e-mails, and take deleted users off the schedules",
    "opsgenie": "make each user's username their e-mail address",
    "jsm": "ask each of them to show their e-mail to their organisation, or to anyone, under "
    "Profile and visibility of their Atlassian account (for the organisation's level, their "
    "account and JSM_EMAIL's must be managed), and take deactivated and app accounts off the "
    "schedules",
}


class Check(NamedTuple):
    """The result of one check.

    Attributes:
        level: `OK`, `PROBLEM`, or `NOTE` for what may be intended.
        text: the result, in one sentence.
    """

    level: str
    text: str


class _PolicyName(NamedTuple):
    """A name in the policy, and the providers where it may exist."""

    rule: str
    kind: str
    entry: str
    providers: tuple[str, ...]
    condition: OnCall | IncidentRole

    def means(self, listed: ScheduleOrRole) -> bool:
        """Whether this is the id or a name of a provider's schedule or role."""
        return listed.kind == self.kind and self.entry in {listed.id, *listed.names}

    def matches(self, provider: str, snapshot: ProviderSnapshot) -> list[ScheduleOrRole]:
        """Give the schedules or roles that it names at a provider, each id once."""
        by_id = {
            listed.id: listed
            for listed in snapshot.schedules_and_roles
            if listed.provider == provider and self.means(listed)
        }
        return list(by_id.values())

    def check(self, level: str, text: str) -> Check:
        """Give the result of a check of this name."""
        return Check(level, f"{rule_title(self.rule)}: {text}")


def kinds_named(policy: Policy) -> frozenset[str]:
    """Give the kinds of which the policy names something; the key is always checked."""
    rules = tuple(approving_rules(policy))
    kinds = (name.kind for rule in rules for name in _policy_names(rule, ()))
    return frozenset((KEY, *kinds, *((INCIDENT_ROLE,) if _takes_any_role(rules) else ())))


def _takes_any_role(rules: Iterable[Rule]) -> bool:
    conditions = (condition for rule in rules for condition in duty_conditions(rule.when))
    return any(
        isinstance(condition, IncidentRole) and condition.roles is ANY for condition in conditions
    )


def check_settings(
    settings: Settings, snapshot: ProviderSnapshot, queries: Mapping[str, DutyQuery], now: datetime
) -> Iterator[Check]:
    """Check the keys, then every name, then which rules are open to anybody on duty."""
    on = tuple(BY_ID[id_].name for id_ in settings.providers)
    rules = tuple(approving_rules(settings.policy))
    lists = _lists(snapshot)
    names = [
        _at_listing_providers(name, lists) for rule in rules for name in _policy_names(rule, on)
    ]
    conditions = [condition for rule in rules for condition in duty_conditions(rule.when)]
    hidden = without_email(snapshot, conditions, now)
    for provider in on:
        query = queries.get(provider, DutyQuery())
        yield from _check_key(provider, snapshot, query, hidden)
        complete = (provider, ON_CALL) not in snapshot.incomplete
        any_role = _takes_any_role(rules) and (provider, INCIDENT_ROLE) in lists
        if complete and not (
            query.any_schedule or any_role or _names_something_at(provider, snapshot, names)
        ):
            unused = f"{_key_setting(provider)} is not used"
            yield Check(NOTE, f"{unused}: nothing that the policy names exists at {provider}")
    yield from _check_missing_keys(rules, on)
    for provider in BY_NAME:
        if provider in settings.policy.identities and provider not in on:
            reason = f"which is not asked because {_key_setting(provider)} is not set"
            yield Check(NOTE, f"the policy has identities for {provider}, {reason}")
    for name in dict.fromkeys(names):
        yield from _check_name(name, snapshot, now)
    for note in (
        *open_rule_notes(settings),
        *unnamed_kinds(settings.policy, on),
        *kinds_without_end(settings.policy, on),
    ):
        yield Check(NOTE, note)


def _policy_names(rule: Rule, on: tuple[str, ...]) -> Iterator[_PolicyName]:
    for condition in duty_conditions(rule.when):
        if isinstance(condition, OnCall):
            providers = tuple(name for name in on if condition.provider in {"", name})
            for entry in condition.schedules or ():
                yield _PolicyName(rule.name, ON_CALL, entry, providers, condition)
        elif isinstance(condition, IncidentRole):
            for kind, entries in (
                (INCIDENT_ROLE, condition.roles or ()),
                (SEVERITY, condition.severities),
                (INCIDENT_TYPE, condition.types),
            ):
                for entry in entries:
                    yield _PolicyName(rule.name, kind, entry, on, condition)


def _lists(snapshot: ProviderSnapshot) -> frozenset[tuple[str, str]]:
    """Give the provider and kind of each list that was read, complete or not."""
    listed = snapshot.schedules_and_roles
    return snapshot.incomplete.union((entry.provider, entry.kind) for entry in listed)


def _at_listing_providers(name: _PolicyName, lists: Collection[tuple[str, str]]) -> _PolicyName:
    """Leave out providers that list nothing of its kind; every provider has schedules."""
    if name.kind == ON_CALL:
        return name
    providers = tuple(provider for provider in name.providers if (provider, name.kind) in lists)
    return name._replace(providers=providers)


def _key_setting(provider: str) -> str:
    return BY_NAME[provider].key


def _check_key(
    provider: str,
    snapshot: ProviderSnapshot,
    query: DutyQuery,
    hidden: Mapping[str, tuple[int, int]],
) -> Iterator[Check]:
    setting = _key_setting(provider)
    failures = [failure for failure in snapshot.failures if failure.provider == provider]
    refused = [failure for failure in failures if failure.problem.startswith(_REFUSED)]
    if refused:
        yield Check(PROBLEM, f"{provider} does not accept {setting}: {refused[0].problem}")
    for failure in failures:
        if failure not in refused:
            yield Check(PROBLEM, f"no answer from {failure}")
    keys = [
        listed
        for listed in snapshot.schedules_and_roles
        if (listed.provider, listed.kind) == (provider, KEY)
    ]
    if provider in hidden:
        remedy = _EMAIL_REMEDIES.get(BY_NAME[provider].id, "make their e-mails visible there")
        missing = emails_missing(provider, *hidden[provider])
        yield Check(PROBLEM, f"{missing}, so they cannot be approved: {remedy}")
    elif not failures and (keys or not query.is_empty):
        roles = (
            f" (roles of the key: {join_words(keys[0].names)})" if keys and keys[0].names else ""
        )
        text = f"{provider}: {setting} works and can read everything the policy needs{roles}"
        yield Check(OK, text)


def _names_something_at(
    provider: str, snapshot: ProviderSnapshot, names: Iterable[_PolicyName]
) -> bool:
    """Whether the policy names a schedule or role there; one found nowhere may be meant there."""
    return any(
        name.kind in {ON_CALL, INCIDENT_ROLE}
        and provider in name.providers
        and (
            name.matches(provider, snapshot)
            or not any(name.matches(other, snapshot) for other in name.providers)
        )
        for name in names
    )


def _check_missing_keys(rules: Iterable[Rule], on: tuple[str, ...]) -> Iterator[Check]:
    for rule in rules:
        for condition in duty_conditions(rule.when):
            provider = condition.provider if isinstance(condition, OnCall) else ""
            if provider and provider not in on:
                reason = f"which is not asked because {_key_setting(provider)} is not set"
                yield Check(PROBLEM, f"{rule_title(rule.name)} names {provider}, {reason}")


def _check_name(name: _PolicyName, snapshot: ProviderSnapshot, now: datetime) -> Iterator[Check]:
    kind, quoted = _KIND_NAMES[name.kind], f'"{name.entry}"'
    if not name.providers:
        if name.kind != ON_CALL:
            reason = "no provider that is asked lists such names"
            yield name.check(NOTE, f"{kind} {quoted} cannot be checked: {reason}")
        return
    by_provider = {provider: name.matches(provider, snapshot) for provider in name.providers}
    if not any(by_provider.values()):
        yield _check_missing_name(name, snapshot)
        return
    owners = [
        provider
        for provider, matches in by_provider.items()
        if any(match.id == name.entry for match in matches)
    ]
    for provider, matches in by_provider.items():
        if not matches:
            continue
        # Only where the rule leaves the provider open is there more than one here.
        if owners and provider not in owners:
            reason = f"{quoted} is an id at {join_words(owners)}"
            ignored = f"the {kind} called {quoted} at {provider} does not count"
            yield name.check(NOTE, f"{ignored}: {reason}")
        elif len(matches) > 1 and name.kind not in _BY_NAME_ALONE:
            ids = join_words(sorted(match.id for match in matches))
            level, meaning = (
                (NOTE, "only the one with that id counts")
                if provider in owners
                else (PROBLEM, "none of them counts, so write an id instead")
            )
            shared = f"{len(matches)} {kind}s at {provider} match {quoted}"
            yield name.check(level, f"{shared}; {meaning}; their ids are {ids}")
        elif not matches[0].enabled:
            off = f"{kind} {quoted} is disabled at {provider}"
            yield name.check(PROBLEM, f"{off}, so nobody is on duty for it")
        else:
            yield name.check(OK, f"{kind} {quoted} exists at {provider}")
            if isinstance(name.condition, OnCall):
                yield from _check_shift(name, name.condition, matches[0], snapshot, now)


def _check_missing_name(name: _PolicyName, snapshot: ProviderSnapshot) -> Check:
    what = f'{_KIND_NAMES[name.kind]} "{name.entry}"'
    incomplete = [
        provider for provider in name.providers if (provider, name.kind) in snapshot.incomplete
    ]
    if incomplete:
        reason = f"{join_words(incomplete)} did not list them all"
        return name.check(PROBLEM, f"{what} cannot be checked: {reason}")
    ids_by_name = {
        other: listed.id
        for listed in snapshot.schedules_and_roles
        if listed.kind == name.kind and listed.provider in name.providers
        for other in listed.names
        if other
    }
    similar = nearest_of(name.entry, ids_by_name)
    hint = nearest(name.entry, ids_by_name) if similar else _names_there(ids_by_name)
    if hidden_difference(name.entry, similar):
        advice = f"opy it from there, or write its id, {ids_by_name[similar]}"
        hint += f" C{advice}" if hint.endswith("?") else f"; c{advice}"
    return name.check(PROBLEM, f"no {what} at {join_words(name.providers)}{hint}")


def _names_there(names: Collection[str]) -> str:
    return f"; the names there are: {join_words(names)}" if 0 < len(names) <= _MOST_NAMES else ""


def _check_shift(
    name: _PolicyName,
    condition: OnCall,
    schedule: ScheduleOrRole,
    snapshot: ProviderSnapshot,
    now: datetime,
) -> Iterator[Check]:
    """Note a schedule for which nobody would be approved at this moment, and why."""

    def current(duties: Iterable[Duty]) -> list[Duty]:
        of_schedule = (schedule.provider, ON_CALL, schedule.id)
        return [
            duty
            for duty in duties
            if (duty.provider, duty.kind, duty.id) == of_schedule and duty.runs_at(now)
        ]

    on_call = current(snapshot.duties)
    objections = {duty: condition.objection(duty) for duty in on_call}
    if "" in objections.values():
        return
    title = f"{name.entry} ({schedule.provider})"
    text = f"nobody is on call for {title} right now"
    if objections:
        reasons = dict.fromkeys(f"{duty.describe(now)}: {why}" for duty, why in objections.items())
        text = f"nobody on call for {title} right now would be approved: "
        text += "; ".join(list(reasons)[:_MOST_OBJECTIONS])
        text += _remedy(name, condition.max_level, on_call)
    elif current(snapshot.without_email):
        text = f"nobody on call for {title} right now has a visible e-mail"
    elif any(failure.provider == schedule.provider for failure in snapshot.failures):
        text = f"who is on call for {title} right now is unknown: not everything was answered"
    yield name.check(NOTE, text)


def _remedy(name: _PolicyName, max_level: int, on_call: Iterable[Duty]) -> str:
    """Say how the policy could accept those on call for a schedule, if that is simple."""
    level, provider = min((duty.level, BY_NAME[duty.provider].id) for duty in on_call)
    if level > max_level:
        where = "this rule" if name.rule else "a policy file: the default rule accepts level 1 only"
        return f". To accept it, write `provider: {provider}, max_level: {level}` in {where}"
    shared = next((duty for duty in on_call if name.entry in duty.shared_names), None)
    return f". Its id is {shared.id}" if shared else ""
