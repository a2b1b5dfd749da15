"""The command, and the CLI that it runs as a child: here a script that plays it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from infra.bootstrap.__main__ import INTERRUPTED, main
from infra.bootstrap.cli import CommandError, InterruptedCommandError, LockedError, Pulumi
from tests.infra.made_up import ROOT

SCRIPT = """#!/bin/sh
echo "$PULUMI_BACKEND_URL $PWD $*" >> "$TOLD"
{acts}
"""
LOCKED = """
echo 'error: the stack is currently locked by 1 lock(s). Either wait or `pulumi cancel`.' >&2
echo '  file:///state/.pulumi/locks/x.json: created by me@here (pid 7) at 2026-11-25T00:00:00Z' >&2
exit 255
"""
# Tells that it is at work, ends on Ctrl-C as Pulumi does: in its own time, and well.
WORKING = """
readlink "/proc/$$/fd/0" >> "$TOLD"
trap 'echo cancelled >> "$TOLD"; exit 0' INT
mkfifo "$TOLD.never"
echo ready > "$TOLD.ready"
while :; do read line <> "$TOLD.never"; done
"""


class Cli:
    """A folder with a `pulumi`, and what it was told."""

    def __init__(self, folder: Path, acts: str) -> None:
        self.folder = folder
        path = folder / "pulumi"
        path.write_text(SCRIPT.format(acts=acts), encoding="utf-8")
        path.chmod(0o755)
        self.environment = {
            "PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "TOLD": str(folder / "told"),
            "PULUMI_CONFIG_PASSPHRASE": "the passphrase of a test",
        }

    def run(self, *arguments: str, heard: bool = False) -> str:
        """Run a command of it."""
        pulumi = Pulumi("dev", self.environment)
        return pulumi.run(*arguments, at="file:///state", folder=self.folder, heard=heard)

    def told(self) -> list[str]:
        """What it was told."""
        return (self.folder / "told").read_text(encoding="utf-8").splitlines()


def test_command_knows_stack_and_place_and_asks_nothing(tmp_path: Path) -> None:
    """What it printed is the answer; what it says beside it is not."""
    cli = Cli(tmp_path, "echo an answer; echo noise >&2; umask > umask; read line || echo nobody")
    assert cli.run("stack", "ls") == "an answer\nnobody\n"
    assert cli.told() == [f"file:///state {tmp_path} stack ls --stack dev --non-interactive"]
    assert (tmp_path / "umask").read_text(encoding="utf-8").strip() == "0077"


def test_command_is_out_of_the_terminals_reach(tmp_path: Path) -> None:
    """It leads a process group of its own: Ctrl-C reaches it once, by us; the second would kill."""
    assert len(set(Cli(tmp_path, 'cut -d" " -f5 /proc/$$/stat; echo $$').run("up").split())) == 1


def test_failure_says_which_command_and_why(tmp_path: Path) -> None:
    """By what the CLI says beside its answer."""
    cli = Cli(tmp_path, "echo half an answer; echo 'error: no such stack' >&2; exit 255")
    with pytest.raises(CommandError) as failed:
        cli.run("stack", "export")
    assert (
        str(failed.value) == "`pulumi stack export` failed at file:///state: error: no such stack"
    )
    assert failed.value.said == "half an answer\n"


def test_what_is_heard_is_heard_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command at work speaks for itself; its failure is not told again."""
    cli = Cli(tmp_path, "echo making; echo 'error: denied' >&2; exit 255")
    with pytest.raises(CommandError) as failed:
        cli.run("up", "--yes", heard=True)
    assert str(failed.value) == "`pulumi up --yes` failed at file:///state"
    assert capsys.readouterr().out == "making\nerror: denied\n"


@pytest.mark.parametrize("heard", [True, False])
def test_lock_names_its_holder_and_the_remedy(tmp_path: Path, heard: bool) -> None:  # noqa: FBT001
    """It may be of somebody at work, so a person has to say that it is not."""
    with pytest.raises(LockedError) as locked:
        Cli(tmp_path, LOCKED).run("up", heard=heard)
    assert "created by me@here (pid 7)" in str(locked.value)
    assert "`PULUMI_BACKEND_URL='file:///state' pulumi cancel --stack dev --yes`" in str(
        locked.value
    )


