"""The `oncall` command: what it can do, and how it ends."""

from __future__ import annotations

import argparse
import errno
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn
from urllib.parse import urlsplit

from cli import check, explain, preflight, replay, report, who
from cli.context import Context, discard, process
from cli.errors import NOT_DONE, CommandError, ReportError
from handler import __version__
from policy.terminal import Parser, safe, show_anything

EPILOG = """settings come from the environment, as the function's do: keys
(INCIDENTIO_API_KEY, ...) and AUTO_APPROVAL_*. --stack NAME takes the plain
ones from Pulumi.NAME.yaml, --policy FILE another policy. Beside a running
sandbox: . .sandbox/env

The Internet is reached through the proxy of HTTPS_PROXY or ALL_PROXY, if any,
but for what NO_PROXY names.

exit status: 0 yes or all well, 1 no, different or a problem, 2 could not be
carried out"""

# What the system says of a full disk, and of a terminal that has gone.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: Sequence[str] | None = None, context: Context | None = None) -> int:
    """Run one command and give its exit status: 0 yes, 1 no, 2 could not be carried out."""
    context = context or process()
    show_anything(context.stdout, context.stderr)
    options = _parser().parse_args(arguments)
    if _outlived_sandbox(context.environment):
        context.tell(
            "oncall: this shell has the variables of a sandbox that has ended: run `sandbox_off`, "
            "or `make up` in another terminal and `. .sandbox/env` here"
        )
    try:
        status: int = options.run(options, context)
        context.stdout.flush()
    except CommandError as error:
        lines = str(error).split("\n") if isinstance(error, ReportError) else [str(error)]
        for number, line in enumerate(lines):
            context.tell(line if number else f"oncall: {line}")
        return NOT_DONE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # what a shell says of a command that Ctrl-C ended
    except BrokenPipeError:
        discard(context.stdout)
        return 128 + signal.SIGPIPE  # quietly, as other commands end (`| head`)
    except Exception as error:  # noqa: BLE001 - a defect of ours ends in a sentence, too
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            discard(context.stdout)
            context.tell(f"oncall: the answer cannot be written: {error.strerror}")
            return NOT_DONE
        context.tell(
            f"oncall: something unexpected went wrong ({_place_of(error)}): please report it"
        )
        return NOT_DONE
    return status


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        self.exit(NOT_DONE, f"oncall: {safe(message)}; run `{self.prog} --help` for how it goes\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="oncall",
        description="Explain, foresee and check automatic approvals.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"oncall {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (explain, who, replay, preflight, report, check):
        command.add(commands)
    return parser


def _outlived_sandbox(environment: Mapping[str, str]) -> bool:
    """Whether the environment is of a sandbox (`. .sandbox/env`) that does not run any more."""
    page = urlsplit(environment.get("SANDBOX_PAGE", ""))
    with suppress(ValueError):  # the port isn't a number
        if page.hostname == "127.0.0.1" and page.port:
            try:
                socket.create_connection((page.hostname, page.port), timeout=1).close()
            except OSError:
                return True
    return False


def _place_of(error: Exception) -> str:
    """Give the place, and not the message, which may hold a secret."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
