"""Options that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from cli import arguments
from cli.context import Context
from handler.request import ACCESS

FORMS_OF_LOGS = """FILE is the output of `aws logs tail` or `filter-log-events`, JSON or CSV from
Insights or the console, or an export to S3, with or without gzip."""


def add_command(
    commands: Any,  # noqa: ANN401 - argparse names no type for it
    name: str,
    run: Callable[[argparse.Namespace, Context], int],
    *,
    summary: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a command; the summary stands in the list of all of them."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_request(
    parser: argparse.ArgumentParser, *, required: bool, who: str, resource: str
) -> None:
    """Add the options that say who requests which resources."""
    parser.add_argument(
        "--as", dest="who", required=required, type=arguments.email, metavar="EMAIL", help=who
    )
    parser.add_argument(
        "--resource",
        action="append",
        required=required,
        default=None if required else [],
        type=arguments.resource,
        metavar="KIND:ID",
        help=resource,
    )
    add_labels(parser, "that the resources carry")


def add_log_file(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the file that holds a log."""
    parser.add_argument(
        "file",
        nargs=None if required else "?",
        type=arguments.file,
        metavar="FILE",
        help="lines of the function's log; - is stdin",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the policy, and the form of the answer."""
    parser.add_argument(
        "--policy",
        type=arguments.policy,
        metavar="FILE",
        help="by this policy file, whatever else is set",
    )
    parser.add_argument(
        "--stack",
        type=arguments.stack,
        metavar="NAME",
        help="by the plain settings of Pulumi.NAME.yaml, not one's own",
    )
    add_json(parser)


def add_labels(parser: argparse.ArgumentParser, help_: str) -> None:
    """Add the option that gives labels of what is requested."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=arguments.label,
        metavar="NAME=VALUE",
        help=help_,
    )


def add_action(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what is to be done with what is requested."""
    parser.add_argument(
        "--action",
        default=ACCESS,
        type=arguments.action,
        metavar="ACTION",
        help=f"what to do with it; {ACCESS} if left out",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the switch that makes the answer JSON."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for a script")
