"""`.sandbox/env`: what is written is what a shell, and `send`, read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox import environment

AWKWARD = {
    "PLAIN": "http://127.0.0.1:1/",
    "EMPTY": "",
    "SPACES": " two  words ",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME `id` $(id) \\n !",
    "HASH": "a#b;c&d|e>f*",
    "NOT_ASCII": "Zürich ✓",
}


def test_read_gives_what_was_written(tmp_path: Path) -> None:
    """The folder is made, and any value comes back as it was."""
    file = tmp_path / environment.FILE
    environment.write(file, AWKWARD)
    assert environment.read(file) == AWKWARD


def test_shell_gives_what_was_written(tmp_path: Path) -> None:
    """A POSIX shell that sources the file passes the values on, and runs none of them."""
    file = tmp_path / "env"
    environment.write(file, AWKWARD)
    # In the Bourne shell, `.` looks for a name without a slash in PATH.
    script = f". ./env; for name in {' '.join(AWKWARD)}; do printenv $name; done"
    told = subprocess.run(
        ["/bin/sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == list(AWKWARD.values())
    assert told.stderr == ""


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    """No sandbox is no error."""
    assert environment.read(tmp_path / "env") == {}


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Mode 600, also where a file that everybody could read lay there before, or half of one."""
    for name in ("env", "env.new"):
        (tmp_path / name).write_text("export A=b\nexport C", encoding="utf-8")
        (tmp_path / name).chmod(0o644)
    environment.write(tmp_path / "env", {"NEW": "value"})
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert environment.read(tmp_path / "env") == {"NEW": "value"}
    assert [each.name for each in tmp_path.iterdir()] == ["env"]


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write that fails in the middle leaves the file of before."""
    environment.write(tmp_path / "env", {"OLD": "value"})
    with pytest.raises(UnicodeEncodeError):
        environment.write(tmp_path / "env", {"FIRST": "good", "SECOND": "\ud800"})
    assert environment.read(tmp_path / "env") == {"OLD": "value"}
