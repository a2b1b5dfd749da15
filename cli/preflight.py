"""`oncall preflight`: whether keys and names are right, before anybody needs them at night."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from auditlog.explain import NO, YES
from cli import arguments
from cli.config import configured
from cli.context import Context
from cli.preflight_checks import NOTE, OK, PROBLEM, Check, checks, kinds_named
from cli.provider_query import PATIENCE_SECONDS, query_all_duties
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import ProviderClient, Question
from handler.providers.collect import load_clients
from handler.providers.runner import ask
from handler.settings import Settings

EXAMPLES = """examples:
  . .sandbox/env && oncall preflight
  oncall preflight --stack prod --json

exit status: 0 no problem (there may be notes), 1 problems, 2 could not be
carried out"""
_MARKS = {OK: YES, PROBLEM: NO, NOTE: ""}


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "preflight",
        help="check keys, and every name in the policy, at the providers",
        description="Ask each provider for what the policy needs, and for what it names.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.for_a_policy(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, world: Context) -> int:
    """Check, and print the results."""
    given = configured(options, world.environment, world.folder)
    results = check_providers(given.settings, world)
    good = all(result.level != PROBLEM for result in results)
    out = world.output(options)
    if options.json:
        out.json({"ok": good, "checks": [result._asdict() for result in results]})
    else:
        for result in results:
            out.line(f"{result.level:8} {result.text}", _MARKS[result.level], indent=9)
        out.line(f"the policy is from {given.origin}")
    return 0 if good else 1


def check_providers(settings: Settings, world: Context) -> list[Check]:
    """Ask each provider for what the policy needs and names, and check it."""
    report = query_all_duties(settings, world)
    snapshot = with_inventory(settings, report.snapshot, world)
    return list(checks(settings, snapshot, report.queries, world.clock.now()))


def with_inventory(
    settings: Settings, snapshot: ProviderSnapshot, world: Context
) -> ProviderSnapshot:
    """Add what providers list beside duties: the names that the policy needs to be there."""
    client, clock = world.client(), world.clock
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