def test_no_cli_is_said(tmp_path: Path) -> None:
    """With where to get it."""
    with pytest.raises(CommandError, match="no pulumi on PATH; get it from https://"):
        Pulumi("dev", {"PATH": str(tmp_path)}).run("version", at="", folder=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_is_handed_on_and_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    """Pulumi ends its change in order; only then does this end."""
    os.mkfifo(tmp_path / "told.ready")
    cli = Cli(tmp_path, WORKING)

    def interrupt() -> None:
        with (tmp_path / "told.ready").open(encoding="utf-8") as ready:
            ready.read()
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedCommandError, match="interrupted at `pulumi up --yes`"):
        cli.run("up", "--yes")
    thread.join()
    assert cli.told()[-1] == "cancelled"
    assert signal.getsignal(number) is before


def _main(folder: Path, *arguments: str, **environment: str) -> int:
    (folder / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    return main(arguments, environment, folder)


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["../x"], {}, "STACK is '../x'"),
        (["dev"], {}, "PULUMI_CONFIG_PASSPHRASE is not set"),
        (["dev"], {"PULUMI_BACKEND_URL": "gs://x"}, "PULUMI_BACKEND_URL is 'gs://x'"),
        (["--back", "dev"], {}, "PULUMI_CONFIG_PASSPHRASE is not set"),
    ],
)
def test_what_is_missing_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    sentence: str,
) -> None:
    """Before anything is run."""
    assert _main(tmp_path, *arguments, **environment) == 1
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert not list(tmp_path.glob(".bootstrap"))


@pytest.mark.parametrize(("options", "target"), [([], "bootstrap"), (["--back"], "unbootstrap")])
def test_failure_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], target: str
) -> None:
    """The command again; and no passphrase is in it."""
    cli = Cli(tmp_path, "echo 'error: connection refused' >&2; exit 255")
    place = {"PULUMI_BACKEND_URL": "s3://b?region=r"}
    assert _main(tmp_path, *options, "dev", **cli.environment, **place) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: dev: `pulumi stack ls` failed at ")
    assert f"Nothing is lost: `make {target} STACK=dev` goes on from there.\n" in said
    assert "the passphrase of a test" not in said


@pytest.mark.parametrize("answer", ["no JSON", '{"a": 1}', "[{}]", '[{"name": "dev"}]'])
def test_odd_answer_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """An answer that cannot be read, or of which nothing is known, is not guessed at."""
    cli = Cli(tmp_path, f"echo '{answer}'")
    assert _main(tmp_path, "dev", **cli.environment, PULUMI_BACKEND_URL="file:///state") == 1
    assert "` answers at file:///state in a way that is not known here" in capsys.readouterr().err


def test_refused_config_is_said_in_the_programs_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence out of the preview's JSON, with where the state lies for its remedy."""
    acts = """
case "$1 $2" in
  "stack ls") [ -e made ] && echo '[{"name": "dev"}]' || echo '[]' ;;
  "stack init") touch "$HERE/made" ;;
  "stack export") echo '{"deployment": null}' ;;
  *) echo '{"diagnostics": [{"severity": "error", "message": "error: A is not set; run `b`\\\\n"}]}'
     exit 255 ;;
esac
"""
    cli = Cli(tmp_path, acts.replace("-e made", '-e "$HERE/made"'))
    environment = {**cli.environment, "HERE": str(tmp_path), "PULUMI_BACKEND_URL": "file:///state"}
    assert _main(tmp_path, "dev", **environment) == 1
    said, errors = capsys.readouterr()
    assert said.startswith("dev: makes an empty stack at file:///state ...\ndev: previews ")
    assert errors.startswith(
        "error: dev: it is not as it has to be (its state lies at file:///state)"
    )
    assert "A is not set; run `b`" in errors


@pytest.mark.parametrize("working", [True, False])
def test_interrupted_it_says_so(tmp_path: Path, working: bool) -> None:  # noqa: FBT001
    """Ctrl-C in a terminal reaches this alone; the status is what shells know it by."""
    os.mkfifo(tmp_path / "told.ready")
    cli = Cli(tmp_path, WORKING if working else 'echo ready > "$TOLD.ready"; kill -INT $PPID')
    (tmp_path / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    with subprocess.Popen(
        [sys.executable, "-m", "infra.bootstrap", "dev"],
        cwd=tmp_path,
        env={**cli.environment, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with (tmp_path / "told.ready").open(encoding="utf-8") as ready:
            ready.read()
        if working:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert cli.told()[1:] == (["/dev/null", "cancelled"] if working else [])
    assert process.returncode == INTERRUPTED
    assert errors == (
        "error: dev: interrupted at `pulumi stack ls`, which has ended; "
        "`make bootstrap STACK=dev` goes on from there\n"
    )
    assert not (tmp_path / ".bootstrap" / "dev").exists()
