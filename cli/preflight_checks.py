"""Settings and policy held against what the providers say. No I/O."""

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
# How every provider's client says that a key is not valid, or is another account's.
_REFUSED = "answered 401"
_BY_NAME_ALONE = frozenset({SEVERITY, INCIDENT_TYPE})
_MOST_OBJECTIONS = 3
# What makes a provider show e-mails, and whose it never shows.
_EMAIL_REMEDIES = {
    "incidentio": "give each of these users an e-mail in incident.io, and take deactivated ones "
    "off the schedules and roles",
    "pagerduty": "use a read-only key of the whole account, since another key may see users "
    "without their e-mails, and take deleted users off the schedules",
    "opsgenie": "make each user's username their e-mail address",
    "jsm": "each of them has to show their e-mail to their organisation, or to anyone, under "
    "Profile and visibility of their Atlassian account (the organisation's level takes managed "
    "accounts, theirs and JSM_EMAIL's); take deactivated and app accounts off the schedules",
}


class Check(NamedTuple):
    """The result of one check.

    Attributes:
        level: `OK`, `PROBLEM`, or `NOTE` for what may be intended.
        text: the result, in a sentence.
    """

    level: str
    text: str


class _PolicyName(NamedTuple):
    """A name in the policy, and the providers at which it has to be found."""

    rule: str
    kind: str
    entry: str
    providers: tuple[str, ...]
    condition: OnCall | IncidentRole

    def means(self, listed: ScheduleOrRole) -> bool:
        """Whether it is the id or a name of a provider's schedule or role."""
        return listed.kind == self.kind and self.entry in {listed.id, *listed.names}

    def matches(self, provider: str, snapshot: ProviderSnapshot) -> list[ScheduleOrRole]:
        """Give what it means at a provider, each id once."""
        by_id = {
            listed.id: listed
            for listed in snapshot.schedules_and_roles
            if listed.provider == provider and self.means(listed)
        }
        return list(by_id.values())

    def check(self, level: str, text: str) -> Check:
        """Give the result of a check of it."""
        return Check(level, f"{rule_title(self.rule)}: {text}")


def kinds_named(policy: Policy) -> frozenset[str]:
    """Say of which kinds the policy names something; the key itself is always of interest."""
    rules = tuple(approving_rules(policy))
    kinds = (name.kind for rule in rules for name in _policy_names(rule, ()))
    return frozenset((KEY, *kinds, *((INCIDENT_ROLE,) if _takes_any_role(rules) else ())))


def _takes_any_role(rules: Iterable[Rule]) -> bool:
    conditions = (condition for rule in rules for condition in duty_conditions(rule.when))
    return any(
        isinstance(condition, IncidentRole) and condition.roles is ANY for condition in conditions
    )


def checks(
    settings: Settings, snapshot: ProviderSnapshot, queries: Mapping[str, DutyQuery], now: datetime
) -> Iterator[Check]:
    """Check the keys, then every name, then what nobody has narrowed or let in."""
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
            unused = f"no rule uses {_key_setting(provider)}"
            yield Check(NOTE, f"{unused}: nothing that the policy names is at {provider}")
    yield from _check_missing_keys(rules, on)
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
    """Give provider and kind of whatever there is a list of, complete or not."""
    listed = snapshot.schedules_and_roles
    return snapshot.incomplete.union((entry.provider, entry.kind) for entry in listed)


def _at_listing_providers(name: _PolicyName, lists: Collection[tuple[str, str]]) -> _PolicyName:
    """Leave out providers that list nothing of its kind; each has schedules."""
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
        yield Check(PROBLEM, f"{provider} refuses {setting}: {refused[0].problem}")
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
        yield Check(PROBLEM, f"{missing}, so nobody is approved by their duty: {remedy}")
    elif not failures and (keys or not query.is_empty):
        roles = f", as {join_words(keys[0].names)}" if keys and keys[0].names else ""
        yield Check(
            OK, f"{provider}: {setting} is valid and reads all that the policy needs{roles}"
        )


