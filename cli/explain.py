"""`oncall explain`: whether one person would be approved now, and why."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Any

from auditlog.explain import Line, tree, why
from cli import arguments, options, user_lookup
from cli.config import CommandConfig, load_config
from cli.console import join_words
from cli.context import Context
from cli.errors import NOT_DONE, CommandError
from cli.policy_notes import approving_rules, missing_key_notes, open_rule_notes
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

exit status: 0 approved; 1 left to humans; 2 unknown, since a provider gave no complete answer, or
the command could not run"""

# More than any access lasts: it has to end within the calendar.
_AHEAD = timedelta(days=366)


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "explain",
        run,
        summary="whether one person would be approved now, and why",
        description="Ask the providers and decide, as the deployed function would. "
        "Nothing is approved.",
        epilog=EPILOG,
    )
    options.add_request(
        parser,
        required=True,
        who="the requester: an e-mail, or a name in the policy's identities (authzen:jane)",
        resource="what they request; repeat it for more",
        by_name=True,
    )
    options.add_action(parser)
    parser.add_argument(
        "--duration", type=arguments.duration, metavar="1h30m", help="for how long they request it"
    )
    parser.add_argument(
        "--at",
        type=arguments.moment,
        metavar="TIME",
        help="decide as of this time: 2026-03-04T14:00Z, or +2h",
    )
    options.add_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Decide, and explain the decision."""
    config = load_config(args, context)
    settings = config.settings
    at, notes = _moment(args.at, context)
    who: arguments.Requester = args.who
    email = who.email or config.policy.email_of(who.caller, who.name)
    if not email:
        problem = f"the policy's identities have nobody of this name for {who.caller}"
        notes.append(f"{problem}: {who.name!r}")
    request = arguments.request(email, args.resource, args.label, args.duration, action=args.action)
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
    failing = join_words(dict.fromkeys(one.provider for one in outcome.snapshot.failures))
    # A denial, for example, stays the same whatever the providers would have answered.
    is_unknown = decision.could_change and not decision.approved and bool(failing)
    if is_unknown:
        notes.append(f"no complete answer from {failing}, so the answer is unknown")
    notes += missing_key_notes(settings, approving_rules(config.policy, request))
    open_notes = open_rule_notes(settings, request)
    record = _record(decision, outcome, config)
    explanation = tree(record)
    lines = [f"note: {note}" for note in (*notes, *open_notes)]
    lines.append(f"policy: {config.origin}")
    explanation = explanation._replace(under=(*explanation.under, *map(Line, lines)))
    is_claimed = decision.approved and not settings.dry_run
    status = 0 if is_claimed else NOT_DONE if is_unknown else 1
    out = context.output(args)
    if args.json:
        until = decision.now + decision.duration if decision.approved else None
        out.json(
            {
                "approved": is_claimed,
                "why": why(record),
                "duration": record["duration"],
                "until": format_instant(until) if until else None,
                "open_to_any_duty": open_notes,
                "notes": notes,
                "policy": config.origin,
                "tree": explanation.as_data(),
                "record": record,
            }
        )
    else:
        out.tree(explanation)
    return status


def _moment(at: datetime | timedelta | None, context: Context) -> tuple[datetime, list[str]]:
    now = context.clock.now()
    if at is None:
        return now, []
    try:
        moment = now + at if isinstance(at, timedelta) else at
        _ = moment + _AHEAD
    except OverflowError:
        raise CommandError("--at is too far in the future") from None
    note = f"decided as of {format_instant(moment)}, with the duties of this moment"
    return moment, [f"{note}: shifts that start later are not known"]


def _record(decision: Decision, outcome: Outcome, config: CommandConfig) -> dict[str, Any]:
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
