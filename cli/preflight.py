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
from cli.provider_query import PATIENCE_SECONDS, ask_for_all
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import Question, Source, ask
from handler.providers.collect import DutyCollector
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
    """Check, and print what was found."""
    given = configured(options, world.environment, world.folder)
    found = checked(given.settings, world)
    good = all(each.level != PROBLEM for each in found)
    out = world.output(options)
    if options.json:
        out.json({"ok": good, "checks": [each._asdict() for each in found]})
    else:
        for each in found:
            out.line(f"{each.level:8} {each.text}", _MARKS[each.level], indent=9)
        out.line(f"the policy is from {given.origin}")
    return 0 if good else 1


def checked(settings: Settings, world: Context) -> list[Check]:
    """Ask each provider for what the policy needs and names, and check it."""
    asked = ask_for_all(settings, world)
    snapshot = with_inventory(settings, asked.snapshot, world)
    return list(checks(settings, snapshot, asked.wants, world.clock.now()))


def with_inventory(
    settings: Settings, snapshot: ProviderSnapshot, world: Context
) -> ProviderSnapshot:
    """Add what sources can list beside duties: the names that the policy needs to be there."""
    client, clock = world.client(), world.clock
    try:
        sources = DutyCollector(client, clock, settings.providers).sources
        wanted = kinds_named(settings.policy)
        questions = [
            question
            for source in sources.values()
            for question in _inventory(source)
            if question.lists in wanted
        ]
        return ask(questions, Deadline(clock, PATIENCE_SECONDS), before=snapshot)
    finally:
        client.close()


def _inventory(source: Source) -> Iterable[Question]:
    """Ask a source for its inventory, which few have: most list all names with their duties."""
    inventory = getattr(source, "inventory", None)
    return inventory() if inventory else ()
