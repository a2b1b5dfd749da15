"""`oncall preflight`: whether keys and names are right, before anybody needs them at night."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from auditlog.explain import NO, YES
from cli import options
from cli.config import load_config
from cli.context import Context
from cli.preflight_checks import NOTE, OK, PROBLEM, Check, checks, kinds_named
from cli.provider_query import PATIENCE_SECONDS, query_all_duties
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import ProviderClient, Question
from handler.providers.collect import load_clients
from handler.providers.runner import ask
from handler.settings import Settings

EPILOG = """examples:
  . .sandbox/env && oncall preflight
  oncall preflight --stack prod --json

exit status: 0 no problem (there may be notes), 1 problems, 2 could not be
carried out"""
_MARKS = {OK: YES, PROBLEM: NO, NOTE: ""}


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "preflight",
        run,
        summary="check keys, and every name in the policy, at the providers",
        description="Ask each provider for what the policy needs, and for what it names.",
        epilog=EPILOG,
    )
    options.add_policy(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Check, and print the results."""
    config = load_config(args, context.environment, context.folder)
    results = check_providers(config.settings, context)
    good = all(result.level != PROBLEM for result in results)
    out = context.output(args)
    if args.json:
        out.json({"ok": good, "checks": [result._asdict() for result in results]})
    else:
        for result in results:
            out.line(f"{result.level:8} {result.text}", _MARKS[result.level], indent=9)
        out.line(f"the policy is from {config.origin}")
    return 0 if good else 1


def check_providers(settings: Settings, context: Context) -> list[Check]:
    """Ask each provider for what the policy needs and names, and check it."""
    report = query_all_duties(settings, context)
    snapshot = with_inventory(settings, report.snapshot, context)
    return list(checks(settings, snapshot, report.queries, context.clock.now()))


def with_inventory(
    settings: Settings, snapshot: ProviderSnapshot, context: Context
) -> ProviderSnapshot:
    """Add what providers list beside duties: the names that the policy needs to be there."""
    client, clock = context.client(), context.clock
    try:
        kinds = kinds_named(settings.policy)
        questions = [
            question
            for provider in load_clients(client, clock, settings.providers).values()
            for question in _inventory(provider)
            if question.listed_kind in kinds
        ]
        return ask(questions, Deadline(clock, PATIENCE_SECONDS), before=snapshot)
    finally:
        client.close()


def _inventory(provider: ProviderClient) -> Iterable[Question]:
    """Give the questions for its inventory, which few need: most list all names with duties."""
    inventory = getattr(provider, "inventory", None)
    return inventory() if inventory else ()
