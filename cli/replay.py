"""`oncall replay`: logged records decided again, and what comes out in another way."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from typing import Any

from auditlog.explain import NO, YES, spoken
from auditlog.replay import COMPARED, Replayed, replay
from cli import arguments
from cli.config import configured
from cli.console import Output, listed
from cli.context import Context
from cli.errors import CommandError
from cli.logs import log_of_file, remarks, title_of

EXAMPLES = """examples:
  aws logs tail "$(pulumi stack output log_group)" --since 7d > week.log
  oncall replay week.log --stack prod              the policy as it is
  oncall replay week.log --policy policy/new.yaml  as an edit would have it

FILE is the output of `aws logs tail` or `filter-log-events`, JSON or CSV from
Insights or the console, or an export to S3, with or without gzip.

exit status: 0 every decision came out the same, 1 some differ, cannot be
decided again, are missing or could not be read, 2 could not be carried out"""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="decide logged records again, and print what would differ",
        description="Decide what the log holds again, offline, by the policy of today or another.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file",
        type=arguments.file,
        metavar="FILE",
        help="lines of the function's log; - is stdin",
    )
    arguments.for_a_policy(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, context: Context) -> int:
    """Decide again, and print what differs."""
    given = configured(options, context.environment, context.folder, asks=False)
    log = log_of_file(options.file, context)
    decisions = log.decisions
    if not decisions:
        said = f"{title_of(options.file)} holds no decision"
        raise CommandError("; ".join([said, *remarks(log)]))
    replayed = replay(decisions, given.policy)
    differing = [each for each in replayed if each.differences]
    undecided = [each for each in replayed if each.again is None]
    same = len(replayed) - len(differing) - len(undecided)
    out = context.output(options)
    if options.json:
        out.json(
            {
                "policy": given.policy.fingerprint,
                "same": same,
                "different": [_as_data(each) for each in differing],
                "undecided": [{**_named(each), "problem": each.problem} for each in undecided],
                "unreadable": log.unreadable,
                "gaps": log.gaps,
            }
        )
    else:
        _print(out, differing)
        out.line(f"by the policy from {given.origin}: {same} the same, {len(differing)} different")
        _print_undecided(out, undecided)
        for each in remarks(log):
            out.line(each, NO)
    return 1 if differing or undecided or remarks(log) else 0


def _named(replayed: Replayed) -> dict[str, Any]:
    names = ("call", "number", "decided_at", "requester", "resources", "policy")
    return {name: replayed.record[name] for name in names}


def _as_data(replayed: Replayed) -> dict[str, Any]:
    was, now = replayed.record, replayed.again or {}
    return {
        **_named(replayed),
        "differs": list(replayed.differences),
        "was": {name: was[name] for name in COMPARED},
        "now": {name: now[name] for name in COMPARED},
    }


def _print(out: Output, differing: Iterable[Replayed]) -> None:
    for each in differing:
        record = each.record
        what = listed(record["resources"])
        out.line(f"{record['decided_at']}  {record['requester']} for {what}")
        for when, one in (("was", record), ("now", each.again or {})):
            approved = one["outcome"] == "approve"
            outcome = f"approved for {spoken(one['duration'])}" if approved else "left to humans"
            out.line(f"  {when}  {outcome}: {one['reason']}", YES if approved else NO, 7)


def _print_undecided(out: Output, undecided: Iterable[Replayed]) -> None:
    problems = Counter(each.problem for each in undecided)
    for problem, count in problems.items():
        out.line(f"{count} could not be decided again: {problem}")
