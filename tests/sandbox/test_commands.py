"""The commands, as processes of their own: what they print, their exit status, what they leave."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import pytest

import sandbox.__main__ as commands
from sandbox import environment
from sandbox.demo_script import SCRIPT
from sandbox.local_aws.program import ROOT
from sandbox.local_aws.resources import RESOURCES
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.scripted import Scripted, reply
from tests.processes import children_of
from tests.projects import broken_home_in, project_in, project_with_code_in
from tests.sandbox.page_client import PageClient

PATIENCE = 60.0  # seconds until a command that does not end fails its test
LAST_LINE = "Ctrl-C stops all of it.\n"
LIVE_KEY = "inc-real-key-0123456789"
JANE_ASKS = ("--as", "jane@example.com", "--resource", "prod-db")


class Command:
    """`python -m sandbox ...` in a folder that holds a copy of the code."""

    def __init__(self, root: Path, *arguments: str, **variables: str) -> None:
        self.root = root
        self.temporary = root / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - close() closes it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=root,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.temporary), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.output = cast("IO[str]", self.process.stdout)
        # Reading its output waits for good: a command that hangs is ended.
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()

    def read_to(self, last: str) -> str:
        """Read its output up to and with this line."""
        lines = []
        for line in self.output:
            lines.append(line)
            if line == last:
                return "".join(lines)
        pytest.fail(f"it ended: {lines} {self.errors}")

    def rest(self) -> str:
        """Read its output to the end, which is the process's."""
        text = self.output.read()
        self.process.wait(PATIENCE)
        return text

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def close(self) -> None:
        """End it, if it has not ended by itself."""
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.output.close()
        self._errors.close()


