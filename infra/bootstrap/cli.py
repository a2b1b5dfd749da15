"""Runs Pulumi's own command. What it is told, and what it says, holds no secret."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PRIVATE = 0o077  # what it writes is for its user alone
LOCKED = "currently locked by"


class CommandError(Exception):
    """A command of Pulumi's did not end well.

    Attributes:
        said: what it printed.
        errors: what it said is wrong.
    """

    def __init__(self, sentence: str, said: str = "", errors: str = "") -> None:
        super().__init__(sentence)
        self.said = said
        self.errors = errors


class InterruptedCommandError(CommandError):
    """Somebody asked this program to end, and it let Pulumi end first."""


class LockedError(CommandError):
    """Something else changes the stack, or was killed while it did."""


class Pulumi:
    """The command, for one stack and with one environment."""

    def __init__(self, stack: str, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self._environment = {**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        self._program = shutil.which("pulumi", path=environment.get("PATH", "")) or ""

    def run(self, *arguments: str, at: str, folder: Path, heard: bool = False) -> str:
        """Run a command to its end, and give what it printed.

        Args:
            arguments: the command, without the stack.
            at: where the state lies.
            folder: that of a `Pulumi.yaml`.
            heard: whether the user sees all of what it says.

        Raises:
            CommandError: it did not end well.
        """
        if not self._program:
            raise CommandError(
                "there is no pulumi on PATH; get it from https://www.pulumi.com/docs/install/"
            )
        command = f"pulumi {' '.join(arguments[:2])}"
        with (
            _interruptions() as interruptions,
            subprocess.Popen(
                [self._program, *arguments, "--stack", self.stack, "--non-interactive"],
                cwd=folder,
                env={**self._environment, "PULUMI_BACKEND_URL": at},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if heard else subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                umask=PRIVATE,
                # Out of the terminal's reach: a second Ctrl-C would end it amid a change.
                process_group=0,
            ) as child,
        ):
            interruptions.hand_on_to(child)
            said, errors = (_hear(child.stdout), "") if heard else child.communicate()
        if interruptions.received:
            raise InterruptedCommandError(f"interrupted at `{command}`, which has ended")
        if child.returncode:
            raise self._error(command, at, said, errors or said, heard=heard)
        return said

    def _error(self, command: str, at: str, said: str, errors: str, *, heard: bool) -> CommandError:
        if LOCKED in errors:
            holder = errors[errors.index(LOCKED) :].strip().splitlines()[-1].strip()
            return LockedError(
                f"the stack is locked at {at}: {holder}; when that does not run any more, run "
                f"`PULUMI_BACKEND_URL='{at}' pulumi cancel --stack {self.stack} --yes`",
                said,
                errors,
            )
        told = "" if heard else f": {errors.strip()}"
        return CommandError(f"`{command}` failed at {at}{told}", said, errors)


def _hear(stream: IO[str] | None) -> str:
    lines = []
    for line in stream or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    return "".join(lines)


class _Interruptions:
    """What asks this program to end meanwhile; Pulumi heeds Ctrl-C with care, so it gets that."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._child: subprocess.Popen[str] | None = None

    def hand_on_to(self, child: subprocess.Popen[str]) -> None:
        """Hand on all that comes, and once what came before."""
        self._child = child
        if self.received:
            child.send_signal(signal.SIGINT)

    def receive(self, number: int, _frame: object) -> None:
        """Note it, and hand it on."""
        self.received.append(number)
        if self._child is not None:
            self._child.send_signal(signal.SIGINT)


@contextmanager
def _interruptions() -> Iterator[_Interruptions]:
    interruptions = _Interruptions()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interruptions.receive) for number in numbers}
    try:
        yield interruptions
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
