"""`oncall preflight`: whether keys and names are right, before somebody needs them."""

from __future__ import annotations

import argparse
from typing import Any

from auditlog.explain import NO, YES
from cli import options
from cli.config import load_config
from cli.context import Context
from cli.inventory import inventory_questions
from cli.preflight_checks import NOTE, OK, PROBLEM, Check, check_settings, kinds_named
from cli.preflight_people import check_people
from cli.provider_query import PATIENCE_SECONDS, query_all_duties
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.collect import load_clients
from handler.providers.runner import ask
from handler.settings import Settings

EPILOG = """examples:
  . .sandbox/env && oncall preflight
  oncall preflight --stack prod --json

exit status: 0 no problem (there may be notes); 1 problems; 2 the command could not run"""
_MARKS = {OK: YES, PROBLEM: NO, NOTE: ""}


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "preflight",
        run,
        summary="check the providers' keys and every name in the policy",
        description="Check at each provider that its key can read what the policy needs, and that "
        "everything the policy names exists there. List people on duty whose e-mail is missing, is "
        "there twice, or has a domain that no rule names.",
        epilog=EPILOG,
    )
    options.add_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Check, and print the results."""
    config = load_config(args, context)
    results = check_providers(config.settings, context)
    good = all(result.level != PROBLEM for result in results)
    out = context.output(args)
    if args.json:
        checks = [result._asdict() for result in results]
        out.json({"ok": good, "checks": checks, "policy": config.origin})
    else:
        for result in results:
            out.line(f"{result.level:8} {result.text}", _MARKS[result.level], indent=9)
        out.line(f"policy: {config.origin}")
    return 0 if good else 1


def check_providers(settings: Settings, context: Context) -> list[Check]:
    """Ask each provider for what the policy needs and names, and check it."""
    report = query_all_duties(settings, context)
    snapshot = with_inventory(settings, report.snapshot, context)
    now = context.clock.now()
    return [
        *check_settings(settings, snapshot, report.queries, now),
        *check_people(settings.policy, snapshot, now),
    ]


def with_inventory(
    settings: Settings, snapshot: ProviderSnapshot, context: Context
) -> ProviderSnapshot:
    """Add what providers list besides duties, such as severities, if the policy names any."""
    client, clock = context.client(), context.clock
    try:
        kinds = kinds_named(settings.policy)
        questions = [
            question
            for name, provider in load_clients(client, clock, settings.providers).items()
            for question in inventory_questions(name, provider)
            if question.listed_kind in kinds
        ]
        return ask(questions, Deadline(clock, PATIENCE_SECONDS), before=snapshot)
    finally:
        client.close()
