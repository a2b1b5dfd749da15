"""The command as a process: its exit status, its streams, and its help."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cli.context import Context
from cli.main import main
from handler import __version__
from handler.durations import format_instant
from sandbox.local_aws.program import ROOT
from sandbox.vendors.incidentio import IncidentIO
from tests.auditlog.records import log_records, request_by
from tests.cli.conftest import API_KEY, DATABASE, JANE, NOW, RITA, Command

PATIENCE = 60.0  # seconds until a command that hangs fails its test
EXPLAIN = ("explain", "--resource", DATABASE, "--as")
AT = format_instant(NOW)
COMMANDS = ("explain", "who", "replay", "preflight", "report", "check")


class Child:
    """`python -m cli ...` in an empty folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "INCIDENTIO_BASE_URL": url,
            "INCIDENTIO_API_KEY": API_KEY,
            "AUTO_APPROVAL_DURATION": "6",
        }
        self.command: tuple[str | Path, ...] = (sys.executable, "-P", "-m", "cli")

    def run(
        self, *arguments: str, stdin: str = "", stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, and assert that it prints neither a key nor a stack trace."""
        ended = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        for output in (ended.stdout or "", ended.stderr):
            assert API_KEY not in output
            assert "Traceback" not in output
        return ended


@pytest.fixture
def child(tmp_path: Path, double: IncidentIO) -> Child:
    """The command as a process, with a provider that answers."""
    return Child(tmp_path, double.url)


def test_exit_statuses(child: Child) -> None:
    """The status is 0 for yes, 1 for no and 2 for an error; answers go to stdout."""
    yes = child.run(*EXPLAIN, JANE, "--at", AT)
    assert (yes.returncode, yes.stderr) == (0, "")
    lines = yes.stdout.splitlines()
    assert lines[0] == f"approved: {JANE} gets {DATABASE} for 6 hours, until 18:00 UTC"
    assert "├─ ✓ default rule: approves until 18:00 UTC" in lines
    assert "│  └─ ✓ Incident Lead of INC-1 (incident.io): counts" in lines
    no = child.run(*EXPLAIN, RITA, "--at", AT, "--json")
    assert (no.returncode, no.stderr) == (1, "")
    assert json.loads(no.stdout)["approved"] is False
    del child.environment["INCIDENTIO_API_KEY"]
    not_done = child.run(*EXPLAIN, JANE)
    assert (not_done.returncode, not_done.stdout) == (2, "")
    assert not_done.stderr.startswith("oncall: INCIDENTIO_API_KEY or PAGERDUTY_KEY or")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_and_statuses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help has examples, and the meaning of its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    assert "examples:\n" in output
    assert f"oncall {command} " in output or f"oncall {command}\n" in output
    assert "exit status: 0 " in output
    assert "--json" in output


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of the help is longer than 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 80


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, the help goes to stdout, and the status is 2."""
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    for word in ("usage: oncall ", *COMMANDS, "AUTO_APPROVAL_", "exit status: 0 "):
        assert word in captured.out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the function's."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"oncall {__version__}\n")


@pytest.mark.parametrize("arguments", [["approve"], ["who"], ["who", DATABASE, "--jsn"]])
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong and where to find help; the status is 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("oncall: ")
    assert re.search(r"; see `oncall( who)? --help`$", line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "--stack", ""], "argument --stack: '' isn't a valid stack name"),
        (["check", "--stack", ""], "argument --stack: '' isn't a valid stack name"),
        (["who", DATABASE, "--stack", "../x"], "--stack: '../x' isn't a valid stack name"),
        (["preflight", "--stack", "a/b"], "argument --stack: 'a/b' isn't a valid stack name"),
        (["who", DATABASE, "--policy", ""], "argument --policy: '' isn't the name of a file"),
        (["replay", ""], "argument FILE: '' isn't the name of a file"),
        (["report", ""], "argument FILE: '' isn't the name of a file"),
        (["who", "a:\udcff"], "argument KIND:ID: 'a:\\udcff' isn't text in UTF-8"),
        ([*EXPLAIN, "\udcff@b.example"], "argument --as: '\\udcff@b.example' isn't text in UTF-8"),
        (["who", DATABASE, "--label", "a=\udcff"], "--label: 'a=\\udcff' isn't text in UTF-8"),
    ],
)
def test_invalid_values(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty or invalid value is an error, not an option that isn't given."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_errors_fit_the_terminal(oncall: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors wrap between words in a terminal, but not in a pipe."""
    monkeypatch.setenv("COLUMNS", "40")
    oncall.environment |= {"AUTO_APPROVAL_DURATION": "ever", "AUTO_APPROVAL_DRY_RUN": "no"}
    assert len(oncall("who", DATABASE).err.splitlines()) == 3
    terminal = _Terminal()
    context = Context(oncall.environment, oncall.folder, io.StringIO(), terminal, terminal)
    assert main(["who", DATABASE], context) == 2
    lines = terminal.getvalue().splitlines()
    assert lines[0] == "oncall: the environment has 2 problems:"
    assert len(lines) > 3
    assert all(line.startswith(("- ", "  ")) for line in lines[1:])
    assert all(len(line) <= 40 or "`" in line for line in lines)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit):
        main(["exlain"])
    assert max(map(len, terminal.getvalue().splitlines())) <= 40