REGION = "eu-central-1"
SWITCHES = {"ALARM_EMAIL": "oncall@example.com", "KMS_KEY_ALIAS": "oncall-state"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a copy of the code; its stack makes all that there is."""
    return project_with_code_in(tmp_path, region=REGION, **SWITCHES)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed at the end of a test."""
    with ExitStack() as closing:
        yield closing


def run(stack: ExitStack, root: Path, *arguments: str, **variables: str) -> Command:
    """Start a command."""
    command = Command(root, *arguments, **variables)
    stack.callback(command.close)
    return command


def assert_nothing_left(command: Command, children: set[int]) -> None:
    """Neither processes nor temporary files, nor the file with the secrets."""
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(command.temporary.iterdir()) == []
    assert not (command.root / environment.FILE).exists()


def test_up_runs_all_until_it_is_interrupted(root: Path, stack: ExitStack) -> None:
    """It says what there is and where, others use it by `.sandbox/env`, and Ctrl-C ends all.

    Nor do broken files of AWS in somebody's home keep it from deploying, to the stack's region.
    """
    roles = "lead, Comander"
    project_in(root, region=REGION, **SWITCHES, AUTO_APPROVAL_INCIDENTIO_ROLES=roles)
    up = run(stack, root, "up", HOME=str(broken_home_in(root)))
    told = up.read_to(LAST_LINE)
    assert '  note: the settings: role "Comander" is not to be found at incident.io' in told
    assert (
        "  note: AUTO_APPROVAL_INCIDENTIO_ROLES is set and AUTO_APPROVAL_SCHEDULES is not" in told
    )
    variables = environment.read(root / environment.FILE)
    assert (root / environment.FILE).stat().st_mode & 0o777 == 0o600
    assert variables["AWS_REGION"] == REGION
    for type_ in RESOURCES.keys() - {"aws:iam/policy:Policy"}:  # of a stack that CI deploys
        assert f"  + {type_.rpartition(':')[2]}" in told
    for name in ("WEBHOOK_URL", "INCIDENTIO_BASE_URL", "AWS_ENDPOINT_URL", "INDENT_API_URL"):
        assert variables[name].startswith("http://127.0.0.1:")
        assert f" {variables[name]}" in told
    for name in (".sandbox/env", ".sandbox/function.log"):
        assert f" {root / name}" in told
    page = variables["SANDBOX_PAGE"]
    assert f"\n  Open  {page}\n        in a browser" in told
    assert "Jane Lind: Incident Lead, INC-1" in PageClient(page).get().words

    sent = run(stack, root, "send", *JANE_ASKS, "--duration", "45m")
    (claim,) = json.loads(sent.rest())["claims"]
    assert sent.process.returncode == 0
    assert claim["resources"][1]["id"] == "prod-db"
    assert (
        sent.errors == "approved for 45 minutes: Approved: Incident Lead of INC-1 (incident.io)\n"
    )
    assert "✅ Granted\nThe password of user 123 is reset.\n" in from_code(root)

    children = children_of(up.process.pid)
    assert children
    up.process.send_signal(signal.SIGINT)
    told += up.rest()
    with pytest.raises(ConnectionRefusedError):
        PageClient(page)
    assert told.endswith("\nStopping ...\n")
    assert (up.process.returncode, up.errors) == (0, "")
    assert_nothing_left(up, children)
    log = (root / ".sandbox" / "function.log").read_text(encoding="utf-8")
    assert '"message": "decision"' in log
    tokens = ("INDENT_API_TOKEN", "INDENT_ADMIN_TOKEN")
    for name in ("INDENT_WEBHOOK_SECRET", "INCIDENTIO_API_KEY", *tokens):
        assert variables[name] not in told + sent.errors + log

    sent = run(stack, root, "send", *JANE_ASKS)
    assert (sent.rest(), sent.process.returncode) == ("", 2)
    assert sent.errors.startswith("error: no sandbox is running here; run `make up`")


def from_code(root: Path) -> str:
    """Run the example in a shell that has read `.sandbox/env`, and give what it prints."""
    sources = [str(root / "sdk" / name / "src") for name in ("indentapi", "approvals")]
    return subprocess.run(
        ["/bin/sh", "-c", '. .sandbox/env; exec "$0" "$@"', sys.executable, SCRIPT],
        cwd=root,
        env={"PYTHONPATH": os.pathsep.join(sources), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    ).stdout


# From here on in process.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which the commands take for their own."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    monkeypatch.delenv("INCIDENTIO_API_KEY", raising=False)
    return tmp_path


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of signals are as before, afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def secret_in(folder: Path, content: bytes = b"wks0-secret-of-the-file\n") -> str:
    """Write a secret's file."""
    (folder / "secret").write_bytes(content)
    return str(folder / "secret")


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("replaced", [False, True])
def test_up_ends_with_its_terminal(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    replaced: bool,
) -> None:
    """A hang-up ends it as well; it takes its own file away, not that of one started later.

    What `pulumi preview` would warn of, here a setting without effect, is told as a note.
    """
    project_in(here, INCIDENTIO_APPROVE_PARTICIPANTS="true", AUTO_APPROVAL_SCHEDULES="DBA")
    file, describe = here / environment.FILE, commands._describe
    later = {"WEBHOOK_URL": "http://127.0.0.1:1/"}

    def describe_and_hang_up(*arguments: object) -> None:
        describe(*arguments)  # type: ignore[arg-type] # passed on as they came
        if replaced:
            environment.write(file, later)
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL  # that would end pytest
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(commands, "_describe", describe_and_hang_up)
    assert commands.main(["up"]) == 0
    told = capsys.readouterr().out
    assert "  note: INCIDENTIO_APPROVE_PARTICIPANTS has no effect" in told
    assert told.endswith("Stopping ...\n")
    assert environment.read(file) == (later if replaced else {})


@pytest.mark.usefixtures("handlers")
def test_live_up_asks_the_real_provider(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a key of one's own the provider of the config is asked; SIGTERM ends it, too.

    One on the Internet is asked through the machine's proxy; this machine itself never is.
    """
    file, describe, pages = here / environment.FILE, commands._describe, []

    def describe_send_and_end(*arguments: object) -> None:
        describe(*arguments)  # type: ignore[arg-type] # passed on as they came
        pages.append(PageClient(environment.read(file)["SANDBOX_PAGE"]).get().words)
        assert commands.main(["send", *JANE_ASKS]) == 0
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL  # that would end pytest
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(commands, "_describe", describe_send_and_end)
    monkeypatch.setenv("INCIDENTIO_API_KEY", LIVE_KEY)
    monkeypatch.setenv("PAGERDUTY_KEY", LIVE_KEY)
    monkeypatch.setenv("PAGERDUTY_BASE_URL", "https://api.pagerduty.test")
    (here / "cli").symlink_to(ROOT / "cli")  # what goes through a proxy is in there
    with IncidentIO(LIVE_KEY) as vendor, Scripted(reply(status=403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        vendor.add_person("Jane", "jane@example.com")
        vendor.add_schedule("DBA")
        vendor.put_on_shift("DBA", "jane@example.com")
        project_in(here, INCIDENTIO_BASE_URL=vendor.url)
        assert commands.main(["up", "--live"]) == 0
    told = capsys.readouterr()
    assert f"{vendor.url} (the real one)" in told.out
    assert "are asked (LIVE=1)" in pages[0]
    assert {each.target for each in proxy.asked} == {"api.pagerduty.test:443"}
    assert "on call for DBA" in told.err
    assert LIVE_KEY not in told.out + told.err
    assert not file.exists()


def test_interrupted_command_ends_quietly(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is no error with a traceback: the status is the one that shells know."""

    def interrupted(*_: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "send", interrupted)
    environment.write(here / environment.FILE, RUNNING)
    assert commands.main(["send", *JANE_ASKS]) == 130
    assert capsys.readouterr() == ("", "")


class TestRefusals:
    """What cannot be carried out is exit status 2 and one line that says what to do."""

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (
                ["up", "--live"],
                "is not set; run `export INCIDENTIO_API_KEY=...`",
            ),
            (
                ["up", "--stack", "none"],
                "there is no Pulumi.none.yaml (there is dev); for a new stack, write one",
            ),
            (["send", *JANE_ASKS], "no sandbox is running here; run `make up`"),
            (["send", *JANE_ASKS, "--label", "Prod"], "--label is 'Prod': it reads NAME=VALUE"),
            (["send", *JANE_ASKS, "--url", "http://127.0.0.1:1/"], "--url and --secret-file go"),
            (["send", *JANE_ASKS, "--secret-file", "secret"], "--url and --secret-file go"),
        ],
    )
    @pytest.mark.usefixtures("handlers")
    def test_arguments(
        self, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
    ) -> None:
        """Of options that lack something, or another."""
        if "--label" in arguments:
            environment.write(here / environment.FILE, RUNNING)
        assert_refused(capsys, arguments, said)

    @pytest.mark.usefixtures("handlers")
    def test_second_sandbox(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Two would share a file of addresses: the one that answers keeps it."""
        with socket.create_server(("127.0.0.1", 0)) as running:
            url = f"http://127.0.0.1:{running.getsockname()[1]}/"
            environment.write(here / environment.FILE, {**RUNNING, "WEBHOOK_URL": url})
            assert_refused(capsys, ["up"], f"a sandbox is running here already, at {url}")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--as", "jane", "--resource", "x"], "'jane' is no e-mail address"),
            (
                [*JANE_ASKS, "--duration", "long"],
                "'long' isn't a duration: use for example 90m or 1h30m",
            ),
        ],
    )
    def test_values(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
    ) -> None:
        """What the webhook would silently ignore is refused here."""
        with pytest.raises(SystemExit) as ended:
            commands.main(["send", *arguments])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err

    @pytest.mark.usefixtures("handlers")
    @pytest.mark.parametrize("region", ["", "us west 2"])
    def test_all_that_is_wrong_is_told_at_once(
        self, here: Path, capsys: pytest.CaptureFixture[str], region: str
    ) -> None:
        """A line for each, the region's too, of a stack that is not the selected one."""
        (here / "Pulumi.prod.yaml").write_text(
            f"config:\n  aws:region: {region}\n  oncall-approvals:MEMORY_MB: 1\n"
            "  oncall-approvals:AUTO_APPROVAL_SCHEDULES: [DBA]\n",
            encoding="utf-8",
        )
        assert commands.main(["demo", "--stack", "prod"]) == 2
        title, *lines = capsys.readouterr().err.splitlines()
        assert title == "error: Pulumi.prod.yaml has 3 problems:"
        assert {line.split()[1] for line in lines} == {
            *("aws:region", "MEMORY_MB", "AUTO_APPROVAL_SCHEDULES")
        }
        assert all(line.endswith(" --stack prod`") for line in lines)

    @pytest.mark.usefixtures("handlers")
    def test_refused_config(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A wrong value ends `up` with the key and the command that mends it."""
        project_in(here, AUTO_APPROVAL_DURATION="soon")
        said = "error: AUTO_APPROVAL_DURATION is 'soon'"
        assert_refused(
            capsys, ["up"], said, "run `pulumi config set AUTO_APPROVAL_DURATION --stack dev`\n"
        )
        assert not (here / environment.FILE).exists()

    @pytest.mark.usefixtures("handlers")
    def test_broken_stack_file(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A stack file that is no YAML is named, with the place."""
        (here / "Pulumi.dev.yaml").write_text("config: [\n", encoding="utf-8")
        assert commands.main(["up"]) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: Pulumi.dev.yaml can't be read in line 2: ")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "--secret-file cannot be read: [Errno 2]"),
            (b"\xff\xfe", "--secret-file cannot be read: 'utf-8'"),
            (b" \n", "is empty"),
        ],
    )
    def test_secret_file(
        self,
        here: Path,
        capsys: pytest.CaptureFixture[str],
        content: bytes | None,
        said: str,
    ) -> None:
        """A secret that is not there, not text, or nothing; it is not quoted."""
        file = str(here / "none") if content is None else secret_in(here, content)
        target = ["--url", "http://127.0.0.1:1/", "--secret-file", file]
        assert_refused(capsys, ["send", *JANE_ASKS, *target], said)

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("hook.example.com", "'hook.example.com' is no http or https address"),
            ("http://127.0.0.1:99999/", "is no http or https address"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/ does not answer"),
        ],
    )
    def test_url(self, here: Path, capsys: pytest.CaptureFixture[str], url: str, said: str) -> None:
        """An address that is none, or where nobody answers."""
        target = ["--url", url, "--secret-file", secret_in(here)]
        assert_refused(capsys, ["send", *JANE_ASKS, *target], said, "; check --url\n")

    def test_sandbox_that_was_killed(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The file of a sandbox that could not clean up leads nowhere, and that is said."""
        environment.write(here / environment.FILE, RUNNING)
        gone = "; the sandbox is gone: run `make up` again\n"
        assert_refused(capsys, ["send", *JANE_ASKS], "http://127.0.0.1:1/ does not answer", gone)


RUNNING: Mapping[str, str] = {
    "WEBHOOK_URL": "http://127.0.0.1:1/",
    "INDENT_WEBHOOK_SECRET": "wks0-secret-of-one-that-was-killed",
}


def assert_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str, end: str = "\n"
) -> None:
    """The command says so in one line, which is an error, and shows no secret."""
    assert commands.main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert said in told
    assert told.endswith(end)
    assert told.count("\n") == 1
    assert "wks0" not in told


class TestSend:
    """What `send` makes of its options, and of an answer."""

    @pytest.fixture
    def target(self, here: Path) -> Iterator[Scripted]:
        """A webhook that is not the sandbox's; the test says what it answers."""
        secret_in(here)
        with Scripted(reply(b'{"status": {"code": 0}, "claims": []}')) as server:
            yield server

    def test_options_are_in_the_request(
        self, here: Path, target: Scripted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Who, what, under which labels, for how long and why; nobody's claim is no error."""
        options = "--resource group:g1 --label Env=Prod --label Team=a=b --duration 30m --reason r"
        status = commands.main(
            ["send", *JANE_ASKS, *options.split(), *to(here, f"{target.url}/hook")]
        )
        (asked,) = target.asked
        (event,) = json.loads(asked.body)["events"]
        assert asked.target == "/hook"
        assert event["actor"]["email"] == "jane@example.com"
        assert [(each["kind"], each["id"]) for each in event["resources"]] == [
            ("example.v1.Resource", "prod-db"),
            ("group", "g1"),
        ]
        assert {json.dumps(each["labels"]) for each in event["resources"]} == {
            '{"Env": "Prod", "Team": "a=b"}'
        }
        assert event["meta"]["labels"]["indent.com/petition/duration"] == "30m"
        assert event["reason"] == "r"
        told = capsys.readouterr()
        assert (status, json.loads(told.out)["claims"]) == (0, [])
        assert told.err == "no claim: humans decide; the function's log says why\n"

    @pytest.mark.parametrize("body", [b'{"status": {"code": 16}}', b"Forbidden"])
    def test_refusal_is_status_one(
        self, here: Path, capsys: pytest.CaptureFixture[str], body: bytes
    ) -> None:
        """An HTTP error is printed as it came."""
        secret_in(here)
        with Scripted(reply(body, 401)) as server:
            assert commands.main(["send", *JANE_ASKS, *to(here, server.url)]) == 1
        told = capsys.readouterr()
        assert "".join(told.out.split()) == "".join(body.decode().split())
        assert told.err == "refused: HTTP 401\n"

    def test_running_sandbox_is_found(
        self, here: Path, target: Scripted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without --url the address and the secret come from `.sandbox/env`."""
        running = {**RUNNING, "WEBHOOK_URL": target.url}
        environment.write(here / environment.FILE, running)
        assert commands.main(["send", *JANE_ASKS]) == 0
        assert len(target.asked) == 1
        assert RUNNING["INDENT_WEBHOOK_SECRET"] not in str(capsys.readouterr())


def to(folder: Path, url: str) -> list[str]:
    """The options that name another webhook, with the secret that lies in the folder."""
    return ["--url", url, "--secret-file", str(folder / "secret")]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ([], ["up", "demo", "send"]),
        (["up"], ["--live", "--stack"]),
        (["demo"], ["--stack"]),
        (
            ["send"],
            [
                *("--as", "--resource", "--label", "--duration", "--reason"),
                *("--url", "--secret-file"),
            ],
        ),
    ],
)
def test_help_names_every_option(
    capsys: pytest.CaptureFixture[str], command: list[str], named: list[str]
) -> None:
    """Each has a line of its own that says what it is."""
    with pytest.raises(SystemExit) as ended:
        commands.main([*command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    _, _, described = told.partition("\n\n")
    lines = [line.split() for line in described.splitlines()]
    for name in named:
        assert any(line[:1] == [name] for line in lines), name


@pytest.mark.parametrize("arguments", [[], ["fly"], ["send"], ["send", "--as", "a"], ["up", "-x"]])
def test_wrong_usage_is_status_two(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """The parser says what is missing."""
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m sandbox" in capsys.readouterr().err
