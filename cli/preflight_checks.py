"""Settings and policy held against what the providers say. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from auditlog.explain import emails_missing, rule_title
from cli.console import listed
from cli.provider_query import approving, duties_named, open_to_any_duty
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
from handler.providers.registry import BY_ID, BY_NAME, PROVIDERS
from handler.rules.conditions import ANY, IncidentRole, OnCall
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.diagnostics import hidden_difference, nearest, nearest_of
from policy.open_rules import kinds_without_end, unnamed_kinds

OK, PROBLEM, NOTE = "ok", "problem", "note"
_CALLED = {
    ON_CALL: "schedule",
    INCIDENT_ROLE: "role",
    SEVERITY: "severity",
    INCIDENT_TYPE: "type of incidents",
}
# How every source says that a key is not valid, or is another account's.
_REFUSED = "answered 401"
_BY_NAME_ALONE = frozenset({SEVERITY, INCIDENT_TYPE})
_MOST_OBJECTIONS = 3
# What makes a provider show e-mails, and whose it never shows.
_TO_SHOW_EMAILS = {
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
    """What one check came to.

    Attributes:
        level: `OK`, `PROBLEM`, or `NOTE` for what may be meant so.
        text: what was found, in a sentence.
    """

    level: str
    text: str


class _Named(NamedTuple):
    """A name in the policy, and where it has to be found."""

    rule: str
    kind: str
    entry: str
    providers: tuple[str, ...]
    condition: OnCall | IncidentRole


def kinds_named(policy: Policy) -> frozenset[str]:
    """Say of which kinds the policy names something; the key itself is always of interest."""
    rules = tuple(approving(policy))
    named = (each.kind for rule in rules for each in _names(rule, ()))
    return frozenset((KEY, *named, *((INCIDENT_ROLE,) if _any_role(rules) else ())))


def _any_role(rules: Iterable[Rule]) -> bool:
    conditions = (each for rule in rules for each in duties_named(rule.when))
    return any(isinstance(each, IncidentRole) and each.roles is ANY for each in conditions)


def checks(
    settings: Settings, snapshot: ProviderSnapshot, wants: Mapping[str, DutyQuery], now: datetime
) -> Iterator[Check]:
    """Check the keys, then every name, then what nobody has narrowed or let in."""
    on = tuple(BY_ID[each].name for each in settings.providers)
    rules = tuple(approving(settings.policy))
    names = [_where_listed(each, snapshot) for rule in rules for each in _names(rule, on)]
    conditions = [each for rule in rules for each in duties_named(rule.when)]
    hidden = without_email(snapshot, conditions, now)
    for provider in on:
        yield from _key(provider, snapshot, wants.get(provider, DutyQuery()), rules, names, hidden)
    yield from _without_key(rules, on)
    for each in dict.fromkeys(names):
        yield from _name(each, snapshot, now)
    for note in (
        *open_to_any_duty(settings),
        *unnamed_kinds(settings.policy, on),
        *kinds_without_end(settings.policy, on),
    ):
        yield Check(NOTE, note)


def _names(rule: Rule, on: tuple[str, ...]) -> Iterator[_Named]:
    for condition in duties_named(rule.when):
        if isinstance(condition, OnCall):
            where = tuple(each for each in on if condition.provider in {"", each})
            for entry in condition.schedules or ():
                yield _Named(rule.name, ON_CALL, entry, where, condition)
        elif isinstance(condition, IncidentRole):
            for kind, entries in (
                (INCIDENT_ROLE, condition.roles or ()),
                (SEVERITY, condition.severities),
                (INCIDENT_TYPE, condition.types),
            ):
                for entry in entries:
                    yield _Named(rule.name, kind, entry, on, condition)


def _where_listed(named: _Named, snapshot: ProviderSnapshot) -> _Named:
    """Look for it only where there are such things at all."""
    if named.kind == ON_CALL:
        return named
    lists = _listed(snapshot)
    where = tuple(each for each in named.providers if (each, named.kind) in lists)
    return named._replace(providers=where)


def _key(
    provider: str,
    snapshot: ProviderSnapshot,
    wants: DutyQuery,
    rules: Iterable[Rule],
    names: Iterable[_Named],
    hidden: Mapping[str, tuple[int, int]],
) -> Iterator[Check]:
    setting = next(each.key for each in PROVIDERS if each.name == provider)
    failures = [each for each in snapshot.failures if each.provider == provider]
    refused = [each for each in failures if each.problem.startswith(_REFUSED)]
    if refused:
        yield Check(PROBLEM, f"{provider} refuses {setting}: {refused[0].problem}")
    for each in failures:
        if each not in refused:
            yield Check(PROBLEM, f"no answer from {each}")
    may = [
        each
        for each in snapshot.schedules_and_roles
        if (each.provider, each.kind) == (provider, KEY)
    ]
    if provider in hidden:
        remedy = _TO_SHOW_EMAILS.get(BY_NAME[provider].id, "make their e-mails visible there")
        said = f"{emails_missing(provider, *hidden[provider])}, so nobody is approved by their duty"
        yield Check(PROBLEM, f"{said}: {remedy}")
    elif not failures and (wants.anything or may):
        roles = f", as {listed(may[0].names)}" if may and may[0].names else ""
        yield Check(
            OK, f"{provider}: {setting} is valid and reads all that the policy needs{roles}"
        )
    whole = (provider, ON_CALL) not in snapshot.incomplete
    if whole and not _is_used(provider, snapshot, wants, rules, names):
        yield Check(NOTE, f"no rule uses {setting}: nothing that the policy names is at {provider}")


def _is_used(
    provider: str,
    snapshot: ProviderSnapshot,
    wants: DutyQuery,
    rules: Iterable[Rule],
    names: Iterable[_Named],
) -> bool:
    # What is nowhere to be found may have been meant to be here.
    named_at_it = (
        each.kind in {ON_CALL, INCIDENT_ROLE}
        and provider in each.providers
        and (_bearers(each, provider, snapshot) or not _is_anywhere(each, snapshot))
        for each in names
    )
    return (
        wants.any_schedule
        or (_any_role(rules) and (provider, INCIDENT_ROLE) in _listed(snapshot))
        or any(named_at_it)
    )


def _listed(snapshot: ProviderSnapshot) -> set[tuple[str, str]]:
    """Give provider and kind of whatever there is a list of, whole or not."""
    return {
        (each.provider, each.kind) for each in snapshot.schedules_and_roles
    } | snapshot.incomplete


def _without_key(rules: Iterable[Rule], on: tuple[str, ...]) -> Iterator[Check]:
    for rule in rules:
        for condition in duties_named(rule.when):
            provider = condition.provider if isinstance(condition, OnCall) else ""
            if provider and provider not in on:
                setting = next(each.key for each in PROVIDERS if each.name == provider)
                said = f"counts duties of {provider}, which nobody asks: {setting} is not set"
                yield Check(PROBLEM, f"{rule_title(rule.name)} {said}")


def _bearers(named: _Named, provider: str, snapshot: ProviderSnapshot) -> list[ScheduleOrRole]:
    """Give the things of a provider that an entry means, by id or by name."""
    found = {
        each.id: each
        for each in snapshot.schedules_and_roles
        if (each.provider, each.kind) == (provider, named.kind)
        and named.entry in {each.id, *each.names}
    }
    return list(found.values())


def _is_anywhere(named: _Named, snapshot: ProviderSnapshot) -> bool:
    return any(_bearers(named, each, snapshot) for each in named.providers)


def _name(named: _Named, snapshot: ProviderSnapshot, now: datetime) -> Iterator[Check]:
    what, quoted = _CALLED[named.kind], f'"{named.entry}"'
    if not named.providers:
        if named.kind != ON_CALL:
            said = f"{what} {quoted} cannot be looked for: no provider that is asked lists them"
            yield Check(NOTE, f"{rule_title(named.rule)}: {said}")
        return
    found = {each: _bearers(named, each, snapshot) for each in named.providers}
    if not any(found.values()):
        yield from _missing(named, snapshot)
        return
    owners = [at for at, its in found.items() if any(each.id == named.entry for each in its)]
    for provider, bearers in found.items():
        if not bearers:
            continue
        # Where a rule names the provider, there is no other here.
        if owners and provider not in owners:
            said = f"the {what} of {provider} that is called {quoted} does not count"
            told = f"{quoted} is the id of one of {listed(owners)}"
            yield Check(NOTE, f"{rule_title(named.rule)}: {said}: {told}")
            continue
        if len(bearers) > 1 and named.kind not in _BY_NAME_ALONE:
            ids = listed(sorted(each.id for each in bearers))
            said = f"{len(bearers)} {what}s of {provider} go by {quoted}"
            level = NOTE if any(each.id == named.entry for each in bearers) else PROBLEM
            told = "it means the one with that id" if level == NOTE else "it counts for none"
            yield Check(level, f"{rule_title(named.rule)}: {said}: {told}; their ids are {ids}")
            continue
        if not bearers[0].enabled:
            said = f"the {what} {quoted} of {provider} is switched off: nobody is on duty by it"
            yield Check(PROBLEM, f"{rule_title(named.rule)}: {said}")
            continue
        yield Check(OK, f"{rule_title(named.rule)}: {what} {quoted} is at {provider}")
        yield from _nobody(named, bearers[0], snapshot, now)


def _missing(named: _Named, snapshot: ProviderSnapshot) -> Iterator[Check]:
    where = listed(named.providers)
    unread = [each for each in named.providers if (each, named.kind) in snapshot.incomplete]
    what, quoted = _CALLED[named.kind], f'"{named.entry}"'
    said = f"{rule_title(named.rule)}: {what} {quoted}"
    if unread:
        yield Check(PROBLEM, f"{said} cannot be looked for: {listed(unread)} did not list them all")
        return
    known = {
        name: each.id
        for each in snapshot.schedules_and_roles
        if each.kind == named.kind and each.provider in named.providers
        for name in each.names
        if name
    }
    told = nearest(named.entry, known)
    found = nearest_of(named.entry, known)
    if hidden_difference(named.entry, found):
        told += f"; copy it from there, or name it by its id, {known[found]}"
    yield Check(PROBLEM, f"{said} is not to be found at {where}{told}")


def _nobody(
    named: _Named, titled: ScheduleOrRole, snapshot: ProviderSnapshot, now: datetime
) -> Iterator[Check]:
    """Note a schedule by which nobody would be approved at this moment, and why."""
    condition = named.condition
    if not isinstance(condition, OnCall):
        return
    on_call, hidden = (
        [
            each
            for each in some
            if (each.provider, each.kind, each.id) == (titled.provider, ON_CALL, titled.id)
            and each.runs_at(now)
        ]
        for some in (snapshot.duties, snapshot.without_email)
    )
    objections = {each: condition.objection(each) for each in on_call}
    if "" in objections.values():
        return
    schedule = f"{named.entry} ({titled.provider})"
    said = f"nobody is on call for {schedule} right now"
    if objections:
        told = dict.fromkeys(f"{each.told(now)}: {why}" for each, why in objections.items())
        said = f"nobody who is on call for {schedule} right now counts: "
        said += "; ".join(list(told)[:_MOST_OBJECTIONS]) + _remedy(
            named, condition.max_level, on_call
        )
    elif hidden:
        said = f"nobody who is on call for {schedule} right now shows an e-mail"
    elif any(each.provider == titled.provider for each in snapshot.failures):
        said = f"who is on call for {schedule} right now is not known: not all could be asked"
    yield Check(NOTE, f"{rule_title(named.rule)}: {said}")


def _remedy(named: _Named, max_level: int, on_call: Iterable[Duty]) -> str:
    """Say how those on call for a schedule would count, if that takes but a word."""
    level, provider = min((each.level, BY_NAME[each.provider].id) for each in on_call)
    if level > max_level:
        where = "this rule" if named.rule else "a policy file, as the settings take level 1 only"
        return f". To let it count, write `provider: {provider}, max_level: {level}` in {where}"
    shared = next((each for each in on_call if named.entry in each.shared_names), None)
    return f". Its id is {shared.id}" if shared else ""
