"""The sandbox's commands: their output, exit status, and cleanup."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

import sandbox.__main__ as commands
from sandbox import env_file
from sandbox.callers.indent import Indent
from sandbox.demo_script import SCRIPT
from sandbox.local_aws.program import ROOT
from sandbox.local_aws.resources import RESOURCES
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.scripted import Scripted, reply
from tests.sandbox.page_client import PageClient
from tests.support.child_processes import children_of
from tests.support.projects import broken_home_in, project_in, project_with_code_in

PATIENCE = 60.0  # seconds until a command that hangs fails its test
LAST_LINE = "Ctrl-C here stops everything.\n"
LIVE_KEY = "inc-real-key-0123456789"
JANE_ASKS = ("--as", "jane@example.com", "--resource", "prod-db")
BY_CONDUCTORONE = ("send", "--caller", "conductorone", *JANE_ASKS)
WITHOUT_PULUMI = (
    "the sandbox works without the Pulumi CLI: instead of running `pulumi config`, write or remove "
    "`oncall-approvals:KEY: VALUE` in Pulumi.dev.yaml"
)
REGION = "eu-central-1"
SWITCHES = {"ALARM_EMAIL": "oncall@example.com", "KMS_KEY_ALIAS": "oncall-state"}


@contextmanager
def started_up(root: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m sandbox up` in a folder with a copy of the code; errors go to a file."""
    (root / "tmp").mkdir()
    with (root / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "up", "-v"],
            cwd=root,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(root / "tmp"), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    # Reading the output would wait forever, so a timer ends a command that hangs.
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        with process:
            yield process
    finally:
        watchdog.cancel()
        process.kill()


def read_to(output: IO[str], last: str) -> str:
    """Read up to and including this line."""
    lines = []
    for line in output:
        lines.append(line)
        if line == last:
            return "".join(lines)
    pytest.fail(f"it ended: {lines}")


