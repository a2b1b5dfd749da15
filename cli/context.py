"""What surrounds a command, as a value: tests pass another one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from cli.console import Output, output
from cli.proxies import OperatorClient, connector
from handler.app import SYSTEM_CLOCK
from handler.clock import Clock
from handler.connection import Connect
from handler.http import Client
from policy.terminal import columns_of, safe, wrapped


class Context(NamedTuple):
    """The process's surroundings."""

    environment: Mapping[str, str]
    folder: Path
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    clock: Clock = SYSTEM_CLOCK

    def output(self, options: argparse.Namespace) -> Output:
        """Where the answer goes, in the form that the options ask for."""
        return output(self.stdout, self.environment, as_json=options.json)

    @property
    def connect(self) -> Connect:
        """How hosts are reached: through the environment's proxy, if any."""
        return connector(self.environment)

    def client(self) -> Client:
        """Make a client that asks the providers."""
        return OperatorClient(self.clock, self.environment)

    def warn(self, text: str) -> None:
        """Print a line beside the answer; if nobody can read it, the exit status stays the same."""
        indent = 2 if text.startswith("- ") else 0
        try:
            self.stderr.write(f"{wrapped(safe(text), columns_of(self.stderr), indent)}\n")
            self.stderr.flush()
        except OSError:
            discard(self.stderr)


def discard(stream: TextIO) -> None:
    """Drop what nobody reads: otherwise the interpreter complains when it flushes at its end."""
    if stream in {sys.stdout, sys.stderr}:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def process() -> Context:
    """Take the process as it is, even if its folder is deleted or a stream is closed (`>&-`)."""
    try:
        folder = Path.cwd()
    except OSError:
        folder = Path()
    return Context(
        os.environ,
        folder,
        sys.stdin or Path(os.devnull).open(encoding="utf-8"),
        sys.stdout or Path(os.devnull).open("w", encoding="utf-8"),
        sys.stderr or Path(os.devnull).open("w", encoding="utf-8"),
    )
