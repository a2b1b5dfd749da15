"""`.sandbox/env`: a shell and `send` read it while its sandbox runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox import env_file

AWKWARD = {
    "PLAIN": "http://127.0.0.1:1/",
    "EMPTY": "",
    "SPACES": " two  words ",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME `id` $(id) \\n !",
    "HASH": "a#b;c&d|e>f*",
    "NOT_ASCII": "Zürich ✓",
}


def test_shell_exports_the_values(tmp_path: Path) -> None:
    """A shell that sources the file exports the exact values and executes none."""
    file = tmp_path / "env"
    env_file.write(file, AWKWARD)
    # In the Bourne shell, `.` looks for a name without a slash in PATH.
    script = f". ./env; for name in {' '.join(AWKWARD)}; do printenv $name; done"
    shell = subprocess.run(
        ["/bin/sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shell.stdout.splitlines() == list(AWKWARD.values())
    assert shell.stderr == ""
    assert env_file.read(tmp_path / "env") == AWKWARD


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Its mode is 600, even if a readable or half-written file was there."""
    for name in ("env", "env.new"):
        (tmp_path / name).write_text("export A=b\nexport C", encoding="utf-8")
        (tmp_path / name).chmod(0o644)
    env_file.write(tmp_path / "env", {"NEW": "value"})
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert env_file.read(tmp_path / "env") == {"NEW": "value"}
    assert [file.name for file in tmp_path.iterdir()] == ["env"]


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A failed write leaves the previous file."""
    env_file.write(tmp_path / "env", {"OLD": "value"})
    with pytest.raises(UnicodeEncodeError):
        env_file.write(tmp_path / "env", {"FIRST": "good", "SECOND": "\ud800"})
    assert env_file.read(tmp_path / "env") == {"OLD": "value"}


SHELLS = [shell for shell in ("dash", "bash", "zsh", "ksh", "sh") if shutil.which(shell)]
# A variable each: exported, empty, not exported (OWN), not set (INDENT_API_TOKEN).
BEFORE: Mapping[str, str] = {"AWS_ENDPOINT_URL": "https://company.example", "AWS_REGION": ""}
OWN = "WEBHOOK_URL='mine $HOME'"
SET = ("AWS_ENDPOINT_URL", "AWS_REGION", "WEBHOOK_URL", "INDENT_API_TOKEN")
SEEN = (
    "for name in AWS_ENDPOINT_URL AWS_REGION WEBHOOK_URL INDENT_API_TOKEN; do "
    'eval "printf \'%s \' "\\${$name-unset}""; '
    "if printenv $name >/dev/null; then echo exported; else echo own; fi; done; "
)
AS_BEFORE = "https://company.example exported\n exported\nmine $HOME own\nunset own\n"
AS_SET = "".join(f"sandbox {name} exported\n" for name in SET)


def output_of(shell: str, folder: Path, script: str) -> str:
    """Run the script in a shell with these variables, and return what it prints."""
    process = subprocess.run(
        [shell, "-euc", f"{OWN}; {script}"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **BEFORE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("sourced", [". ./env; ", ". ./env; . ./env; ", ". ./old; . ./env; "])
def test_a_shell_is_set_back(tmp_path: Path, shell: str, sourced: str) -> None:
    """`sandbox_off` restores each variable, and whether it was exported."""
    env_file.write(tmp_path / "env", {name: f"sandbox {name}" for name in SET})
    env_file.write(tmp_path / "old", {name: f"old {name}" for name in SET[1:]})
    assert output_of(shell, tmp_path, SEEN) == AS_BEFORE
    output = output_of(shell, tmp_path, f"{sourced}{SEEN} sandbox_off; {SEEN}")
    assert output == AS_SET + AS_BEFORE


@pytest.mark.parametrize("shell", SHELLS)
def test_aws_tools_take_the_account_of_the_sandbox(tmp_path: Path, shell: str) -> None:
    """The shell's AWS profile and session are unset, and restored later."""
    env_file.write(tmp_path / "env", {})
    names = " ".join(env_file.UNSET)
    seen = f"for name in {names}; do printenv $name || echo unset; done; "
    mine = "".join(f"export {name}='my own'; " for name in env_file.UNSET)
    output = output_of(shell, tmp_path, f"{mine}. ./env; {seen} sandbox_off; {seen}")
    assert output.splitlines() == ["unset"] * 4 + ["my own"] * 4


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_left_of_it(tmp_path: Path, shell: str) -> None:
    """After `sandbox_off` no variable or function is left, and the file can be sourced again."""
    env_file.write(tmp_path / "env", {name: f"sandbox {name}" for name in SET})
    left = "set | grep -i '^sandbox_' || echo nothing; "
    gone = "command -v sandbox_off || echo gone; "
    output = output_of(shell, tmp_path, f". ./env; sandbox_off; {left}{gone}. ./env; {SEEN}")
    assert output == f"nothing\ngone\n{AS_SET}"


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_of_a_sandbox_that_was_killed(tmp_path: Path, shell: str, ended: int) -> None:
    """The file prints an error, sets nothing, and deletes itself with its keys."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    env_file.write(folder / "env", {"WEBHOOK_URL": "x"}, pid=ended)
    process = subprocess.run(
        [shell, "-c", '. ./env && echo sourced; echo "${WEBHOOK_URL-unset}"; set | grep ^sandbox_'],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "unset\n"
    assert process.stderr == "The sandbox of this file has stopped: run `make up` again.\n"
    assert [*folder.iterdir()] == []


def test_send_after_a_sandbox_was_killed(tmp_path: Path, ended: int) -> None:
    """The file of a killed sandbox is ignored and deleted."""
    env_file.write(tmp_path / "env", {"WEBHOOK_URL": "x"}, pid=ended)
    assert env_file.read(tmp_path / "env") == {}
    assert [*tmp_path.iterdir()] == []
