"""The demo's request from code: who must approve it, what it prints, and when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import pytest

import sandbox.__main__ as commands
from handler.settings import load
from sandbox import demo
from sandbox.callers.base import Verdict
from sandbox.callers.indent import Indent
from sandbox.demo import is_expected
from sandbox.demo_data import NORA
from sandbox.demo_requests import DEMO_REQUESTS, DemoRequest
from sandbox.demo_script import ScriptRun, must_approve_script, run_script
from sandbox.demo_space import open_space
from sandbox.space import Space
from sandbox.stack import Sandbox
from sandbox.vendors import faults
from tests.support.projects import project_in

KEYS = {"INDENT_WEBHOOK_SECRET": "wks0-secret-of-the-demo", "INCIDENTIO_API_KEY": "inc-key"}
JANE_LEADS, *_, NORA_IS_OFF, STALE, FORGED = (
    demo_request for demo_request in DEMO_REQUESTS if demo_request.caller == "indent"
)
INDENT = Indent("http://127.0.0.1:1/", "-")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GRANTED = "⏵ Requested approval #acmecorp/UUID\n✅ Granted\nThe password of user 123 is reset."
BY_HAND = f"\n(The webhook left it to humans. {NORA} approved it.)"


@pytest.mark.parametrize(
    ("settings", "approved"),
    [
        ({}, True),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"}, True),
        ({"AUTO_APPROVAL_SCHEDULES": "Production"}, False),
        ({"AUTO_APPROVAL_DRY_RUN": "true"}, False),
        # The script's resource has no labels.
        ({"AUTO_APPROVAL_RESOURCE_LABELS": "Env=Prod"}, False),
    ],
)
def test_expectation_follows_the_settings(settings: Mapping[str, str], approved: bool) -> None:  # noqa: FBT001 - a row of a table
    """The webhook must approve the script if Jane's duty and the resource count."""
    assert must_approve_script(load({**KEYS, **settings})) is approved
    assert not must_approve_script(load({**KEYS, **settings}), is_shut=True)


@pytest.mark.parametrize("demo_request", [JANE_LEADS, NORA_IS_OFF, STALE, FORGED])
def test_a_shut_function_answers_nobody(demo_request: DemoRequest) -> None:
    """If the function is shut, only its refusal is expected, from any caller."""
    settings = load(KEYS)

    def expected(verdict: Verdict, shut: HTTPStatus | None = HTTPStatus.TOO_MANY_REQUESTS) -> bool:
        return is_expected(demo_request, INDENT, verdict, settings, shut=shut)

    throttled = Verdict("refused", http=429)
    assert expected(throttled)
    assert not expected(throttled, None)
    # The refusal of an HTTP API in front of it.
    assert expected(Verdict("refused", http=503), HTTPStatus.SERVICE_UNAVAILABLE)
    for verdict in (Verdict("left to humans"), *(Verdict("refused", http=n) for n in (401, 502))):
        assert not expected(verdict)


@pytest.fixture
def space() -> Iterator[Space]:
    """A space without webhooks."""
    with Space() as space:
        yield space


def output_of(script: ScriptRun) -> str:
    """The output, without the petition's name."""
    return UUID.sub("UUID", script.output)


def test_granted_by_the_webhook(sandbox: Sandbox) -> None:
    """The script prints the same as in the guide."""
    with open_space(sandbox) as space:
        script = run_script(space, by_webhook=True)
    assert (output_of(script), script.expected) == (GRANTED, True)


def test_left_to_humans(space: Space) -> None:
    """Without the webhook's approval, a human approves, and the output says so."""
    script = run_script(space, by_webhook=False)
    assert (output_of(script), script.expected) == (GRANTED + BY_HAND, True)
    with Space() as another:
        assert not run_script(another, by_webhook=True).expected


def test_a_failing_script_is_unexpected(space: Space) -> None:
    """The last line gives the reason, and has no token."""
    space.fail("/v1/spaces", faults.Status(403))
    script = run_script(space, by_webhook=False)
    assert "error: POST /spaces/acmecorp/petitions: Forbidden. (HTTP 403)" in script.output
    assert "eyJ" not in script.output
    assert not script.expected


def test_demo_of_a_shut_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With RESERVED_CONCURRENCY 0 all calls are refused, a human approves, and the status is 0."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path, RESERVED_CONCURRENCY="0"))
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [JANE_LEADS, FORGED])
    assert commands.main(["demo"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("refused (429)  the call did not reach the function") == 2
    shown = UUID.sub("UUID", printed.out).replace("\n  ", "\n")
    assert GRANTED + BY_HAND in shown
    assert shown.endswith(
        "\nNobody was approved:\n- RESERVED_CONCURRENCY is 0, which shuts the webhook's URL\n\n"
        "All 3 answers match the settings: 0 approved, 1 left to humans, 2 refused.\n"
    )


def test_demo_behind_an_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind an HTTP API the answers are the same; a shut function gives 503."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    monkeypatch.setattr(demo, "DEMO_REQUESTS", [JANE_LEADS, FORGED])
    assert commands.main(["demo", "--endpoint", "http-api"]) == 0
    printed = capsys.readouterr()
    assert printed.out.endswith("answers match the settings: 2 approved, 1 refused.\n")
    shut = project_in(tmp_path, ENDPOINT="http-api", RESERVED_CONCURRENCY="0")
    monkeypatch.setattr(commands, "ROOT", shut)
    assert commands.main(["demo"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("refused (503)  the call did not reach the function") == 2


def test_the_script_gets_no_variables_of_the_shell(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script gets only the space's variables, no secret of the shell."""
    script = tmp_path / "script.py"
    script.write_text("import os\nprint(*sorted(os.environ))\n", encoding="utf-8")
    monkeypatch.setattr("sandbox.demo_script.SCRIPT", str(script))
    monkeypatch.setenv("INCIDENTIO_API_KEY", "inc-real-key")
    monkeypatch.setenv("AWS_PROFILE", "company-sso")
    seen = set(run_script(space, by_webhook=True).output.split())
    names = "INDENT_API_URL INDENT_SPACE INDENT_API_TOKEN INDENT_ADMIN_TOKEN"
    ours = {*names.split(), "PYTHONPATH", "PYTHONIOENCODING"}
    assert seen - {"LC_CTYPE"} == ours  # Python sets it