def test_an_empty_log_group(oncall: Command) -> None:
    """An empty name of a log group is an error."""
    answer = oncall("report", "--log-group", "")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("oncall: --log-group is '': it isn't a valid name")


def test_a_stream_without_unicode(child: Child, double: IncidentIO) -> None:
    """Characters that the stream can't encode are printed as escapes."""
    double.add_schedule("Zürich ✅")
    double.put_on_shift("Zürich ✅", RITA, NOW, NOW + timedelta(hours=1))
    child.environment["PYTHONIOENCODING"] = "ascii"
    answer = child.run(*EXPLAIN, RITA, "--at", AT)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "on call for Z\\xfcrich \\u2705 (incident.io)" in answer.stdout


def test_a_closed_pipe(child: Child) -> None:
    """If the reader closes the pipe (`| head`), the command ends silently, as others do."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = child.run(*EXPLAIN, JANE, "--at", AT, stdout=writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_disk(child: Child) -> None:
    """A failed write is reported, and the status is 2."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = child.run(*EXPLAIN, JANE, "--at", AT, stdout=full)
    finally:
        os.close(full)
    message = "oncall: the answer cannot be written: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (2, message)


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ('exec "$@" report - >&-', 0, ""),
        ('exec "$@" report - <&-', 2, "oncall: stdin has no line of the function's log; "),
        ('"$@" report nosuch 2>&-; exit $?', 2, ""),
        ('"$@" report nosuch 2>/dev/full; exit $?', 2, ""),
        ('rmdir "$PWD"; exec "$@" report nosuch', 2, "oncall: nosuch cannot be read: "),
    ],
)
def test_missing_streams_and_folders(
    child: Child, tmp_path: Path, script: str, status: int, message: str
) -> None:
    """Without a stream or a working folder, the status is right and nothing crashes."""
    child.folder = tmp_path / "gone"
    child.folder.mkdir()
    child.command = ("/bin/sh", "-c", script, "sh", *child.command)
    ended = child.run(stdin=json.dumps(log_records(request_by())[0]))
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(message)
    assert "unexpected" not in ended.stderr


def test_ctrl_c(oncall: Command) -> None:
    """Ctrl-C ends the command silently, with a shell's status for SIGINT."""

    def interrupted() -> datetime:
        raise KeyboardInterrupt

    oncall.clock = oncall.clock._replace(now=interrupted)
    assert oncall(*EXPLAIN, JANE) == (128 + signal.SIGINT, "", "")


def test_an_unexpected_error(oncall: Command) -> None:
    """A bug prints its type and place, but not its message, which may contain a secret."""

    def broken() -> datetime:
        raise ValueError(API_KEY)

    oncall.clock = oncall.clock._replace(now=broken)
    answer = oncall(*EXPLAIN, JANE)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("oncall: something unexpected went wrong (ValueError at ")
    assert answer.err.endswith("please report it\n")


@pytest.mark.parametrize("page", ["", "https://pages.example", "http://127.0.0.1:x/", "nonsense"])
def test_shells_without_a_sandbox(oncall: Command, page: str) -> None:
    """Without a sandbox's SANDBOX_PAGE, no warning is printed."""
    oncall.environment["SANDBOX_PAGE"] = page
    assert oncall(*EXPLAIN, JANE).err == ""


def test_a_sandbox_that_has_stopped(oncall: Command) -> None:
    """A warning says if the shell's variables are those of a stopped sandbox."""
    with socket.create_server(("127.0.0.1", 0)) as page:
        oncall.environment["SANDBOX_PAGE"] = f"http://127.0.0.1:{page.getsockname()[1]}"
        assert oncall(*EXPLAIN, JANE).err == ""
    answer = oncall(*EXPLAIN, JANE)
    assert answer.status == 0
    assert answer.err == (
        "oncall: this shell has the variables of a sandbox that has ended: run `sandbox_off`, or "
        "`make up` in another terminal and `. .sandbox/env` here\n"
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The command as the Makefile installs it, in the test's folder."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    subprocess.run(
        ["make", "-s", "-o", ".venv/run.stamp", f"BIN={bin_}", f"{bin_}/oncall"],  # noqa: S607 - the one on the path
        cwd=ROOT,
        check=True,
        timeout=PATIENCE,
    )
    return bin_ / "oncall"


def test_the_installed_command(child: Child, installed: Path) -> None:
    """The command runs in any folder, and imports no module from there."""
    for room in ("handler", "cli", "policy", "json"):
        (child.folder / f"{room}.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    child.command = (installed,)
    del child.environment["PYTHONPATH"]
    answer = child.run(*EXPLAIN, JANE, "--at", AT, "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)["duration"] == "6h0m0s"
    assert child.run("--help").stdout.startswith("usage: oncall ")
