"""Checks of the people on duty: whose address is missing, there twice, or in no rule. No I/O."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from cli.console import join_words
from cli.policy_notes import approving_rules
from cli.preflight_checks import NOTE, Check
from handler import emails
from handler.duty import Duty, ProviderSnapshot
from handler.providers.registry import BY_NAME
from handler.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Requester,
    accepts,
    duty_conditions,
    walk,
)
from handler.rules.model import Policy, Rule


def check_people(policy: Policy, snapshot: ProviderSnapshot, now: datetime) -> Iterator[Check]:
    """Check everybody who has a duty now that an approving rule accepts."""
    rules = tuple(approving_rules(policy))

    def relevant(duties: Iterable[Duty]) -> list[Duty]:
        return [duty for duty in duties if duty.runs_at(now) and _rules_for(duty, rules)]

    duties = relevant(snapshot.duties)
    yield from _check_hidden(relevant(snapshot.without_email))
    yield from _check_users_of_one_email(duties, policy)
    yield from _check_spellings(duties)
    yield from _check_domains(duties, rules, policy)


def _rules_for(duty: Duty, rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if _is_for(rule.when, duty)]


def _is_for(condition: Condition | None, duty: Duty) -> bool:
    return any(accepts(one, duty) for one in duty_conditions(condition))


def _check_hidden(duties: Iterable[Duty]) -> Iterator[Check]:
    """List the people without an e-mail, and say how to let them count by id."""
    by_user: defaultdict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    for duty in duties:
        by_user[duty.provider, duty.user, duty.holder, duty.inactive].append(duty.title)
    for (provider, user, name, inactive), titles in sorted(by_user.items()):
        named = " ".join(filter(None, (user, f'"{name}"' if name else "")))
        text = f"{provider}: the user {named} is on duty for {join_words(sorted({*titles}))}"
        if inactive:
            text += ", but the account is closed or isn't a person's: take it off the schedule"
        elif not user:
            text += ", but shows neither an e-mail nor an id: change the username to their e-mail"
        else:
            entry = f"{{{BY_NAME[provider].id}: {{{json.dumps(user)}: THEIR_EMAIL}}}}"
            text += " and shows no e-mail. To let them count by id, write in a policy file: "
            text += f"`identities: {entry}`"
        yield Check(NOTE, text)


def _check_users_of_one_email(duties: Iterable[Duty], policy: Policy) -> Iterator[Check]:
    """Note users of a provider who count as one person, unless the policy says so."""
    users: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for duty in duties:
        users[duty.provider, duty.holder].add(duty.user)
    for (provider, email), ids in sorted(users.items()):
        if len(ids) > 1 and any(policy.email_of(provider, id_) != email for id_ in ids):
            text = f"{provider}: {len(ids)} users on duty have the e-mail {email}, and the duties "
            text += f"of each count for that person: {join_words(sorted(ids))}"
            yield Check(NOTE, text)


def _check_spellings(duties: Iterable[Duty]) -> Iterator[Check]:
    """Note addresses that look like one and don't compare as one."""
    spellings: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for duty in duties:
        spellings[emails.folded(duty.holder)].setdefault(duty.holder, duty.provider)
    for places in spellings.values():
        if len(places) > 1:
            listed = join_words(f"{email} ({places[email]})" for email in sorted(places))
            text = f"one e-mail is spelled in {len(places)} ways, and only the way in which it is "
            yield Check(NOTE, f"{text}spelled in a request counts: {listed}")


def _check_domains(
    duties: Iterable[Duty], rules: Iterable[Rule], policy: Policy
) -> Iterator[Check]:
    """Note addresses on duty that no rule for the duty approves because of their domains."""
    domains: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    approved: set[tuple[str, str]] = set()
    for duty in duties:
        user = duty.provider, duty.holder
        own = [rule.when for rule in _rules_for(duty, rules) if rule.when is not None]
        owners = [email for email, others in policy.aliases.items() if duty.holder in others]
        if any(_admits(when, email, duty) for when in own for email in (duty.holder, *owners)):
            approved.add(user)
        domains[user].update(
            domain
            for when in own
            for part in walk(when)
            if isinstance(part, Requester)
            for domain in part.domains
        )
    for user in sorted(domains.keys() - approved):
        provider, email = user
        if named := sorted(domains[user]):
            text = f"{provider}: {email} is on duty, but the rules for that duty only name the "
            text += f"domain{'s' if len(named) > 1 else ''} {join_words(named)}. If they request "
            text += "access with another address, map it in `aliases` or `identities`"
            yield Check(NOTE, text)


def _admits(condition: Condition, email: str, duty: Duty) -> bool:
    """Whether a condition may hold for a requester with this e-mail and duty, among others."""
    if isinstance(condition, AnyOf):
        ways = [one for one in condition.members if _is_for(one, duty) or not _has_duty(one)]
        return any(_admits(one, email, duty) for one in ways)
    if isinstance(condition, AllOf):
        return all(_admits(one, email, duty) for one in condition.members)
    if isinstance(condition, Requester):
        return email in condition.emails or email.rpartition("@")[2] in condition.domains
    return True


def _has_duty(condition: Condition) -> bool:
    return any(True for _ in duty_conditions(condition))
