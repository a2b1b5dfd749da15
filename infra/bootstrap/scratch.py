"""A project of no consequence: what is tried there touches no file of the user's."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infra.bootstrap.stack_file import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bootstrap.stack_file import StackFile

FOLDER = ".bootstrap"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


class Scratch:
    """The folder, for its user alone.

    Attributes:
        bare: a project without a stack's file, where a stack is made without writing into one.
        project: a project with a copy of the stack's file.
        stack_file: that copy.
        state: where an export lies.
        imported: where the name of something that is to be taken over lies.
        backend: the address of a place for state in here.
    """

    def __init__(self, folder: Path, file: StackFile) -> None:
        self._file = file
        self.bare, self.project, kept = folder / "bare", folder / "project", folder / "state"
        for each in (self.bare, self.project):
            each.mkdir(PRIVATE_FOLDER)
            shutil.copy(file.path.parent / "Pulumi.yaml", each)
        kept.mkdir(PRIVATE_FOLDER)
        self.backend = kept.as_uri()
        self.stack_file = self.project / file.path.name
        self.state, self.imported = folder / "state.json", folder / "import.json"
        if file.content is not None:
            self._write(self.stack_file, file.content)

    def keep(self, path: Path, text: str) -> None:
        """Write one of the two where nobody else can read it."""
        self._write(path, text.encode())

    def settle(self) -> None:
        """Put the copy of the stack's file in the place of the file, at once and whole.

        Raises:
            SetupError: somebody has edited the file meanwhile.
        """
        path = self._file.path
        if path.read_bytes() != self._file.content:
            raise SetupError(f"{path} was edited meanwhile, and is left as it is: run this again")
        self.stack_file.chmod(path.stat().st_mode)
        self.stack_file.replace(path)

    def _write(self, path: Path, content: bytes) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb"
        ) as f:
            f.write(content)


@contextmanager
def scratch(file: StackFile, stack: str) -> Iterator[Scratch]:
    """Give one that is gone at the end, and that nobody else has.

    Raises:
        SetupError: somebody else has.
    """
    folder = file.path.parent / FOLDER
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
    with (folder / f"{stack}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(
                f"another run moves the state of {stack} already: let it end"
            ) from None
        mine = folder / stack
        shutil.rmtree(mine, ignore_errors=True)  # of a run that was cut short
        mine.mkdir(PRIVATE_FOLDER)
        try:
            yield Scratch(mine, file)
        finally:
            shutil.rmtree(mine, ignore_errors=True)
