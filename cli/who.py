"""`oncall who`: everybody who would be approved for a resource now, and why others would not."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from auditlog.explain import DEFAULT_RULE, YES, clock_time, emails_missing, why
from cli import arguments, options
from cli.config import CommandConfig, load_config
from cli.console import HUMANS, Output, join_words
from cli.context import Context
from cli.errors import NOT_DONE
from cli.policy_notes import approving_rules, missing_key_notes, open_rule_notes
from cli.provider_query import (
    DutyReport,
    query_all_duties,
    rule_dependencies,
    unanswered_providers,
)
from handler.audit import decision_record
from handler.clock import Clock
from handler.durations import format_go, format_instant, in_words
from handler.duty import ProviderSnapshot
from handler.providers.collect import without_email
from handler.request import Request, Resource
from handler.rules.conditions import NOT_LISTED
from handler.rules.evaluate import Decision, decide_all
from handler.rules.model import Policy

EPILOG = """examples:
  oncall who postgres.v1.Role:db-1 --label Env=Prod
  oncall who okta.v1.Group:admins --stack prod --json

exit status: 0 somebody would be approved; 1 nobody would be; 2 unknown, since a provider gave no
complete answer, or the command could not run"""
NOBODY = "nobody@stand-in.invalid"
_MOST_OTHERS = 20


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "who",
        run,
        summary="everybody who would be approved for a resource now, and why",
        description="Ask the providers who is on duty and decide for each person, as if they "
        "requested the resource now. People whom an Opsgenie escalation notifies only later are "
        "not listed.",
        epilog=EPILOG,
    )
    parser.add_argument("resource", type=arguments.resource, metavar="KIND:ID", help="the resource")
    options.add_labels(parser, "a label of the resource; repeat it for more")
    options.add_action(parser)
    options.add_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Decide for everybody on duty; list who would be approved, and who would not."""
    config = load_config(args, context)
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
    unanswered = unanswered_providers(snapshot, report.queries)
    answer, status = "", 0 if approved and not settings.dry_run else 1
    notes = [
        f"{emails_missing(name, *counts)}; `oncall preflight` shows how to make it visible"
        for name, counts in hidden.items()
    ]
    notes += [f"no answer from {failure}" for failure in snapshot.failures]
    notes += missing_key_notes(settings, approving_rules(policy, request))
    if settings.dry_run:
        notes.append("in dry run nobody is approved: humans decide about every request")
    if not approved:
        answer = "nobody would be approved"
        if objection:
            notes.insert(0, objection)
        elif snapshot.failures:
            answer, status = "unknown: no provider answered", NOT_DONE
            if len(unanswered) < len(report.queries):
                answer = "unknown: nobody would be approved, as far as the providers answered"
    open_notes = open_rule_notes(settings, request)
    out = context.output(args)
    if args.json:
        out.json(
            {
                "resource": f"{kind}:{id_}",
                "dry_run": settings.dry_run,
                "approved": [_as_data(decision, config) for decision in approved],
                "not_approved": [{"who": person, "why": reason} for person, reason in others],
                "considered": 0 if objection else len(decisions),
                "asked": list(report.queries),
                "unanswered": unanswered,
                "open_to_any_duty": open_notes,
                "notes": notes,
                "policy": config.origin,
            }
        )
    else:
        rows = [_row(decision, config) for decision in approved]
        lines = [f"note: {note}" for note in (*notes, *open_notes)]
        if not objection and len(unanswered) < len(report.queries):
            lines.append(_considered(len(decisions), report, unanswered))
        if rows:
            heading = "would be approved" if settings.dry_run else "approved"
            out.table((heading, "until", "for", "why"), rows, HUMANS if settings.dry_run else YES)
        else:
            out.line(answer, HUMANS)
        _print_others(out, others)
        out.line()
        for line in (*lines, f"policy: {config.origin}"):
            out.line(line)
    return status


def decisions_for_all(
    request: Request, snapshot: ProviderSnapshot, policy: Policy, clock: Clock
) -> list[Decision]:
    """Decide for everybody on duty, and sort by the end of the access, the latest first."""
    now = clock.now()
    people = _candidates(snapshot, policy)
    requests = [request._replace(requester=Resource(email=person)) for person in people]
    decisions = decide_all(requests, snapshot, policy, now)
    return sorted(decisions, key=lambda decision: -decision.duration)


def _candidates(snapshot: ProviderSnapshot, policy: Policy) -> list[str]:
    """Give everybody with a duty of their own, or of an alias that the policy gives them."""
    holders = {duty.holder for duty in snapshot.duties}
    owners = {email for email, others in policy.aliases.items() if holders & set(others)}
    return sorted(holders | owners)


def _objection(request: Request, policy: Policy, clock: Clock) -> str:
    """Say why no duty could be enough, or "" if one could."""
    (decision,) = decide_all([request], ProviderSnapshot(), policy, clock.now())
    return "" if decision.could_change else decision.reason


def _considered(people: int, report: DutyReport, unanswered: Sequence[str]) -> str:
    """Say whom the answer is about: how many people, and at which providers."""
    snapshot = report.snapshot
    names = join_words(provider for provider in report.queries if provider not in unanswered)
    read = ", as far as they answered" if snapshot.failures else ""
    if not people:
        visible = "on duty has a visible e-mail" if snapshot.without_email else "is on duty"
        return f"considered: nobody, since nobody {visible} at {names}{read}"
    visible = " with a visible e-mail" if snapshot.without_email else ""
    count = "1 person" if people == 1 else f"{people} people"
    return f"considered: {count} on duty{visible} at {names}{read}"


def _why(decision: Decision, config: CommandConfig) -> str:
    """Give the reason in the words of `oncall explain`."""
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(),
        providers=(),
        policy=config.policy,
        dry_run=config.settings.dry_run,
        milliseconds=0,
    )
    return why(record)


def _others(decisions: Iterable[Decision], config: CommandConfig) -> list[tuple[str, str]]:
    """Give who would not be approved, and why; those on duty for something else come last."""
    others = [
        (decision.request.requester.email, _why(decision, config))
        for decision in decisions
        if not decision.approved
    ]
    return sorted(others, key=lambda other: (NOT_LISTED in other[1], other))


def _as_data(decision: Decision, config: CommandConfig) -> dict[str, Any]:
    return {
        "who": decision.request.requester.email,
        "until": format_instant(decision.now + decision.duration),
        "duration": format_go(decision.duration),
        "rules": [rule or DEFAULT_RULE for rule in decision.rules],
        "why": _why(decision, config),
    }


def _row(decision: Decision, config: CommandConfig) -> tuple[str, ...]:
    return (
        decision.request.requester.email,
        clock_time(decision.now + decision.duration, decision.now),
        in_words(decision.duration),
        _why(decision, config),
    )


def _print_others(out: Output, others: Sequence[tuple[str, str]]) -> None:
    if others:
        out.line()
        out.table(("left to humans", "why"), others[:_MOST_OTHERS], HUMANS)
    if len(others) > _MOST_OTHERS:
        out.line(f"and {len(others) - _MOST_OTHERS} more: --json lists all of them")
