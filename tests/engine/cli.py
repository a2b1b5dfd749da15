"""A command of the CLI at work; all that it started ends with it, or with the test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

PATIENCE = 240  # seconds until a command that does not end fails its test
LEASH = Path(__file__).parent / "leash.py"


@dataclass(frozen=True)
class Said:
    """How a command of the CLI ended, and what it said."""

    code: int
    text: str
    out: str


class Command:
    """A command that runs for as long as it takes, or until the context ends."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], given: str = ""
    ) -> None:
        end, self._leash = os.pipe()
        # Files, not pipes: what runs beside a test never waits for it to read.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context ends
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - the same
        with tempfile.TemporaryFile() as stdin:
            stdin.write(given.encode())
            stdin.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(end), *command],
                cwd=folder,
                env=environment,
                stdin=stdin,
                stdout=self._out,
                stderr=self._err,
                pass_fds=[end],
                # Ctrl-C in the terminal ends the test, and the test ends this.
                start_new_session=True,
            )
        os.close(end)

    def end(self) -> Said:
        """Wait until it has ended by itself."""
        self._process.wait(PATIENCE)
        return Said(self._process.returncode, self.said(), _read(self._out))

    def said(self) -> str:
        """Tell all that it has said so far."""
        return _read(self._out) + _read(self._err)

    def kill(self) -> None:
        """Kill it and all that it started, in the middle of whatever they do."""
        if self._leash:
            os.close(self._leash)
            self._leash = 0
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
