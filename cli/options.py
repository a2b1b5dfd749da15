"""Options that several commands have."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from typing import Any

from cli import arguments
from cli.context import Context
from handler.request import ACCESS
from policy.terminal import wrapped

FORMS_OF_LOGS = """FILE is the output of `aws logs tail` or `aws logs filter-log-events`, JSON or
CSV from CloudWatch Logs Insights or the console, or an export to S3; gzip is unpacked."""


class HelpFormatter(argparse.HelpFormatter):
    """Fits help to the terminal: wraps each paragraph, and keeps lines that are indented."""

    def add_argument(self, action: argparse.Action) -> None:
        """Reckon with one more step of indentation of the commands."""
        super().add_argument(action)
        if action.nargs == argparse.PARSER:
            self._action_max_length += self._indent_increment

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (
            block if "\n  " in block else wrapped(" ".join(block.split()), width)
            for block in text.split("\n\n")
        )
        return textwrap.indent("\n\n".join(paragraphs), indent)

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        # The commands have a heading, so the line with their placeholder is left out.
        return text.partition("\n")[2] if action.nargs == argparse.PARSER else text


def add_command(
    commands: Any,  # noqa: ANN401 - argparse names no type for it
    name: str,
    run: Callable[[argparse.Namespace, Context], int],
    *,
    summary: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a command; the summary is its line in the list of commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_request(
    parser: argparse.ArgumentParser,
    *,
    required: bool,
    who: str,
    resource: str,
    by_name: bool = False,
) -> None:
    """Add the options for who requests which resources; `by_name` also takes callers' names."""
    parser.add_argument(
        "--as",
        dest="who",
        required=required,
        type=arguments.requester if by_name else arguments.email,
        metavar="WHO" if by_name else "EMAIL",
        help=who,
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
    add_labels(parser, "a label of the resources; repeat it for more")


def add_log_file(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the argument for a file with a log."""
    parser.add_argument(
        "file",
        nargs=None if required else "?",
        type=arguments.file,
        metavar="FILE",
        help="the function's log; - reads stdin",
    )


def add_log(parser: argparse.ArgumentParser) -> None:
    """Add the options for a log that is a file or a log group, and for how far back it is read."""
    add_log_file(parser, required=False)
    parser.add_argument("--log-group", metavar="NAME", help="read this log group, in AWS_REGION")
    parser.add_argument(
        "--since",
        type=arguments.duration,
        metavar="7d",
        help="how far back to read (default: 7d of a log group, all of a file)",
    )


def add_policy(
    parser: argparse.ArgumentParser,
    stack: str = "use the settings in Pulumi.NAME.yaml instead of the environment's",
) -> None:
    """Add the options for the policy, and for the form of the answer."""
    parser.add_argument(
        "--policy",
        type=arguments.policy,
        metavar="FILE",
        help="use this policy file instead of the configured policy",
    )
    parser.add_argument(
        "--stack",
        type=arguments.stack,
        metavar="NAME",
        help=stack,
    )
    add_json(parser)


def add_labels(parser: argparse.ArgumentParser, help_: str) -> None:
    """Add the option for the labels of what is requested."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=arguments.label,
        metavar="NAME=VALUE",
        help=help_,
    )


def add_action(parser: argparse.ArgumentParser) -> None:
    """Add the option for the requested action."""
    parser.add_argument(
        "--action",
        default=ACCESS,
        type=arguments.action,
        metavar="ACTION",
        help=f"the requested action (default: {ACCESS})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the switch for output in JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
