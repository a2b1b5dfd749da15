"""`oncall explain`: what would happen if somebody asked now, and why."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Any

from auditlog.explain import NOTE, Told, tree, why
from cli import arguments, user_lookup
from cli.config import Configured, configured
from cli.context import Context
from cli.errors import CommandError
from cli.provider_query import approving, open_to_any_duty, switched_off
from handler.audit import decision_record
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Deadline
from handler.durations import format_instant
from handler.providers.collect import DutyCollector, Outcome
from handler.rules.evaluate import Decision

EXAMPLES = """examples:
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
    parser = commands.add_parser(
        "explain",
        help="what would happen if somebody asked now, and why",
        description="Ask the providers and decide, as the function would; nothing is approved.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--as", dest="who", required=True, type=arguments.email, metavar="EMAIL", help="who asks"
    )
    parser.add_argument(
        "--resource",
        action="append",
        required=True,
        type=arguments.resource,
        metavar="KIND:ID",
        help="for what; again for more",
    )
    arguments.for_labels(parser, "that the resources carry")
    parser.add_argument("--duration", type=arguments.duration, metavar="1h30m", help="for how long")
    parser.add_argument(
        "--at", type=arguments.moment, metavar="TIME", help="as of then: an instant, or +2h"
    )
    arguments.for_a_policy(parser)
    parser.set_defaults(run=explain)


def explain(options: argparse.Namespace, context: Context) -> int:
    """Decide, and tell why."""
    given = configured(options, context.environment, context.folder)
    at, notes = _moment(options.at, context)
    request = arguments.request(options.who, options.resource, options.label, options.duration)
    client = context.client()
    try:
        clock = context.clock._replace(now=lambda: at) if options.at else context.clock
        inquiry = DutyCollector(client, clock, given.settings.providers)
        deadline = Deadline(context.clock, BUDGET_SECONDS)
        outcome = inquiry.decide([request], given.policy, deadline)
    finally:
        client.close()
    (decision,) = outcome.decisions
    if outcome.asked and not decision.duties:
        who, asked = request.requester.email, outcome.asked
        notes += user_lookup.about_a_stranger(who, asked, outcome.snapshot, given.settings, context)
    notes += switched_off(given.settings, approving(given.policy, request.resources))
    notes.append(f"the policy is from {given.origin}")
    wide = open_to_any_duty(given.settings, request.resources)
    record = _record(decision, outcome, given)
    told = tree(record)
    told = told._replace(under=(*told.under, *(Told(each, NOTE) for each in (*wide, *notes))))
    claimed = decision.approved and not given.settings.dry_run
    out = context.output(options)
    if options.json:
        until = decision.now + decision.duration if decision.approved else None
        out.json(
            {
                "approved": claimed,
                "why": why(record),
                "duration": record["duration"],
                "until": format_instant(until) if until else None,
                "open_to_any_duty": wide,
                "notes": notes,
                "tree": told.as_data(),
                "record": record,
            }
        )
    else:
        out.tree(told)
    return 0 if claimed else 1


def _moment(asked: datetime | timedelta | None, context: Context) -> tuple[datetime, list[str]]:
    now = context.clock.now()
    if asked is None:
        return now, []
    try:
        at = now + asked if isinstance(asked, timedelta) else asked
        _ = at + _AHEAD
    except OverflowError:
        raise CommandError("--at is too far ahead to decide for") from None
    said = f"decided as of {format_instant(at)}, by what the providers say now"
    return at, [f"{said}: who is on duty only then is not known"]


def _record(decision: Decision, outcome: Outcome, given: Configured) -> dict[str, Any]:
    record = decision_record(
        decision,
        snapshot=outcome.snapshot,
        providers=outcome.asked,
        policy=given.policy,
        dry_run=given.settings.dry_run,
        milliseconds=0,
        queries=outcome.wants,
        without_email=outcome.without_email,
    )
    return {"message": "decision", **record}