def test_up_runs_all_until_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` prints what runs and where, writes `.sandbox/env`, and Ctrl-C ends everything.

    It deploys to the stack's region, even if the AWS files in the home folder are broken.
    """
    roles = "lead, Comander"
    root = project_with_code_in(
        tmp_path, region=REGION, **SWITCHES, AUTO_APPROVAL_INCIDENTIO_ROLES=roles
    )
    with started_up(root, HOME=str(broken_home_in(root))) as up:
        assert up.stdout
        printed = read_to(up.stdout, LAST_LINE)
        variables = env_file.read(root / env_file.FILE)
        assert (root / env_file.FILE).stat().st_mode & 0o777 == 0o600
        page = variables["SANDBOX_PAGE"]
        assert "Jane Lind: Incident Lead, INC-1" in PageClient(page).get().words
        monkeypatch.setattr(commands, "ROOT", root)
        assert commands.main(["send", *JANE_ASKS, "--duration", "45m"]) == 0
        send_output = capsys.readouterr()
        assert "✅ Granted\nThe password of user 123 is reset.\n" in from_code(root)
        children = children_of(up.pid)
        assert children
        up.send_signal(signal.SIGINT)
        printed += up.stdout.read()
        assert up.wait(PATIENCE) == 0

    printed_words = " ".join(printed.split())
    assert 'role "Comander"' in printed_words
    alone = "AUTO_APPROVAL_INCIDENTIO_ROLES is set and AUTO_APPROVAL_SCHEDULES is not"
    assert f"note: {alone}" in printed_words
    assert variables["AWS_REGION"] == REGION
    others = {"aws:iam/policy:Policy", "aws:lambda/permission:Permission"}  # of other stacks
    others |= {type_ for type_ in RESOURCES if type_.startswith("aws:apigatewayv2/")}
    for type_ in RESOURCES.keys() - others:
        assert f"\n{type_.rpartition(':')[2]} " in printed
    assert "arn:" not in printed
    for name in (
        *("WEBHOOK_URL", "AUTHZEN_URL", "CONDUCTORONE_URL", "CONDUCTORONE_BASE_URL"),
        *("INCIDENTIO_BASE_URL", "AWS_ENDPOINT_URL", "INDENT_API_URL"),
    ):
        assert variables[name].startswith("http://127.0.0.1:")
        assert f" {variables[name]}" in printed
    assert "\n  . .sandbox/env\n" in printed
    assert re.search(r"  log +\.sandbox/function\.log\n", printed)
    assert f"\nOpen {page}\nin a browser" in printed
    assert printed.endswith("\nStopping ...\n")
    (claim,) = json.loads(send_output.out)["claims"]
    assert claim["resources"][1]["id"] == "prod-db"
    lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert send_output.err == f"approved for 45 minutes: {lead}, by the default rule\n"

    # No process, port, temporary file or file with secrets is left.
    with pytest.raises(ConnectionRefusedError):
        PageClient(page)
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list((root / "tmp").iterdir()) == []
    assert not (root / env_file.FILE).exists()
    assert (root / "errors").read_text(encoding="utf-8") == ""
    log = (root / ".sandbox" / "function.log").read_text(encoding="utf-8")
    assert '"message": "decision"' in log
    tokens = ("INDENT_API_TOKEN", "INDENT_ADMIN_TOKEN")
    for name in ("INDENT_WEBHOOK_SECRET", "INCIDENTIO_API_KEY", *tokens):
        assert variables[name] not in printed + send_output.out + send_output.err + log


def from_code(root: Path) -> str:
    """Run the example in a shell that has read `.sandbox/env`, and return its output."""
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


# The tests below run in process.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which the commands use."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    monkeypatch.delenv("INCIDENTIO_API_KEY", raising=False)
    return tmp_path


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore the signal handlers after the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def secret_in(folder: Path, content: bytes = b"wks0-secret-of-the-file\n") -> str:
    """Write a file with a secret, and return its path."""
    (folder / "secret").write_bytes(content)
    return str(folder / "secret")


@pytest.mark.usefixtures("handlers")
def test_up_ends_with_its_terminal(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGHUP ends `up`, which keeps the env file of a sandbox that was started later.

    Warnings of `pulumi preview`, here a setting without effect, are shown as notes.
    """
    project_in(here, INCIDENTIO_APPROVE_PARTICIPANTS="true", AUTO_APPROVAL_SCHEDULES="DBA")
    file, describe = here / env_file.FILE, commands._describe
    later = {"WEBHOOK_URL": "http://127.0.0.1:1/"}

    def describe_and_hang_up(*arguments: object, verbose: bool) -> None:  # noqa: ARG001 - as there
        describe(*arguments, verbose=False)  # type: ignore[arg-type] # passed on as they came
        env_file.write(file, later)
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL  # it would end pytest
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(commands, "_describe", describe_and_hang_up)
    assert commands.main(["up"]) == 0
    printed = capsys.readouterr().out
    assert "note: INCIDENTIO_APPROVE_PARTICIPANTS has no effect" in printed
    assert f"\nnote: {WITHOUT_PULUMI}\n" in printed
    assert printed.endswith("Stopping ...\n")
    assert env_file.read(file) == later


@pytest.mark.usefixtures("handlers")
def test_live_up_asks_the_real_provider(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --live and a key, the configured provider is asked; SIGTERM ends `up`.

    A provider on the Internet is called through the machine's proxy, a local one directly.
    """
    file, describe, pages = here / env_file.FILE, commands._describe, []

    def describe_send_and_end(*arguments: object, verbose: bool) -> None:  # noqa: ARG001 - as there
        describe(*arguments, verbose=False)  # type: ignore[arg-type] # passed on as they came
        pages.append(PageClient(env_file.read(file)["SANDBOX_PAGE"]).get().words)
        assert commands.main(["send", *JANE_ASKS]) == 0
        # Nora has no duty at incident.io, so the answer needs PagerDuty as well.
        assert commands.main(["send", *JANE_ASKS, "--as", "nora@example.com"]) == 0
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL  # it would end pytest
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(commands, "_describe", describe_send_and_end)
    monkeypatch.setenv("INCIDENTIO_API_KEY", LIVE_KEY)
    monkeypatch.setenv("PAGERDUTY_KEY", f"{LIVE_KEY}-of-pagerduty")
    monkeypatch.setenv("PAGERDUTY_BASE_URL", "https://api.pagerduty.test")
    (here / "cli").symlink_to(ROOT / "cli")  # proxies are handled there
    with IncidentIO(LIVE_KEY) as vendor, Scripted(reply(status=403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        vendor.add_person("Jane", "jane@example.com")
        vendor.add_schedule("DBA")
        vendor.put_on_shift("DBA", "jane@example.com")
        unused = {"OPSGENIE_BASE_URL": "https://api.eu.opsgenie.com"}
        project_in(here, INCIDENTIO_BASE_URL=vendor.url, **unused)
        assert commands.main(["up", "--live"]) == 0
    printed = capsys.readouterr()
    assert "run `pulumi config set --secret OPSGENIE_KEY --stack dev`" in printed.out
    assert f"\nnote: {WITHOUT_PULUMI}, and export a provider's key\n" in printed.out
    providers = re.sub(" {2,}", "  ", printed.out.partition("\nProviders (the real ones)\n")[2])
    assert providers.startswith(f"  incident.io  {vendor.url}")
    assert "asks the real incident.io and PagerDuty (LIVE=1)" in pages[0]
    assert {call.target for call in proxy.requests} == {"api.pagerduty.test:443"}
    assert "on call for DBA" in printed.err
    assert LIVE_KEY not in printed.out + printed.err
    assert not file.exists()


def test_interrupted_command_ends_quietly(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends a command with status 130 and without a traceback."""

    def interrupted(*_: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Indent, "send", interrupted)
    env_file.write(here / env_file.FILE, RUNNING)
    assert commands.main(["send", *JANE_ASKS]) == 130
    assert capsys.readouterr() == ("", "")


class TestRefusals:
    """What can't be done ends with status 2 and one line that says what to do."""

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (
                ["up", "--live"],
                "for example with `read -rs INCIDENTIO_API_KEY && export INCIDENTIO_API_KEY`",
            ),
            (
                ["up", "--stack", "none"],
                "there is no Pulumi.none.yaml (existing stacks: dev); for a new stack, create it",
            ),
            (
                ["up", "--policy", "none.yaml"],
                "AUTO_APPROVAL_POLICY is 'none.yaml', but there is no such file",
            ),
            *(
                (
                    ["up", "--policy", name],
                    "; for example, run `make up POLICY=sandbox/policy.yaml`\n",
                )
                for name in ("/policy.yaml", "../policy.yaml", "policy", '"policy.yaml"', " ")
            ),
            (["send", *JANE_ASKS], "no sandbox is running here: run `make up`"),
            (
                ["send", *JANE_ASKS, "--action", "deploy", "--url", "u", "--secret-file", "secret"],
                "Indent's petitions are for access: leave out --action",
            ),
            (
                [*BY_CONDUCTORONE, "--url", "http://127.0.0.1:1/", "--secret-file", "secret"],
                "only ConductorOne itself can sign a call to another webhook",
            ),
            (["send", *JANE_ASKS, "--url", "http://127.0.0.1:1/"], "--url and --secret-file go"),
            (["send", *JANE_ASKS, "--secret-file", "secret"], "--url and --secret-file go"),
        ],
    )
    @pytest.mark.usefixtures("handlers")
    def test_arguments(
        self, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
    ) -> None:
        """Options that are incomplete, or don't fit together or the project, are refused."""
        arguments = [
            secret_in(here) if argument == "secret" else argument for argument in arguments
        ]
        assert_refused(capsys, arguments, error)

    @pytest.mark.usefixtures("handlers")
    def test_second_sandbox(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A second one is refused, even while the first starts: both would write the same files."""
        file = here / env_file.FILE
        lock = env_file.lock(file)
        assert lock
        with lock:
            assert_refused(capsys, ["up"], "a sandbox is already running here: stop it with")
            env_file.write(file, {**RUNNING, "WEBHOOK_URL": "http://127.0.0.1:1/"})
            assert_refused(capsys, ["up"], "is already running here, at http://127.0.0.1:1/: stop")
        unlocked = env_file.lock(file)
        assert unlocked
        unlocked.close()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (["--as", "jane", "--resource", "x"], "'jane' isn't an e-mail address"),
            ([*JANE_ASKS, "--label", "Prod"], "'Prod' isn't NAME=VALUE, for example Env=Prod"),
            (
                [*JANE_ASKS, "--duration", "long"],
                "'long' isn't a duration: use, for example, 90m or 1h30m",
            ),
        ],
    )
    def test_values(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
    ) -> None:
        """Values that the webhook would ignore are refused."""
        with pytest.raises(SystemExit) as ended:
            commands.main(["send", *arguments])
        assert ended.value.code == 2
        assert error in capsys.readouterr().err

    @pytest.mark.usefixtures("handlers")
    @pytest.mark.parametrize("region", ["", "us west 2"])
    def test_all_problems_are_reported_together(
        self, here: Path, capsys: pytest.CaptureFixture[str], region: str
    ) -> None:
        """Each problem of the stack has its line, and a note says what to do without Pulumi."""
        (here / "Pulumi.prod.yaml").write_text(
            f"config:\n  aws:region: {region}\n  oncall-approvals:MEMORY_MB: 1\n"
            "  oncall-approvals:AUTO_APPROVAL_SCHEDULES: [DBA]\n",
            encoding="utf-8",
        )
        assert commands.main(["demo", "--stack", "prod"]) == 2
        title, *lines, note = capsys.readouterr().err.splitlines()
        assert note == f"note: {WITHOUT_PULUMI.replace('.dev.', '.prod.')}"
        assert title == "error: Pulumi.prod.yaml has 3 problems:"
        assert {line.split()[1] for line in lines} == {
            *("aws:region", "MEMORY_MB", "AUTO_APPROVAL_SCHEDULES")
        }
        assert all(line.endswith(" --stack prod`") for line in lines)

    @pytest.mark.parametrize(
        ("content", "error"),
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
        error: str,
    ) -> None:
        """A file that is missing, not text, or empty is refused."""
        file = str(here / "none") if content is None else secret_in(here, content)
        target = ["--url", "http://127.0.0.1:1/", "--secret-file", file]
        assert_refused(capsys, ["send", *JANE_ASKS, *target], error)

    def test_url(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An invalid address is refused."""
        target = ["--url", "hook.example.com", "--secret-file", secret_in(here)]
        error = "'hook.example.com' isn't a valid address: "
        assert_refused(capsys, ["send", *JANE_ASKS, *target], error, "; check --url\n")

    def test_token_that_cannot_be_sent(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The error doesn't contain the token."""
        secret = secret_in(here, "t\u00f6ken-of-an-authzen-caller".encode())
        target = ["--url", "http://127.0.0.1:1", "--secret-file", secret]
        error = "has a character that can't be sent"
        assert_refused(capsys, ["send", "--caller", "authzen", *JANE_ASKS, *target], error)

    def test_sandbox_that_was_killed(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """If a sandbox was killed, the error says that it has stopped."""
        env_file.write(here / env_file.FILE, RUNNING)
        gone = "; the sandbox has stopped: run `make up` again\n"
        assert_refused(capsys, ["send", *JANE_ASKS], "http://127.0.0.1:1/ did not answer", gone)


RUNNING: Mapping[str, str] = {
    "WEBHOOK_URL": "http://127.0.0.1:1/",
    "INDENT_WEBHOOK_SECRET": "wks0-secret-of-one-that-was-killed",
}


def assert_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], error: str, end: str = "\n"
) -> None:
    """Assert that the command prints one error line without a secret."""
    assert commands.main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert error in printed
    assert printed.endswith(end)
    assert printed.count("\n") == 1
    assert "wks0" not in printed


