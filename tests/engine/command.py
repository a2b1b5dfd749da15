"""A command of the CLI at work; all that it started ends with it, or with the test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

PATIENCE = 240  # seconds until a command that does not end fails its test
SUPERVISOR = Path(__file__).parent / "supervisor.py"


class Result(NamedTuple):
    """How a command ended, and what it printed: in all, and on standard output alone."""

    code: int
    text: str
    out: str


class Command:
    """A command that runs for as long as it takes, or until the context ends."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: str = ""
    ) -> None:
        end, self._pipe = os.pipe()
        # Files, not pipes: what runs beside a test never waits for it to read.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context ends
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - the same
        with tempfile.TemporaryFile() as file:
            file.write(stdin.encode())
            file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SUPERVISOR), str(end), *command],
                cwd=folder,
                env=environment,
                stdin=file,
                stdout=self._out,
                stderr=self._err,
                pass_fds=[end],
                # Ctrl-C in the terminal ends the test, and the test ends this.
                start_new_session=True,
            )
        os.close(end)

    def wait(self) -> Result:
        """Wait until it has ended by itself."""
        self._process.wait(PATIENCE)
        return Result(self._process.returncode, self.output(), _read(self._out))

    def output(self) -> str:
        """Give all that it has printed so far."""
        return _read(self._out) + _read(self._err)

    def kill(self) -> None:
        """Kill it and all that it started, in the middle of whatever they do."""
        if self._pipe:
            os.close(self._pipe)
            self._pipe = 0
        self._process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._out.close()
        self._err.close()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
