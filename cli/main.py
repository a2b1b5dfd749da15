"""The `oncall` command: its subcommands, and how it ends."""

from __future__ import annotations

import argparse
import errno
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cli import check, explain, options, preflight, replay, report, watch, who
from cli.context import Context, discard, process
from cli.errors import NOT_DONE, CommandError, ReportError
from handler import __version__
from policy.terminal import Parser, columns_of, safe, show_anything, wrapped

EPILOG = """Settings come from the environment, as in the function: the providers' keys
(INCIDENTIO_API_KEY, ...) and AUTO_APPROVAL_*. --stack NAME reads the plain ones from
Pulumi.NAME.yaml, and --policy FILE uses another policy. While a sandbox runs
(make up), `. .sandbox/env` sets all of them.

If HTTPS_PROXY or ALL_PROXY is set, the Internet is reached through that proxy, except for what
NO_PROXY names.

exit status: 0 yes, or all is well; 1 no, different, or a problem; 2 unknown, or
the command could not run"""

# The errors of a full disk, and of a terminal that has gone.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: Sequence[str] | None = None, context: Context | None = None) -> int:
    """Run one command and give its exit status: 0 yes, 1 no, 2 unknown, or it could not run."""
    context = context or process()
    show_anything(context.stdout, context.stderr)
    options = _parser().parse_args(arguments)
    if _outlived_sandbox(context.environment):
        context.warn(
            "oncall: this shell has the variables of a sandbox that has ended: run `sandbox_off`, "
            "or `make up` in another terminal and `. .sandbox/env` here"
        )
    try:
        status: int = options.run(options, context)
        context.stdout.flush()
    except CommandError as error:
        lines = str(error).split("\n") if isinstance(error, ReportError) else [str(error)]
        for number, line in enumerate(lines):
            context.warn(line if number else f"oncall: {line}")
        return NOT_DONE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells do for a command that Ctrl-C ended
    except BrokenPipeError:
        discard(context.stdout)
        return 128 + signal.SIGPIPE  # quietly, like other commands (`| head`)
    except Exception as error:  # noqa: BLE001 - even a defect ends in a sentence
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            discard(context.stdout)
            context.warn(f"oncall: the answer cannot be written: {error.strerror}")
            return NOT_DONE
        context.warn(
            f"oncall: something unexpected went wrong ({_place_of(error)}): please report it"
        )
        return NOT_DONE
    return status


class _Parser(Parser):
    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse
        """Read the arguments; without any, print the help as the answer. Nothing was decided."""
        if not (sys.argv[1:] if args is None else args):
            self.print_help()
            self.exit(NOT_DONE)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        text = safe(f"oncall: {message}; see `{self.prog} --help`")
        self.exit(NOT_DONE, f"{wrapped(text, columns_of(sys.stderr))}\n")


@cache
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="oncall",
        description="Explain and check automatic approvals.",
        epilog=EPILOG,
        formatter_class=options.HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"oncall {__version__}")
    commands = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")
    for command in (explain, who, preflight, check, report, replay, watch):
        command.add(commands)
    return parser


def _outlived_sandbox(environment: Mapping[str, str]) -> bool:
    """Whether the environment is that of a sandbox (`. .sandbox/env`) that has ended."""
    page = urlsplit(environment.get("SANDBOX_PAGE", ""))
    with suppress(ValueError):  # the port isn't a number
        if page.hostname == "127.0.0.1" and page.port:
            try:
                socket.create_connection((page.hostname, page.port), timeout=1).close()
            except OSError:
                return True
    return False


def _place_of(error: Exception) -> str:
    """Give the place, but not the message, which may contain a secret."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
