"""Pulumi's command as a child: private, told of Ctrl-C once, and without plugins of a state."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from infra.errors import SetupError
from infra.pulumi_cli import InterruptedCommandError, Pulumi

CLI = f"""#!{sys.executable}
import os, pathlib, signal, sys
here = pathlib.Path(sys.argv[0]).parent
(here / "written").write_text(os.environ["PULUMI_BACKEND_URL"])
(here / "group").write_text(str(os.getpgid(0) == os.getpid()))
if sys.argv[1] == "wait":
    def end(number, frame):
        (here / "heeded").write_text("yes")
        sys.exit(0)
    signal.signal(signal.SIGINT, end)
    with open(here / "ready", "w") as ready:
        ready.write("ready")
    signal.pause()
if sys.argv[1] == "fail":
    sys.exit("error: no\\n\\x1b[31m such thing")
print(os.environ["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"])
"""


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    """The wrapper of a fake command."""
    cli = tmp_path / "pulumi"
    cli.write_text(CLI, encoding="utf-8")
    cli.chmod(0o755)
    os.mkfifo(tmp_path / "ready")
    return Pulumi(tmp_path, "s3://state", {**os.environ, "PATH": str(tmp_path)})


def test_it_fetches_no_plugin_of_a_state(pulumi: Pulumi) -> None:
    """Whatever the environment says."""
    assert pulumi.run("stack", "ls") == "true\n"


def test_what_it_writes_is_private(pulumi: Pulumi, tmp_path: Path) -> None:
    """For its user alone; and it has the backend that was given."""
    pulumi.run("stack", "ls")
    assert (tmp_path / "written").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "written").read_text(encoding="utf-8") == "s3://state"


def test_interruption_is_handed_on_and_waited_for(pulumi: Pulumi, tmp_path: Path) -> None:
    """It gets one Ctrl-C from us and none from the terminal, and ends by itself."""

    def interrupt() -> None:
        (tmp_path / "ready").read_text(encoding="utf-8")
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedCommandError, match="interrupted at `pulumi wait`"):
        pulumi.run("wait")
    thread.join()
    assert (tmp_path / "heeded").exists()
    assert (tmp_path / "group").read_text(encoding="utf-8") == "True"
    assert signal.getsignal(signal.SIGINT) is before


def test_failure_is_one_line_without_escapes(pulumi: Pulumi) -> None:
    """With the place where it looked."""
    with pytest.raises(SetupError) as failed:
        pulumi.run("fail")
    assert str(failed.value) == (
        "`pulumi fail` failed at s3://state: error: no \\x1b[31m such thing"
    )


def test_what_it_prints_may_be_refused(tmp_path: Path) -> None:
    """It isn't text, takes too long, or can't be run at all: each is a sentence."""
    cli = tmp_path / "pulumi"
    cli.write_text("#!/bin/sh\ntest $1 = sleep && exec sleep 60\nprintf '\\377'\n", "utf-8")
    cli.chmod(0o755)
    pulumi = Pulumi(tmp_path, "", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(SetupError, match=r"^`pulumi odd` printed something that isn't UTF-8$"):
        pulumi.run("odd")
    with pytest.raises(SetupError, match=r"^`pulumi sleep` did not end within 0 s$"):
        pulumi.result("sleep", seconds=0.01)
    cli.write_text("#!/nowhere\n", "utf-8")
    with pytest.raises(SetupError, match=r"/pulumi can't be run: No such file or directory$"):
        pulumi.run("odd")
