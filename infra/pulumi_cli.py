"""The one way to run Pulumi's own command. No argument of it holds a secret."""

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
# The engine installs and starts the plugins that a state names, from wherever the state says. With
# this it takes those that `pulumi install` put there, which are the program's own.
NO_PLUGINS_OF_A_STATE = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
INTERRUPTED = 130  # the exit status, as a shell has it
PRIVATE = 0o077  # what it writes is for its user alone
_LOCKED = "currently locked by"


class InterruptedCommandError(Exception):
    """Somebody asked this program to end, and it let Pulumi end first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended. What it printed may be a secret.

    Attributes:
        command: its first words, for a sentence.
        status: its exit status.
        output: what it printed.
        errors: what it printed to standard error, whatever its encoding.
    """

    command: str
    status: int
    output: bytes = field(repr=False)
    errors: str = field(repr=False)

    @property
    def text(self) -> str:
        """Give what it printed.

        Raises:
            SetupError: it isn't text.
        """
        try:
            return self.output.decode()
        except UnicodeDecodeError:
            raise SetupError(f"`{self.command}` printed something that isn't UTF-8") from None


class Pulumi:
    """The command, in a project's folder, with its state at one place."""

    def __init__(self, folder: Path, backend: str, environment: Mapping[str, str]) -> None:
        """Find it on PATH.

        Args:
            folder: the project's.
            backend: the state's address; if empty, the environment's.
            environment: the process's.

        Raises:
            SetupError: it isn't there.
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
        """Run a command to its end, and give what it printed.

        Raises:
            SetupError: it failed; the sentence quotes what it printed.
            InterruptedCommandError: somebody pressed Ctrl-C meanwhile; it has ended, too.
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
            seconds: how long it may take.
            variables: of the environment, beside the process's.

        Raises:
            SetupError: it can't be run, or took too long.
            InterruptedCommandError: somebody pressed Ctrl-C meanwhile; it has ended, too.
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
                    # Out of the terminal's reach: a second Ctrl-C would end it amid a change.
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
                f"the stack is locked at {self._backend}: {lines[-1]}; once nothing else deploys "
                f"it, run `{prefix} pulumi cancel --yes`"
            )
        return f"`{command}` failed at {self._backend}: {' '.join(lines)}"


class _Interruptions:
    """What asks this program to end meanwhile; Pulumi heeds Ctrl-C with care, so it gets that."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def hand_on_to(self, child: subprocess.Popen[bytes]) -> None:
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


def has_passphrase(environment: Mapping[str, str]) -> bool:
    """Tell whether Pulumi will find one: it can't ask for it when others run it."""
    return any(key in environment for key in PASSPHRASES)
