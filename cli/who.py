"""`oncall who`: who would be approved for something right now, and why nobody else would."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from auditlog.explain import NO, SETTINGS, clock_time, emails_missing, why
from cli import arguments
from cli.config import Configured, configured
from cli.console import Output
from cli.context import Context
from cli.errors import NOT_DONE
from cli.provider_query import (
    Asked,
    approving,
    ask_for_all,
    needs_of_rules,
    open_to_any_duty,
    switched_off,
)
from handler.audit import decision_record
from handler.clock import Clock
from handler.durations import format_go, format_instant, in_words
from handler.duty import ProviderSnapshot
from handler.providers.collect import without_email
from handler.request import Resource
from handler.rules.conditions import NOT_LISTED
from handler.rules.evaluate import NO_DUTY, Decision, decide_all
from handler.rules.model import Policy

EXAMPLES = """examples:
  oncall who postgres.v1.Role:db-1 --label Env=Prod
  oncall who okta.v1.Group:admins --stack prod --json

exit status: 0 somebody would be approved, 1 nobody, 2 could not be carried
out, or no provider could be asked"""
NOBODY = "nobody@stand-in.invalid"
_MOST_OTHERS = 20


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "who",
        help="who would be approved for it right now, why, and until when",
        description="Ask the providers for everybody on duty, and decide for each of them.\n"
        "Those who would not be approved are listed with the reason.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("resource", type=arguments.resource, metavar="KIND:ID", help="for what")
    arguments.for_labels(parser, "that it carries")
    arguments.for_a_policy(parser)
    parser.set_defaults(run=who)


def who(options: argparse.Namespace, context: Context) -> int:
    """Decide for each holder of a duty; list who is approved, and who is not."""
    given = configured(options, context.environment, context.folder)
    kind, id_ = options.resource
    resource = Resource(kind, id_, labels=dict(options.label))
    asked = ask_for_all(given.settings, context, [resource])
    snapshot = asked.snapshot
    decisions = decided_for_all(resource, snapshot, given.policy, context.clock)
    approved = [each for each in decisions if each.approved]
    objection = _objection(resource, given.policy, context.clock)
    others = [] if objection else _others(decisions, given)
    needs = needs_of_rules(given.policy, [resource])
    hidden = without_email(snapshot, (each.condition for each in needs), context.clock.now())
    unanswered = _unanswered(asked)
    answer, status = "", 0 if approved and not given.settings.dry_run else 1
    notes = [
        f"{emails_missing(name, *counts)}; `oncall preflight` says what makes it visible"
        for name, counts in hidden.items()
    ]
    notes += [f"no answer from {each}" for each in snapshot.failures]
    notes += switched_off(given.settings, approving(given.policy, [resource]))
    if given.settings.dry_run:
        notes.append("in dry run no claim is made: humans decide about all of them")
    if not approved:
        answer = "nobody would be approved"
        if objection:
            notes.insert(0, objection)
        elif unanswered and len(unanswered) == len(asked.names):
            answer, status = "who would be approved is not known: no provider answered", NOT_DONE
        elif not any(map(_has_a_duty_that_counts, decisions)):
            notes.insert(0, _in_vain(len(others), snapshot))
    wide = open_to_any_duty(given.settings, [resource])
    out = context.output(options)
    if options.json:
        body = {
            "resource": f"{kind}:{id_}",
            "dry_run": given.settings.dry_run,
            "approved": [_as_data(each, given) for each in approved],
            "not_approved": [{"who": one, "why": because} for one, because in others],
            "unanswered": unanswered,
            "open_to_any_duty": wide,
            "notes": notes,
        }
        out.json(body)
    else:
        _print(out, [_row(each, given) for each in approved], answer, others, (*notes, *wide))
    return status


def decided_for_all(
    resource: Resource, snapshot: ProviderSnapshot, policy: Policy, clock: Clock
) -> list[Decision]:
    """Decide for everybody on duty; by the end of the access, the latest first."""
    now = clock.now()
    people = _candidates(snapshot, policy)
    requests = [arguments.request(each, [], [])._replace(resources=(resource,)) for each in people]
    decisions = decide_all(requests, snapshot, policy, now)
    return sorted(decisions, key=lambda each: -each.duration)


def _candidates(snapshot: ProviderSnapshot, policy: Policy) -> list[str]:
    """Give everybody who holds a duty, and whose duty it is by the policy's aliases."""
    holders = {each.holder for each in snapshot.duties}
    owners = {email for email, others in policy.aliases.items() if holders & set(others)}
    return sorted(holders | owners)


def _objection(resource: Resource, policy: Policy, clock: Clock) -> str:
    """Say why no duty could open it, or "" if one could."""
    request = arguments.request(NOBODY, [], [])._replace(resources=(resource,))
    (decision,) = decide_all([request], ProviderSnapshot(), policy, clock.now())
    return "" if decision.could_change else decision.reason


def _has_a_duty_that_counts(decision: Decision) -> bool:
    """Whether something else is against it: a denial, a dry run, a duration that is not asked."""
    counts = any(not why for each in decision.rule_results for _, why in each.duties)
    return counts or decision.reason != NO_DUTY


def _in_vain(others: int, snapshot: ProviderSnapshot) -> str:
    """Say that nobody is on duty, or that none of those who are would be approved."""
    read = ", by what could be read" if snapshot.failures else ""
    if not others and not snapshot.without_email:
        return f"nobody is on duty{read}"
    return f"nobody is on a duty that counts{read}"


def _unanswered(asked: Asked) -> list[str]:
    """Give the providers that could say nothing at all."""
    snapshot = asked.snapshot
    said = {each.provider for each in (*snapshot.duties, *snapshot.without_email)}
    said |= {each.provider for each in snapshot.schedules_and_roles}
    failing = {each.provider for each in snapshot.failures} - said
    return [each for each in asked.names if each in failing]


def _why(decision: Decision, given: Configured) -> str:
    """Say why in the words of `oncall explain`."""
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(),
        providers=(),
        policy=given.policy,
        dry_run=given.settings.dry_run,
        milliseconds=0,
    )
    return why(record)


def _others(decisions: Iterable[Decision], given: Configured) -> list[tuple[str, str]]:
    """Give who would not be approved, and why not; last those on duty for something else."""
    others = [
        (each.request.requester.email, _why(each, given)) for each in decisions if not each.approved
    ]
    return sorted(others, key=lambda each: (NOT_LISTED in each[1], each))


def _as_data(decision: Decision, given: Configured) -> dict[str, Any]:
    return {
        "who": decision.request.requester.email,
        "until": format_instant(decision.now + decision.duration),
        "duration": format_go(decision.duration),
        "rules": [each or SETTINGS for each in decision.rules],
        "why": _why(decision, given),
    }


def _row(decision: Decision, given: Configured) -> tuple[str, ...]:
    return (
        decision.request.requester.email,
        clock_time(decision.now + decision.duration, decision.now),
        in_words(decision.duration),
        _why(decision, given),
    )


def _print(
    out: Output,
    approved: Sequence[tuple[str, ...]],
    answer: str,
    others: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> None:
    if approved:
        out.table(("who", "until", "for", "why"), approved)
    else:
        out.line(answer, NO)
    if others:
        out.line()
        out.table(("not approved", "why not"), others[:_MOST_OTHERS])
        if len(others) > _MOST_OTHERS:
            out.line(f"and {len(others) - _MOST_OTHERS} more: --json lists them all")
        if notes:
            out.line()
    for note in notes:
        out.line(f"note: {note}")