class TestSend:
    """`send` turns its options into a request, and the answer into output and status."""

    @pytest.fixture
    def target(self, here: Path) -> Iterator[Scripted]:
        """A webhook other than the sandbox's, which leaves all requests to humans."""
        secret_in(here)
        with Scripted(reply(b'{"status": {"code": 0}, "claims": []}')) as server:
            yield server

    def test_options_are_in_the_request(
        self, here: Path, target: Scripted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """All options are in the request; an answer without a claim isn't an error."""
        options = "--resource group:g1 --label Env=Prod --label Team=a=b --duration 30m --reason r"
        status = commands.main(
            ["send", *JANE_ASKS, *options.split(), *to(here, f"{target.url}/hook")]
        )
        (request,) = target.requests
        (event,) = json.loads(request.body)["events"]
        assert request.target == "/hook"
        assert event["actor"]["email"] == "jane@example.com"
        assert [(resource["kind"], resource["id"]) for resource in event["resources"]] == [
            ("example.v1.Resource", "prod-db"),
            ("group", "g1"),
        ]
        assert {json.dumps(resource["labels"]) for resource in event["resources"]} == {
            '{"Env": "Prod", "Team": "a=b"}'
        }
        assert event["meta"]["labels"]["indent.com/petition/duration"] == "30m0s"
        assert event["reason"] == "r"
        printed = capsys.readouterr()
        assert (status, json.loads(printed.out)["claims"]) == (0, [])
        assert printed.err == "left to humans; the function's log says why\n"

    @pytest.mark.parametrize("body", [b'{"status": {"code": 16}}', b"Forbidden"])
    def test_refusal_is_status_one(
        self, here: Path, capsys: pytest.CaptureFixture[str], body: bytes
    ) -> None:
        """An HTTP error is printed as it arrived, and the status is 1."""
        secret_in(here)
        with Scripted(reply(body, 401)) as server:
            assert commands.main(["send", *JANE_ASKS, *to(here, server.url)]) == 1
        printed = capsys.readouterr()
        assert "".join(printed.out.split()) == "".join(body.decode().split())
        assert printed.err == "refused (401); the function's log says why\n"

    def test_running_sandbox_is_found(
        self, here: Path, target: Scripted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without --url, address and secret come from `.sandbox/env`."""
        running = {**RUNNING, "WEBHOOK_URL": target.url}
        env_file.write(here / env_file.FILE, running)
        assert commands.main(["send", *JANE_ASKS]) == 0
        assert len(target.requests) == 1
        assert RUNNING["INDENT_WEBHOOK_SECRET"] not in str(capsys.readouterr())


def to(folder: Path, url: str) -> list[str]:
    """The options that name another webhook, with the secret in this folder."""
    return ["--url", url, "--secret-file", str(folder / "secret")]
