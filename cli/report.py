"""`oncall report`: counts decisions by outcome, rule and provider."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from auditlog.explain import NO
from auditlog.report import COUNTS, report
from cli import arguments, options
from cli.console import Output
from cli.context import Context
from cli.errors import CommandError
from cli.logs import log_of, remarks
from policy.terminal import counted

EPILOG = f"""examples:
  oncall report week.log
  oncall report --stack prod --since 30d

{options.FORMS_OF_LOGS} --stack asks the Pulumi CLI for the log group.

exit status: 0 reported; 1 reported, but lines are missing or could not be read; 2 the command could
not run"""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "report",
        run,
        summary="count decisions by outcome, rule and provider",
        description="Count the decisions in a log. Nobody is named.",
        epilog=EPILOG,
    )
    options.add_log(parser)
    parser.add_argument(
        "--stack",
        type=arguments.stack,
        metavar="NAME",
        help="read the log group of this stack",
    )
    options.add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Read the records and count them."""
    if [args.file, args.log_group, args.stack].count(None) != 2:  # noqa: PLR2004 - all others
        raise CommandError("give one of FILE, --stack NAME or --log-group NAME")
    log = log_of(args, context)
    counts, missing = report(log.records), remarks(log)
    out = context.output(args)
    if args.json:
        out.json({**counts, "unreadable": log.unreadable, "gaps": log.gaps})
    else:
        _print(out, counts)
        if missing:
            out.line()
        for remark in missing:
            out.line(remark, NO)
    return 1 if missing else 0


def _print(out: Output, counts: Mapping[str, Any]) -> None:
    if counts["decisions"]:
        decisions = counted(counts["decisions"], "decision")
        out.line(f"{decisions}, {counts['from']} to {counts['to']}")
    else:
        out.line("no decisions")
    for name, heading in COUNTS.items():
        if rows := counts[name]:
            out.line()
            out.table((heading, "times"), [(value, str(times)) for value, times in rows.items()])
