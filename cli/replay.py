"""`oncall replay`: decides logged requests again, and shows what would change."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from typing import Any

from auditlog.explain import NO, YES, duration_in_words
from auditlog.replay import REPORTED, ReplayResult, replay
from cli import options
from cli.config import load_config
from cli.console import HUMANS, Output, join_words
from cli.context import Context
from cli.errors import CommandError
from cli.logs import log_of_file, remarks, title_of
from policy.terminal import counted

EPILOG = f"""examples:
  aws logs tail "$(pulumi stack output log_group)" --since 7d > week.log
  oncall replay week.log --stack prod              with the current policy
  oncall replay week.log --policy policy/new.yaml  with an edited policy

{options.FORMS_OF_LOGS}

A decision is undecided if the log lacks facts that the policy needs. That is often so if the
policy's identities changed, since the log doesn't have the user ids of people with an address.

exit status: 0 every decision is the same; 1 some differ, cannot be decided again, are missing or
could not be read; 2 the command could not run"""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "replay",
        run,
        summary="decide logged requests again, and show what would change",
        description="Decide the requests in a log again, offline, with the current policy or "
        "another one.",
        epilog=EPILOG,
    )
    options.add_log_file(parser, required=True)
    options.add_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Decide again, and print the differences."""
    config = load_config(args, context, needs_keys=False)
    log = log_of_file(args.file, context)
    decisions, missing = log.decisions, remarks(log)
    if not decisions:
        raise CommandError("; ".join([f"{title_of(args.file)} has no decisions", *missing]))
    results = replay(decisions, config.policy)
    differing = [entry for entry in results if entry.differences]
    undecided = [entry for entry in results if entry.new_record is None]
    same = len(results) - len(differing) - len(undecided)
    out = context.output(args)
    if args.json:
        out.json(
            {
                "policy": config.policy.fingerprint,
                "same": same,
                "different": [_as_data(entry) for entry in differing],
                "undecided": [
                    {**_identity(entry), "problem": entry.problem} for entry in undecided
                ],
                "unreadable": log.unreadable,
                "gaps": log.gaps,
            }
        )
    else:
        for entry in differing:
            _print(out, entry)
        counts = f"{same} the same, {len(differing)} different"
        if undecided:
            counts += f", {len(undecided)} undecided"
        out.line(f"{counted(len(results), 'decision')}: {counts}; policy: {config.origin}")
        _print_undecided(out, undecided)
        for remark in missing:
            out.line(remark, NO)
    return 1 if differing or undecided or missing else 0


def _identity(entry: ReplayResult) -> dict[str, Any]:
    names = ("call", "number", "decided_at", "requester", "resources", "policy")
    return {name: entry.record[name] for name in names}


def _as_data(entry: ReplayResult) -> dict[str, Any]:
    was, now = entry.record, entry.new_record or {}
    return {
        **_identity(entry),
        "differs": list(entry.differences),
        "was": {name: was[name] for name in REPORTED},
        "now": {name: now[name] for name in REPORTED},
    }


def _print(out: Output, entry: ReplayResult) -> None:
    record = entry.record
    resources = join_words(record["resources"])
    out.line(f"{record['decided_at']}  {record['requester']} for {resources}")
    for when, decision in (("was", record), ("now", entry.new_record or {})):
        approved = decision["outcome"] == "approve"
        outcome = "left to humans"
        if approved:
            outcome = f"approved for {duration_in_words(decision['duration'])}"
        mark = YES if approved else HUMANS
        reason = str(decision["reason"]).removeprefix("Approved: ")
        out.line(f"  {when}  {outcome}: {reason}", mark, 7)


def _print_undecided(out: Output, undecided: Iterable[ReplayResult]) -> None:
    problems = Counter(entry.problem for entry in undecided)
    for problem, count in problems.items():
        out.line(f"{count} undecided: {problem}")
