"""No command prints a hostile text so that a terminal or a CI runner obeys it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import main as oncall_main
from handler.setting_parsers import SettingsError
from infra import policy_file
from policy.__main__ import main as policy_main
from policy.remedies import report
from policy.terminal import safe
from sandbox import env_file
from sandbox.__main__ import main as sandbox_main
from sandbox.vendors.incidentio import IncidentIO
from tests.auditlog.records import log_records, request_by
from tests.cli.conftest import DATABASE, JANE, NOW, OMAR, Command
from tests.handler.scripted import Scripted, reply
from tests.policy.policy_folder import POLICY, TESTS, write_policy

HOSTILE = (
    "\x1b]0;x\x07\x1b[2J\x9b1m\r\n::error::pwned\u202e\u2028\n  ::add-mask::x\u200b ##[error]z"
)
Out = pytest.CaptureFixture[str]


def assert_clean(output: str) -> None:
    """Assert that no character controls a terminal, and no line is a CI runner's command."""
    assert output
    for character in output.replace("\n", ""):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, repr(output)
    assert "##[" not in output
    assert not any(line.lstrip().startswith("::") for line in output.splitlines()), output


def output_of(main: Callable[[list[str]], int], arguments: list[str], capsys: Out) -> str:
    """Return everything that a command prints, however it ends."""
    try:
        main(arguments)
    except SystemExit as ended:
        assert ended.code == 2  # noqa: PT017 - argparse ends so, and only where it is asked to
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["explain", "--as", HOSTILE, "--resource", DATABASE],
        ["explain", "--as", f"a@{HOSTILE}", "--resource", DATABASE],
        ["explain", "--as", JANE, "--resource", HOSTILE],
        ["explain", "--as", JANE, "--resource", f"{HOSTILE}:{HOSTILE}"],
        ["explain", "--as", JANE, "--resource", DATABASE, "--label", HOSTILE],
        ["explain", "--as", JANE, "--resource", DATABASE, "--duration", HOSTILE],
        ["explain", "--as", JANE, "--resource", DATABASE, "--at", HOSTILE],
        ["explain", "--as", JANE, "--resource", DATABASE, HOSTILE],
        ["who", f"{HOSTILE}:x", "--label", f"{HOSTILE}={HOSTILE}"],
        ["who", DATABASE, "--policy", HOSTILE],
        ["who", DATABASE, "--stack", HOSTILE],
        ["preflight", "--policy", HOSTILE],
        ["preflight", "--stack", HOSTILE],
        ["report", HOSTILE],
        ["report", "\udcff::error::"],
        ["report", "a\0b"],
        ["report", "--log-group", HOSTILE],
        ["report", "--log-group", "\ud800"],
        ["report", "-", "--since", HOSTILE],
        ["replay", HOSTILE, "--policy", HOSTILE],
        ["replay", HOSTILE],
        ["check", "--stack", HOSTILE],
        ["check", "--as", JANE, "--resource", HOSTILE],
    ],
)
def test_arguments_of_oncall(oncall: Command, capsys: Out, arguments: list[str]) -> None:
    """Arguments, such as file names, are escaped in errors and answers."""
    outputs: list[str] = []

    def run(words: list[str]) -> int:
        answer = oncall(*words)
        outputs.append(answer.out + answer.err)
        return answer.status

    assert_clean(output_of(run, arguments, capsys) + "".join(outputs))


@pytest.mark.parametrize("command", ["check", "test"])
@pytest.mark.parametrize("name", [HOSTILE, f"{HOSTILE}.yaml", f"x/{HOSTILE}.test.yaml", ".yaml"])
def test_arguments_of_the_policys_tools(capsys: Out, command: str, name: str) -> None:
    """File names are escaped."""
    assert_clean(output_of(policy_main, [command, name], capsys))


@pytest.mark.parametrize("option", ["--as", "--resource", "--label", "--duration", "--url", "x"])
def test_arguments_of_the_sandbox(
    capsys: Out, monkeypatch: pytest.MonkeyPatch, option: str, tmp_path: Path
) -> None:
    """Arguments of `send` are escaped."""
    monkeypatch.setattr(env_file, "read", lambda _: {})
    words = ["send", "--as", "a@b", "--resource", "x", option, HOSTILE]
    secret = tmp_path / "secret"
    secret.write_text("x" * 32)
    if option == "--url":
        words += ["--secret-file", str(secret)]
    assert_clean(output_of(sandbox_main, words, capsys))


@pytest.mark.parametrize("name", ["", "../x", "a/b", HOSTILE])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_invalid_stack_names(capsys: Out, command: str, name: str) -> None:
    """An invalid stack name is reported as such, and escaped."""
    output = output_of(sandbox_main, [command, f"--stack={name}"], capsys)
    assert "isn't a valid stack name" in output
    assert_clean(output)