def _names_something_at(
    provider: str, snapshot: ProviderSnapshot, names: Iterable[_PolicyName]
) -> bool:
    """Whether a schedule or role is named at a provider; one found nowhere may be meant there."""
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
                reason = f"which nobody asks: {_key_setting(provider)} is not set"
                yield Check(
                    PROBLEM, f"{rule_title(rule.name)} counts duties of {provider}, {reason}"
                )


def _check_name(name: _PolicyName, snapshot: ProviderSnapshot, now: datetime) -> Iterator[Check]:
    kind, quoted = _KIND_NAMES[name.kind], f'"{name.entry}"'
    if not name.providers:
        if name.kind != ON_CALL:
            reason = "no provider that is asked lists them"
            yield name.check(NOTE, f"{kind} {quoted} cannot be looked for: {reason}")
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
            reason = f"{quoted} is the id of one of {join_words(owners)}"
            ignored = f"the {kind} of {provider} that is called {quoted} does not count"
            yield name.check(NOTE, f"{ignored}: {reason}")
        elif len(matches) > 1 and name.kind not in _BY_NAME_ALONE:
            ids = join_words(sorted(match.id for match in matches))
            level, meaning = (
                (NOTE, "it means the one with that id")
                if provider in owners
                else (PROBLEM, "it counts for none")
            )
            shared = f"{len(matches)} {kind}s of {provider} go by {quoted}"
            yield name.check(level, f"{shared}: {meaning}; their ids are {ids}")
        elif not matches[0].enabled:
            off = f"the {kind} {quoted} of {provider} is switched off"
            yield name.check(PROBLEM, f"{off}: nobody is on duty by it")
        else:
            yield name.check(OK, f"{kind} {quoted} is at {provider}")
            if isinstance(name.condition, OnCall):
                yield from _check_shift(name, name.condition, matches[0], snapshot, now)


def _check_missing_name(name: _PolicyName, snapshot: ProviderSnapshot) -> Check:
    what = f'{_KIND_NAMES[name.kind]} "{name.entry}"'
    incomplete = [
        provider for provider in name.providers if (provider, name.kind) in snapshot.incomplete
    ]
    if incomplete:
        reason = f"{join_words(incomplete)} did not list them all"
        return name.check(PROBLEM, f"{what} cannot be looked for: {reason}")
    ids_by_name = {
        other: listed.id
        for listed in snapshot.schedules_and_roles
        if listed.kind == name.kind and listed.provider in name.providers
        for other in listed.names
        if other
    }
    hint = nearest(name.entry, ids_by_name)
    similar = nearest_of(name.entry, ids_by_name)
    if hidden_difference(name.entry, similar):
        hint += f"; copy it from there, or name it by its id, {ids_by_name[similar]}"
    return name.check(PROBLEM, f"{what} is not to be found at {join_words(name.providers)}{hint}")


def _check_shift(
    name: _PolicyName,
    condition: OnCall,
    schedule: ScheduleOrRole,
    snapshot: ProviderSnapshot,
    now: datetime,
) -> Iterator[Check]:
    """Note a schedule by which nobody would be approved at this moment, and why."""

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
        text = f"nobody who is on call for {title} right now counts: "
        text += "; ".join(list(reasons)[:_MOST_OBJECTIONS])
        text += _remedy(name, condition.max_level, on_call)
    elif current(snapshot.without_email):
        text = f"nobody who is on call for {title} right now shows an e-mail"
    elif any(failure.provider == schedule.provider for failure in snapshot.failures):
        text = f"who is on call for {title} right now is not known: not all could be asked"
    yield name.check(NOTE, text)


def _remedy(name: _PolicyName, max_level: int, on_call: Iterable[Duty]) -> str:
    """Say how those on call for a schedule would count, if that takes but a word."""
    level, provider = min((duty.level, BY_NAME[duty.provider].id) for duty in on_call)
    if level > max_level:
        where = "this rule" if name.rule else "a policy file, as the settings take level 1 only"
        return f". To let it count, write `provider: {provider}, max_level: {level}` in {where}"
    shared = next((duty for duty in on_call if name.entry in duty.shared_names), None)
    return f". Its id is {shared.id}" if shared else ""
