"""A running command of the CLI, which ends with all its children at the latest with the test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

PATIENCE = 240  # seconds until a command that hangs fails its test
SUPERVISOR = Path(__file__).parent / "supervisor.py"


class Result(NamedTuple):
    """How a command ended, and its output: in total, and stdout alone."""

    code: int
    text: str
    out: str


class Command:
    """A command that runs until it ends, or until the context does."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: str = ""
    ) -> None:
        end, self._pipe = os.pipe()
        # Files, not pipes, so the command never waits for the test to read.
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
                # Ctrl-C must reach only the test, which then ends this process.
                start_new_session=True,
            )
        os.close(end)

    def wait(self) -> Result:
        """Wait until it has ended."""
        self._process.wait(PATIENCE)
        return Result(self._process.returncode, self.output(), _read(self._out))

    def output(self) -> str:
        """Return its output so far."""
        return _read(self._out) + _read(self._err)

    def kill(self) -> None:
        """Kill it and all its children."""
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