@pytest.mark.parametrize(
    "body",
    [
        HOSTILE.encode(),
        json.dumps({"claims": [{"reason": HOSTILE, "meta": {"labels": {}}}]}).encode(),
        *(json.dumps({"claims": odd}).encode() for odd in (7, None, [7], {"x": 7})),
        json.dumps([HOSTILE]).encode(),
    ],
)
def test_answers_of_a_webhook(capsys: Out, tmp_path: Path, body: bytes) -> None:
    """A webhook's answer is escaped."""
    secret = tmp_path / "secret"
    secret.write_text("x" * 32)
    with Scripted(reply(body)) as server:
        words = ["send", "--as", "a@b", "--resource", "x", "--secret-file", str(secret)]
        assert_clean(output_of(sandbox_main, [*words, "--url", server.url], capsys))


def texts_of(text: str) -> list[str]:
    """Return the file with one word at a time replaced by a hostile text."""
    words = [
        "rules",
        "DBAs",
        "kinds",
        "db",
        "schedules",
        "DBA",
        "3h",
        "grace",
        "dry",
        "deny",
        "jane",
    ]
    words += ["on shift", "omar@example.com", "orders", "incidentio", "approved", "2026-11-24"]
    quoted = json.dumps(HOSTILE)[1:-1].replace("#", "\\x23")
    variants = [text.replace(word, f'"{quoted}{word}"', 1) for word in words if word in text]
    return [*variants, f"{text}\n? {HOSTILE}", text.replace("DBA", f'"{quoted}"'), HOSTILE]


@pytest.mark.parametrize("command", ["check", "test"])
@pytest.mark.parametrize(
    ("policy", "tests"),
    [*((text, TESTS) for text in texts_of(POLICY)), *((POLICY, text) for text in texts_of(TESTS))],
)
def test_texts_of_a_policy(
    tmp_path: Path,
    capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    policy: str,
    tests: str,
) -> None:
    """Names, keys and values of a policy and its tests are escaped, also at a deploy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy").mkdir()
    write_policy(tmp_path / "policy", policy, tests)
    assert_clean(output_of(policy_main, [command], capsys))
    settings = {"AUTO_APPROVAL_POLICY": "policy/prod.yaml"}
    try:
        loaded = policy_file.read_tested_policy(tmp_path, settings)
    except SettingsError as refusal:
        lines = [report("Pulumi.dev.yaml", refusal, str)]
    else:
        lines = [*map(safe, policy_file.policy_notes(loaded, settings, "dev"))]
    assert_clean("\n".join(["output:", *lines]))


def hostile_records() -> list[dict[str, Any]]:
    """Return log records with a hostile text in each field that takes any text."""
    fixed = {"message", "level", "decided_at", "duration", "timestamp", "outcome", "until", "end"}
    fixed |= {"start", "verdict", "person", "asked_duration", "asked_until"}

    def edited(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            keep = name in {"labels", "other_rules"}
            return {HOSTILE if keep else key: edited(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [edited(item, name) for item in value]
        return HOSTILE if isinstance(value, str) and name not in fixed else value

    records = [edited(record) for record in log_records(request_by(), request_by(OMAR))]
    return [
        *records,
        {"message": "failed", "level": HOSTILE, "why": HOSTILE},
        {"message": "refused", "level": "WARN", "why": HOSTILE},
        {"message": "decision", "level": "INFO", HOSTILE: HOSTILE},
    ]


@pytest.mark.parametrize("arguments", [["report", "-"], ["replay", "-"], ["report", "-", "--json"]])
def test_records_of_a_log(oncall: Command, arguments: list[str]) -> None:
    """Texts in a log are escaped."""
    log = "\n".join(map(json.dumps, hostile_records()))
    answer = oncall(*arguments, stdin=f"{log}\n{HOSTILE}\n")
    assert answer.status == 1
    assert_clean(answer.out)
    assert "could not be read" in answer.out or '"unreadable": 1' in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "--as", OMAR, "--resource", DATABASE],
        ["who", DATABASE],
        ["who", DATABASE, "--json"],
        ["preflight"],
    ],
)
def test_names_at_a_provider(oncall: Command, double: IncidentIO, arguments: list[str]) -> None:
    """Schedule names from a provider are escaped."""
    double.add_schedule(HOSTILE)
    double.put_on_shift(HOSTILE, OMAR, NOW - timedelta(hours=1), NOW + timedelta(hours=2))
    oncall.environment["AUTO_APPROVAL_SCHEDULES"] = f"Production, {' '.join(HOSTILE.split())}"
    assert_clean("".join(oncall(*arguments)[1:]))


def test_main_escapes_arguments(capsys: Out) -> None:
    """Arguments are escaped when `main` runs without a test's context."""
    assert_clean(output_of(oncall_main, ["report", f"no{HOSTILE}such"], capsys))
