"""The shell script in docs/callers.md gives access on a yes, and on nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handler.callers.authzen import evaluation
from handler.duty import ON_CALL, Duty
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from tests.handler.scripted import Answer, Scripted, reply, write_and_close
from tests.support.documents import ROOT, read_sections

(SCRIPT,) = read_sections(ROOT / "docs/callers.md")["Shell script"].blocks
DUTY = Duty("PagerDuty", ON_CALL, "S1", "DBA", "jane@example.com")
NO = Decision(Request(Resource(), ()), "nobody is on call")
YES = NO._replace(
    evidence=(DUTY,), duration=timedelta(hours=1), now=datetime(2026, 3, 4, tzinfo=UTC)
)
APPROVED, LEFT_TO_HUMANS = (
    json.dumps(evaluation(decision, "c-0")).encode() for decision in (YES, NO)
)
pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="no curl or no jq on PATH"
)


def gives_access(folder: Path, url: str) -> bool:
    """Run the script in a folder with a question, and say whether it gave access."""
    (folder / "question.json").write_text('{"subject": {}}', encoding="utf-8")
    grant = folder / "grant"
    grant.write_text("#!/bin/sh\n>granted\n", encoding="utf-8")
    grant.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "AUTHZEN_URL": url, "AUTHZEN_TOKEN": "t" * 32}
    subprocess.run(["bash", "-c", SCRIPT], cwd=folder, env=environment, check=False, timeout=30)  # noqa: S607 - the document's script
    return (folder / "granted").exists()


def test_a_yes_gives_access(tmp_path: Path) -> None:
    """The function's approval gives access; the token and the question were sent."""
    with Scripted(reply(APPROVED)) as server:
        assert gives_access(tmp_path, server.url)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/access/v1/evaluation")
    assert request.headers["authorization"] == f"Bearer {'t' * 32}"
    assert request.headers["content-type"] == "application/json"
    assert request.body == b'{"subject": {}}'


@pytest.mark.parametrize(
    "answer",
    [
        reply(LEFT_TO_HUMANS),
        *(reply(APPROVED, status) for status in (400, 401, 404, 413, 429, 500, 502, 503)),
        reply(b'{"decision": "true"}'),
        reply(b'{"decision": null}'),
        reply(b'{"evaluations": [{"decision": true}]}'),
        *(
            reply(body)
            for body in (b"", b"{}", b"[]", b"true", b"<html>true</html>", APPROVED[:20])
        ),
        reply(b"", 302, {"Location": "/elsewhere"}),
        reply(APPROVED + LEFT_TO_HUMANS),
        reply(LEFT_TO_HUMANS + APPROVED),
        write_and_close(),
    ],
)
def test_everything_else_gives_none(tmp_path: Path, answer: Answer) -> None:
    """A no, an error, another answer or none at all gives no access."""
    with Scripted(answer) as server:
        assert not gives_access(tmp_path, server.url)
    assert server.requests


def test_nobody_answers(tmp_path: Path) -> None:
    """If the function can't be reached, nobody gets access."""
    with Scripted() as server:
        url = server.url
    assert not gives_access(tmp_path, url)
