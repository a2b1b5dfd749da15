"""Runs Pulumi's command. No argument contains a secret."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from infra.errors import SetupError
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BACKEND = "PULUMI_BACKEND_URL"
# The engine installs and starts the plugins that a state names, from any place that it names. With
# this setting it uses only those of the program, which `pulumi install` has installed.
NO_PLUGINS_OF_A_STATE = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
INTERRUPTED = 130  # the exit status in shells
PRIVATE = 0o077  # only its user can read its files
_LOCKED = "currently locked by"


class InterruptedCommandError(Exception):
    """This program was asked to end, and has let Pulumi end first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of a command. Its output may be a secret.

    Attributes:
        command: its first words, for messages.
        status: its exit status.
        output: its standard output.
        errors: its standard error, whatever its encoding.
    """

    command: str
    status: int
    output: bytes = field(repr=False)
    errors: str = field(repr=False)

    @property
    def text(self) -> str:
        """The output as text.

        Raises:
            SetupError: it isn't text.
        """
        try:
            return self.output.decode()
        except UnicodeDecodeError:
            raise SetupError(f"`{self.command}` printed something that isn't UTF-8") from None


class Pulumi:
    """The command, for the folder of a project and a backend."""

    def __init__(self, folder: Path, backend: str, environment: Mapping[str, str]) -> None:
        """Find the command on PATH.

        Args:
            folder: of the project.
            backend: the URL of the state; if empty, that of the environment.
            environment: of the process.

        Raises:
            SetupError: it isn't installed.
        """
        self._folder = folder
        self._backend = backend or environment.get(BACKEND, "")
        self._program = shutil.which("pulumi", path=environment.get("PATH", "")) or ""
        if not self._program:
            raise SetupError(
                "there is no pulumi on PATH; install it: https://www.pulumi.com/docs/install/"
            )
        self._environment = {
            **environment,
            **({BACKEND: self._backend} if self._backend else {}),
            NO_PLUGINS_OF_A_STATE: "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def run(self, *arguments: str, **variables: str) -> str:
        """Run a command to its end, and return its output.

        Raises:
            SetupError: it failed; the message quotes its output.
            InterruptedCommandError: somebody pressed Ctrl-C; the command has ended as well.
        """
        result = self.result(*arguments, variables=variables)
        if result.status:
            printed = result.errors or result.output.decode(errors="replace")
            raise SetupError(self._problem(result.command, printed))
        return result.text

    def result(
        self,
        *arguments: str,
        errors_in_output: bool = False,
        seconds: float | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> CommandResult:
        """Run a command to its end.

        Args:
            arguments: its words.
            errors_in_output: whether standard error goes where the output goes.
            seconds: the longest time that it may take.
            variables: additional environment variables.

        Raises:
            SetupError: it can't be run, or took too long.
            InterruptedCommandError: somebody pressed Ctrl-C; the command has ended as well.
        """
        command = f"pulumi {' '.join(arguments[:2])}"
        with _interruptions() as interruptions:
            try:
                child = subprocess.Popen(
                    [self._program, *arguments, "--non-interactive", "--color", "never"],
                    cwd=self._folder,
                    env={**self._environment, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT if errors_in_output else subprocess.PIPE,
                    umask=PRIVATE,
                    # In its own process group: a second Ctrl-C would kill it during a change.
                    process_group=0,
                )
            except OSError as error:
                raise SetupError(f"{self._program} can't be run: {error.strerror}") from None
            with child:
                interruptions.hand_on_to(child)
                try:
                    output, errors = child.communicate(timeout=seconds)
                except subprocess.TimeoutExpired:
                    child.kill()
                    raise SetupError(f"`{command}` did not end within {seconds:.0f} s") from None
        if interruptions.received:
            raise InterruptedCommandError(f"interrupted at `{command}`, which has ended")
        return CommandResult(
            command=command,
            status=child.returncode,
            output=output,
            errors=(errors or b"").decode(errors="replace"),
        )

    def _problem(self, command: str, printed: str) -> str:
        lines = [safe(line).strip() for line in printed.splitlines() if line.strip()]
        if _LOCKED in printed:
            settings = {BACKEND: self._backend, NO_PLUGINS_OF_A_STATE: "true"}
            prefix = " ".join(f"{key}={shlex.quote(value)}" for key, value in settings.items())
            return (
                f"the stack is locked at {self._backend}: {lines[-1]}; if nothing else is "
                f"deploying it, run `{prefix} pulumi cancel --yes`"
            )
        return f"`{command}` failed at {self._backend}: {' '.join(lines)}"


class _Interruptions:
    """Receives signals to end, and sends Ctrl-C to Pulumi instead, which ends safely."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def hand_on_to(self, child: subprocess.Popen[bytes]) -> None:
        """Forward all signals from now on, and one for those received before."""
        self._child = child
        if self.received:
            child.send_signal(signal.SIGINT)

    def receive(self, number: int, _frame: object) -> None:
        """Record a signal, and forward it."""
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


def has_passphrase(environment: Mapping[str, str]) -> bool:
    """Whether Pulumi will find a passphrase: it can't ask for one when it runs here."""
    return any(key in environment for key in PASSPHRASES)
