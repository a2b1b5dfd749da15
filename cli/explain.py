"""`oncall explain`: what would happen if somebody asked now, and why."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Any

from auditlog.explain import NOTE, Line, tree, why
from cli import arguments, options, user_lookup
from cli.config import Configured, configured
from cli.context import Context
from cli.errors import CommandError
from cli.provider_query import approving_rules, open_to_any_duty, switched_off
from handler.audit import decision_record
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Deadline
from handler.durations import format_instant
from handler.providers.collect import Outcome, collect_and_decide, load_clients
from handler.rules.evaluate import Decision

EPILOG = """examples:
  oncall explain --as jane@example.com \\
    --resource postgres.v1.Role:db-1 --label Env=Prod
  oncall explain --as jane@example.com --resource okta.v1.Group:admins \\
    --at +8h --policy new.yaml

exit status: 0 would be approved, 1 would be left to humans, 2 could not be
carried out"""

# More than any access lasts: it has to end within the calendar.
_AHEAD = timedelta(days=366)


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "explain",
        run,
        summary="what would happen if somebody asked now, and why",
        description="Ask the providers and decide, as the function would; nothing is approved.",
        epilog=EPILOG,
    )
    options.add_request(parser, required=True, who="who asks", resource="for what; again for more")
    arguments.for_an_action(parser)
    parser.add_argument("--duration", type=arguments.duration, metavar="1h30m", help="for how long")
    parser.add_argument(
        "--at", type=arguments.moment, metavar="TIME", help="as of then: an instant, or +2h"
    )
    arguments.for_a_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Decide, and explain it."""
    config = configured(args, context.environment, context.folder)
    settings = config.settings
    at, notes = _moment(args.at, context)
    request = arguments.request(
        args.who, args.resource, args.label, args.duration, action=args.action
    )
    client = context.client()
    try:
        clock = context.clock._replace(now=lambda: at) if args.at else context.clock
        clients = load_clients(client, clock, settings.providers)
        deadline = Deadline(context.clock, BUDGET_SECONDS)
        outcome = collect_and_decide([request], config.policy, clients, clock, deadline)
    finally:
        client.close()
    (decision,) = outcome.decisions
    if outcome.providers and not decision.duties:
        notes += user_lookup.notes_on_user(
            request.requester.email, outcome.providers, outcome.snapshot, settings, context
        )
    notes += switched_off(settings, approving_rules(config.policy, request))
    notes.append(f"the policy is from {config.origin}")
    wide = open_to_any_duty(settings, request)
    record = _record(decision, outcome, config)
    explanation = tree(record)
    lines = (*explanation.under, *(Line(note, NOTE) for note in (*wide, *notes)))
    explanation = explanation._replace(under=lines)
    is_claimed = decision.approved and not settings.dry_run
    out = context.output(args)
    if args.json:
        until = decision.now + decision.duration if decision.approved else None
        out.json(
            {
                "approved": is_claimed,
                "why": why(record),
                "duration": record["duration"],
                "until": format_instant(until) if until else None,
                "open_to_any_duty": wide,
                "notes": notes,
                "tree": explanation.as_data(),
                "record": record,
            }
        )
    else:
        out.tree(explanation)
    return 0 if is_claimed else 1


def _moment(at: datetime | timedelta | None, context: Context) -> tuple[datetime, list[str]]:
    now = context.clock.now()
    if at is None:
        return now, []
    try:
        moment = now + at if isinstance(at, timedelta) else at
        _ = moment + _AHEAD
    except OverflowError:
        raise CommandError("--at is too far ahead to decide for") from None
    note = f"decided as of {format_instant(moment)}, by what the providers say now"
    return moment, [f"{note}: who is on duty only then is not known"]


def _record(decision: Decision, outcome: Outcome, config: Configured) -> dict[str, Any]:
    record = decision_record(
        decision,
        snapshot=outcome.snapshot,
        providers=outcome.providers,
        policy=config.policy,
        dry_run=config.settings.dry_run,
        milliseconds=0,
        queries=outcome.queries,
        without_email=outcome.without_email,
    )
    return {"message": "decision", **record}
