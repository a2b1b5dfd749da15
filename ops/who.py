"""`oncall who`: who would be approved for something right now, why, and until when."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from handler.clock import Clock
from handler.decision import Decision, decide_all
from handler.durations import format_go, format_instant
from handler.duties import Findings
from handler.events import Resource
from handler.policy import Policy
from ops import arguments
from ops.asking import approving, ask_for_all, switched_off
from ops.configured import configured
from ops.output import Output
from ops.world import World
from policy.telling import NO, clock_time

EXAMPLES = """examples:
  oncall who postgres.v1.Role:db-1 --label Env=Prod
  oncall who okta.v1.Group:admins --stack prod --json

exit status: 0 somebody would be approved, 1 nobody, 2 could not be carried out"""
NOBODY = "nobody@stand-in.invalid"


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "who",
        help="who would be approved for it right now, why, and until when",
        description="Ask the providers for everybody on duty, and decide for each of them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("resource", type=arguments.resource, metavar="KIND:ID", help="for what")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=arguments.label,
        metavar="NAME=VALUE",
        help="that it carries",
    )
    arguments.for_a_policy(parser)
    parser.set_defaults(run=who)


def who(options: argparse.Namespace, world: World) -> int:
    """Decide for each holder of a duty, and list who is approved."""
    given = configured(options, world.environment, world.folder)
    kind, id_ = options.resource
    resource = Resource(kind, id_, labels=dict(options.label))
    findings = ask_for_all(given.settings, world, [resource]).findings
    approved = decided_for_all(resource, findings, given.policy, world.clock)
    notes = [f"no answer from {each}" for each in findings.failures]
    notes += switched_off(given.settings, approving(given.policy, [resource]))
    if given.settings.dry_run:
        notes.append("in dry run no claim is made: humans decide about all of them")
    if not approved:
        notes.insert(0, _why_nobody(resource, given.policy, world.clock))
    out = world.output(options)
    if options.json:
        body = {
            "resource": f"{kind}:{id_}",
            "approved": [_as_data(each) for each in approved],
            "notes": notes,
        }
        out.json(body)
    else:
        _print(out, approved, notes)
    return 0 if approved and not given.settings.dry_run else 1


def decided_for_all(
    resource: Resource, findings: Findings, policy: Policy, clock: Clock
) -> list[Decision]:
    """Give the approvals, by the end of the access, the latest first."""
    now = clock.now()
    people = _candidates(findings, policy)
    requests = [arguments.request(each, [], [])._replace(resources=(resource,)) for each in people]
    decisions = decide_all(requests, findings, policy, now)
    return sorted((each for each in decisions if each.approved), key=lambda each: -each.duration)


def _candidates(findings: Findings, policy: Policy) -> list[str]:
    """Give everybody who holds a duty, and whose duty it is by the policy's aliases."""
    holders = {each.holder for each in findings.duties}
    owners = {email for email, others in policy.aliases.items() if holders & set(others)}
    return sorted(holders | owners)


def _why_nobody(resource: Resource, policy: Policy, clock: Clock) -> str:
    request = arguments.request(NOBODY, [], [])._replace(resources=(resource,))
    (decision,) = decide_all([request], Findings(), policy, clock.now())
    return "nobody is on a duty that counts" if decision.wants_facts else decision.reason


def _as_data(decision: Decision) -> dict[str, Any]:
    return {
        "who": decision.request.requester.email,
        "until": format_instant(decision.now + decision.duration),
        "duration": format_go(decision.duration),
        "rules": list(decision.rules),
        "why": decision.reason,
    }


def _print(out: Output, approved: Iterable[Decision], notes: Iterable[str]) -> None:
    rows = [
        (
            each.request.requester.email,
            clock_time(each.now + each.duration, each.now),
            format_go(each.duration),
            each.reason.removeprefix("Approved: "),
        )
        for each in approved
    ]
    if rows:
        out.table(("who", "until", "for", "why"), rows)
    else:
        out.line("nobody would be approved", NO)
    for note in notes:
        out.line(f"note: {note}")
