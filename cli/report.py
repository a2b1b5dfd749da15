"""`oncall report`: a period's decisions, by outcome, rule and provider."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from auditlog.explain import NO, SETTINGS, hidden_emails
from auditlog.reader import Log
from auditlog.record import DECISION, Record
from cli import arguments
from cli.console import Output
from cli.context import Context
from cli.errors import CommandError
from cli.logs import log_of_file, log_of_group, remarks
from cli.target import log_group_of
from handler.durations import parse_instant
from policy.terminal import counted as in_words

EXAMPLES = """examples:
  oncall report week.log
  oncall report --stack prod --since 30d

FILE is the output of `aws logs tail` or `filter-log-events`, JSON or CSV from
Insights or the console, or an export to S3, with or without gzip. --stack asks
the Pulumi CLI for the log group.

exit status: 0 reported, 1 reported but for lines that are missing or could not
be read, 2 could not be carried out"""
WEEK = timedelta(days=7)


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "report",
        help="a period's decisions by outcome, rule and provider",
        description="Count what the log says, without naming anybody.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=arguments.file,
        metavar="FILE",
        help="lines of the function's log; - is stdin",
    )
    parser.add_argument(
        "--stack",
        type=arguments.stack,
        metavar="NAME",
        help="read this stack's log group in CloudWatch instead",
    )
    parser.add_argument(
        "--log-group", metavar="NAME", help="read this log group, in the region of AWS_REGION"
    )
    parser.add_argument(
        "--since",
        type=arguments.duration,
        metavar="7d",
        help="how far back; 7d from a log group, all of a file, if not said",
    )
    arguments.for_scripts(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, context: Context) -> int:
    """Read the records, and count."""
    if [options.file, options.log_group, options.stack].count(None) != 2:  # noqa: PLR2004 - all others
        raise CommandError("give one of FILE, --stack NAME and --log-group NAME")
    log = _log(options, context)
    counted = count(log.records)
    out = context.output(options)
    if options.json:
        out.json({**counted, "unreadable": log.unreadable, "gaps": log.gaps})
    else:
        _print(out, counted)
        if remarks(log):
            out.line()
        for each in remarks(log):
            out.line(each, NO)
    return 1 if remarks(log) else 0


def _log(options: argparse.Namespace, context: Context) -> Log:
    now = context.clock.now()
    try:
        since = now - (options.since or WEEK)
    except OverflowError:
        raise CommandError("--since reaches back too far") from None
    if options.stack:
        group, region = log_group_of(options.stack, context)
        return log_of_group(group, since, now, context.environment, region)
    if options.log_group is not None:
        return log_of_group(options.log_group, since, now, context.environment)
    log = log_of_file(options.file, context)
    if options.since is None:
        return log
    return log._replace(records=[each for each in log.records if _is_from(each, since)])


def _is_from(record: Record, since: datetime) -> bool:
    """Whether it is from then on; what does not say when is counted, lest nobody miss it."""
    logged_at = parse_instant(record.get("timestamp") or record.get("decided_at", ""))
    return logged_at is None or logged_at >= since


def count(records: Iterable[Record]) -> dict[str, Any]:
    """Count decisions, and the calls that came to none."""
    of: dict[str, Counter[str]] = {name: Counter() for name in _HEADINGS}
    times = []
    for record in records:
        message = record["message"]
        if message in {"refused", "failed"}:
            of[message][record.get("why", "")] += 1
        if message != DECISION:
            continue
        times.append(record.get("timestamp") or record["decided_at"])
        for name, words in _facts(record):
            of[name][words] += 1
    counts = {name: dict(counter.most_common()) for name, counter in of.items()}
    return {
        "decisions": len(times),
        "from": min(times, default=None),
        "to": max(times, default=None),
        **counts,
    }


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    approved = record["outcome"] == "approve"
    dry = ", in dry run" if record["dry_run"] else ""
    yield "outcomes", ("approved" if approved else "left to humans") + dry
    yield "policies", record["policy"]
    for rule in record["rules"]:
        yield "rules", rule or SETTINGS
    for provider in {each["provider"] for each in record["evidence"]}:
        yield "providers", provider
    for failure in record["provider_failures"]:
        yield "failures", failure
    for provider in hidden_emails(record):
        yield "without_email", provider


_HEADINGS = {
    "outcomes": "decisions",
    "rules": "approved by rule",
    "providers": "approved by a duty at",
    "failures": "no answer from",
    "without_email": "somebody on duty shows no e-mail at",
    "refused": "calls refused",
    "failed": "calls failed",
    "policies": "decided by policy",
}


def _print(out: Output, counted: Mapping[str, Any]) -> None:
    if counted["decisions"]:
        decisions = in_words(counted["decisions"], "decision")
        out.line(f"{decisions}, {counted['from']} to {counted['to']}")
    else:
        out.line("no decisions")
    for name, heading in _HEADINGS.items():
        if rows := counted[name]:
            out.line()
            out.table((heading, "times"), [(each, str(times)) for each, times in rows.items()])
