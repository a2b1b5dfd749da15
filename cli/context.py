"""What a command finds outside itself: it comes in as a value, so that tests can bring another."""

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
from policy.terminal import say


class Context(NamedTuple):
    """The process's surroundings."""

    environment: Mapping[str, str]
    folder: Path
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    clock: Clock = SYSTEM_CLOCK

    def output(self, options: argparse.Namespace) -> Output:
        """Where the answer goes, in the form that was asked for."""
        return output(self.stdout, self.environment, as_json=options.json)

    @property
    def connect(self) -> Connect:
        """How hosts are reached: through the environment's proxy, if any."""
        return connector(self.environment)

    def client(self) -> Client:
        """Make a client that asks the providers."""
        return OperatorClient(self.clock, self.environment)

    def tell(self, text: str) -> None:
        """Say something beside the answer; that nobody can read it changes no exit status."""
        try:
            say(text, self.stderr)
        except OSError:
            discard(self.stderr)


def discard(stream: TextIO) -> None:
    """Forget what nobody takes, or the interpreter would complain when it flushes in the end."""
    if stream in {sys.stdout, sys.stderr}:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def process() -> Context:
    """Take the process as it is, also without a folder (it is deleted) or a stream (`>&-`)."""
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
