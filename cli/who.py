"""`oncall who`: who would be approved for something right now, and why nobody else would."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from auditlog.explain import NO, SETTINGS, clock_time, emails_missing, why
from cli import arguments, options
from cli.config import Configured, configured
from cli.console import Output
from cli.context import Context
from cli.errors import NOT_DONE
from cli.provider_query import (
    DutyReport,
    approving_rules,
    open_to_any_duty,
    query_all_duties,
    rule_dependencies,
    switched_off,
)
from handler.audit import decision_record
from handler.clock import Clock
from handler.durations import format_go, format_instant, in_words
from handler.duty import ProviderSnapshot
from handler.providers.collect import without_email
from handler.request import Request, Resource
from handler.rules.conditions import NOT_LISTED
from handler.rules.evaluate import NO_DUTY, Decision, decide_all
from handler.rules.model import Policy

EPILOG = """examples:
  oncall who postgres.v1.Role:db-1 --label Env=Prod
  oncall who okta.v1.Group:admins --stack prod --json

exit status: 0 somebody would be approved, 1 nobody, 2 could not be carried
out, or no provider could be asked"""
NOBODY = "nobody@stand-in.invalid"
_MOST_OTHERS = 20


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "who",
        run,
        summary="who would be approved for it right now, why, and until when",
        description="Ask the providers for everybody on duty, and decide for each of them.\n"
        "Those who would not be approved are listed with the reason.",
        epilog=EPILOG,
    )
    parser.add_argument("resource", type=arguments.resource, metavar="KIND:ID", help="for what")
    arguments.for_labels(parser, "that it carries")
    arguments.for_an_action(parser)
    arguments.for_a_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Decide for each holder of a duty; list who is approved, and who is not."""
    config = configured(args, context.environment, context.folder)
    settings, policy, clock = config.settings, config.policy, context.clock
    kind, id_ = args.resource
    request = arguments.request(NOBODY, [args.resource], args.label, action=args.action)
    report = query_all_duties(settings, context, request)
    snapshot = report.snapshot
    decisions = decisions_for_all(request, snapshot, policy, clock)
    approved = [decision for decision in decisions if decision.approved]
    objection = _objection(request, policy, clock)
    others = [] if objection else _others(decisions, config)
    conditions = [dependency.condition for dependency in rule_dependencies(policy, request)]
    hidden = without_email(snapshot, conditions, clock.now())
    unanswered = _unanswered(report)
    answer, status = "", 0 if approved and not settings.dry_run else 1
    notes = [
        f"{emails_missing(name, *counts)}; `oncall preflight` says what makes it visible"
        for name, counts in hidden.items()
    ]
    notes += [f"no answer from {failure}" for failure in snapshot.failures]
    notes += switched_off(settings, approving_rules(policy, request))
    if settings.dry_run:
        notes.append("in dry run no claim is made: humans decide about all of them")
    if not approved:
        answer = "nobody would be approved"
        if objection:
            notes.insert(0, objection)
        elif unanswered and len(unanswered) == len(report.queries):
            answer, status = "who would be approved is not known: no provider answered", NOT_DONE
        elif not any(map(_has_a_duty_that_counts, decisions)):
            notes.insert(0, _why_nobody(len(others), snapshot))
    wide = open_to_any_duty(settings, request)
    out = context.output(args)
    if args.json:
        out.json(
            {
                "resource": f"{kind}:{id_}",
                "dry_run": settings.dry_run,
                "approved": [_as_data(decision, config) for decision in approved],
                "not_approved": [{"who": person, "why": reason} for person, reason in others],
                "unanswered": unanswered,
                "open_to_any_duty": wide,
                "notes": notes,
            }
        )
    else:
        rows = [_row(decision, config) for decision in approved]
        _print(out, rows, answer, others, (*notes, *wide))
    return status


def decisions_for_all(
    request: Request, snapshot: ProviderSnapshot, policy: Policy, clock: Clock
) -> list[Decision]:
    """Decide for everybody on duty; by the end of the access, the latest first."""
    now = clock.now()
    people = _candidates(snapshot, policy)
    requests = [request._replace(requester=Resource(email=person)) for person in people]
    decisions = decide_all(requests, snapshot, policy, now)
    return sorted(decisions, key=lambda decision: -decision.duration)


def _candidates(snapshot: ProviderSnapshot, policy: Policy) -> list[str]:
    """Give everybody who holds a duty, and whose duty it is by the policy's aliases."""
    holders = {duty.holder for duty in snapshot.duties}
    owners = {email for email, others in policy.aliases.items() if holders & set(others)}
    return sorted(holders | owners)


def _objection(request: Request, policy: Policy, clock: Clock) -> str:
    """Say why no duty could open it, or "" if one could."""
    (decision,) = decide_all([request], ProviderSnapshot(), policy, clock.now())
    return "" if decision.could_change else decision.reason


def _has_a_duty_that_counts(decision: Decision) -> bool:
    """Whether something else is against it: a denial, a dry run, a duration that is not asked."""
    counts = any(not why for result in decision.rule_results for _, why in result.duties)
    return counts or decision.reason != NO_DUTY


def _why_nobody(others: int, snapshot: ProviderSnapshot) -> str:
    """Say that nobody is on duty, or that none of those who are would be approved."""
    read = ", by what could be read" if snapshot.failures else ""
    if not others and not snapshot.without_email:
        return f"nobody is on duty{read}"
    return f"nobody is on a duty that counts{read}"


def _unanswered(report: DutyReport) -> list[str]:
    """Give the providers that could say nothing at all."""
    snapshot = report.snapshot
    said = {each.provider for each in (*snapshot.duties, *snapshot.without_email)}
    said |= {each.provider for each in snapshot.schedules_and_roles}
    failing = {each.provider for each in snapshot.failures} - said
    return [each for each in report.queries if each in failing]


def _why(decision: Decision, config: Configured) -> str:
    """Say why in the words of `oncall explain`."""
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(),
        providers=(),
        policy=config.policy,
        dry_run=config.settings.dry_run,
        milliseconds=0,
    )
    return why(record)


def _others(decisions: Iterable[Decision], config: Configured) -> list[tuple[str, str]]:
    """Give who would not be approved, and why not; last those on duty for something else."""
    others = [
        (decision.request.requester.email, _why(decision, config))
        for decision in decisions
        if not decision.approved
    ]
    return sorted(others, key=lambda other: (NOT_LISTED in other[1], other))


def _as_data(decision: Decision, config: Configured) -> dict[str, Any]:
    return {
        "who": decision.request.requester.email,
        "until": format_instant(decision.now + decision.duration),
        "duration": format_go(decision.duration),
        "rules": [rule or SETTINGS for rule in decision.rules],
        "why": _why(decision, config),
    }


def _row(decision: Decision, config: Configured) -> tuple[str, ...]:
    return (
        decision.request.requester.email,
        clock_time(decision.now + decision.duration, decision.now),
        in_words(decision.duration),
        _why(decision, config),
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
