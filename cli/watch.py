"""`oncall watch`: finds access that is still running although its duty has ended."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from auditlog.explain import DEFAULT_RULE, NO, clock_time, resources_in_words
from auditlog.watch import (
    ENDED,
    ON_DUTY,
    UNKNOWN,
    Approval,
    Finding,
    check,
    dependencies_of,
    running_approvals,
)
from cli import options
from cli.config import CommandConfig, load_config
from cli.console import HUMANS, Output
from cli.context import Context
from cli.errors import NOT_DONE, CommandError
from cli.logs import log_of, remarks
from cli.provider_query import PATIENCE_SECONDS, query_duties
from handler.clock import Deadline
from handler.durations import format_instant
from handler.duty import Duty, Failure
from handler.providers.collect import load_clients
from policy.terminal import counted

EPILOG = f"""examples:
  oncall watch --stack prod
  oncall watch week.log --policy policy/prod.yaml --json

It ends no access: that is up to the access system.

{options.FORMS_OF_LOGS} --stack asks the Pulumi CLI for the log group.

exit status: 0 every duty is still there; 1 a duty has ended before its access; 2 none has, as far
as could be checked, but an approval or a line could not be checked, or the command could not run"""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "watch",
        run,
        summary="access that is still running although its duty has ended",
        description="Find the approvals in a log whose access is still running, and ask the "
        "providers whether each person still has a duty for it.",
        epilog=EPILOG,
    )
    options.add_log(parser)
    options.add_policy(
        parser,
        stack="use the settings in Pulumi.NAME.yaml instead of the environment's, and read the log "
        "group of this stack unless FILE or --log-group is given",
    )


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask again about each approval, and list those whose duty has ended."""
    sources = [args.file, args.log_group]
    if sources.count(None) != 1 and not (args.stack and sources.count(None)):
        raise CommandError("give FILE or --log-group NAME (not both), or --stack NAME")
    config = load_config(args, context)
    log = log_of(args, context)
    approvals = running_approvals(log.decisions, context.clock.now())
    findings, missing = check_all(approvals, config, context), remarks(log)
    by_status = {
        status: [finding for finding in findings if finding.status == status]
        for status in (ENDED, UNKNOWN, ON_DUTY)
    }
    out, now = context.output(args), context.clock.now()
    notes = _policy_notes(findings, config)
    if args.json:
        out.json(
            {
                "approvals": [_as_data(finding, now) for finding in findings],
                "counts": {status: len(some) for status, some in by_status.items()},
                "unreadable": log.unreadable,
                "gaps": log.gaps,
                "policy": config.origin,
                "notes": notes,
            }
        )
    else:
        _print(out, by_status[ENDED], by_status[UNKNOWN], now)
        counts = ", ".join(f"{len(some)} {status}" for status, some in by_status.items())
        out.line(f"{counted(len(findings), 'approval')} with running access: {counts}")
        for remark in missing:
            out.line(remark, NO)
        out.line(f"policy: {config.origin}")
        for note in notes:
            out.line(f"note: {note}")
    if by_status[ENDED]:
        return 1
    return NOT_DONE if by_status[UNKNOWN] or missing else 0


def check_all(
    approvals: Iterable[Approval], config: CommandConfig, context: Context
) -> list[Finding]:
    """Ask the providers person by person, as a decision does, and check each approval.

    A provider that lets the time run out isn't asked about anybody else.
    """
    clock, policy = context.clock, config.policy
    client = context.client()
    findings: list[Finding] = []
    late: dict[str, Failure] = {}
    try:
        clients = load_clients(client, clock, config.settings.providers)
        for _, group in groupby(approvals, lambda approval: approval.requester):
            own, now = list(group), clock.now()
            needed = [entry for one in own for entry in dependencies_of(one, policy, now)]
            deadline = Deadline(clock, PATIENCE_SECONDS)
            asked = {name: one for name, one in clients.items() if name not in late}
            snapshot = query_duties(asked, needed, policy, deadline).snapshot
            snapshot = snapshot._replace(failures=(*snapshot.failures, *late.values()))
            now = clock.now()
            findings += (check(one, snapshot, clients, policy, now) for one in own)
            if not deadline.left():
                late = {failure.provider: failure for failure in snapshot.failures}
    finally:
        client.close()
    return findings


def _policy_notes(findings: Iterable[Finding], config: CommandConfig) -> list[str]:
    """Say if the policy may accept a duty that the deployed one doesn't accept."""
    fingerprint = config.policy.fingerprint
    others = sum(finding.approval.record["policy"] != fingerprint for finding in findings)
    if not others:
        return []
    another = f"{counted(others, 'approval')} {'was' if others == 1 else 'were'} decided with"
    remedy = "if it isn't the deployed one, give --stack NAME or --policy FILE"
    return [f"{another} another policy than this one; {remedy}"]


def _print(
    out: Output, ended: Sequence[Finding], unknown: Sequence[Finding], now: datetime
) -> None:
    tables = (
        (ENDED, "was", ended, NO),
        (UNKNOWN, "why", unknown, HUMANS),
    )
    for status, heading, findings, mark in tables:
        if findings:
            rows = [_row(finding, now) for finding in findings]
            out.table((status, "access", "running", heading), rows, mark)
            out.line()


def _row(finding: Finding, now: datetime) -> tuple[str, ...]:
    approval = finding.approval
    duties = "; ".join(_in_words(duty, now) for duty in finding.ended)
    return (
        approval.requester,
        resources_in_words(approval.record),
        f"{clock_time(approval.since, now)} to {clock_time(approval.until, now)}",
        finding.why or duties,
    )


def _in_words(duty: Duty, now: datetime) -> str:
    early = duty.end is not None and duty.end > now
    return duty.describe_evidence(now) + (", and ended early" if early else "")


def _as_data(finding: Finding, now: datetime) -> dict[str, Any]:
    approval, record = finding.approval, finding.approval.record
    return {
        "status": finding.status,
        "who": approval.requester,
        "resources": record["resources"],
        "access": resources_in_words(record),
        "since": format_instant(approval.since),
        "until": format_instant(approval.until),
        "rules": [rule or DEFAULT_RULE for rule in record["rules"]],
        "ended": [
            {
                "provider": duty.provider,
                "kind": duty.kind,
                "name": duty.title,
                "incident": duty.incident,
                "ended_at": format_instant(duty.end) if duty.end and duty.end <= now else None,
            }
            for duty in finding.ended
        ],
        "why": finding.why,
        "caller": record.get("caller", ""),
        "caller_request": record.get("caller_request", ""),
        "petitions": record["petitions"],
        "decision_id": record.get("decision_id", ""),
    }
