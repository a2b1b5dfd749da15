"""The whole loop: a script asks, the space asks the deployed webhook, and the grant comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indentapi import IndentAPI, PermissionDeniedError

from sandbox.cast import JANE, NORA
from sandbox.doubles import faults
from sandbox.requesting import opened_space, variables
from sandbox.running import Sandbox
from sandbox.space import Space

ROOT = Path(__file__).resolve().parents[2]
SOURCES = os.pathsep.join(str(ROOT / "sdk" / each / "src") for each in ("indentapi", "approvals"))


@pytest.fixture(scope="module")
def space(sandbox: Sandbox) -> Iterator[Space]:
    """A space that asks the deployed webhook; Jane leads an incident, Nora is off duty."""
    with opened_space(sandbox) as space:
        yield space


def client_of(space: Space, email: str, *, admin: bool = False) -> IndentAPI:
    """Open the real client with somebody's token."""
    return IndentAPI(
        space_name=space.name,
        api_token=space.token_for(email, admin=admin),
        base_url=space.url,
    )


def asked(indent: IndentAPI) -> dict[str, Any]:
    """Ask for all that can be requested, and give the petition once it is reviewable."""
    resources = indent.resource.list(view="requestable")
    return dict(indent.petition.create(reason="to debug production", resources=resources))


def phase(indent: IndentAPI, petition: dict[str, Any]) -> str:
    """Where a petition stands."""
    return str(indent.petition.get(petition["name"])["state"]["status"]["phase"])


def test_on_duty_is_granted(space: Space) -> None:
    """Whoever is on duty has access at once, for the policy's time, by the webhook's own reason."""
    with client_of(space, JANE) as indent:
        petition = indent.petition.wait_for(asked(indent)["name"], timeout=10)
    assert petition["state"]["status"]["phase"] == "granted"
    reasons = [each.get("reason") for each in petition["state"]["eventHistory"]]
    assert "Approved: Incident Lead of INC-1 (incident.io)" in reasons


def test_off_duty_stays_open_until_a_human_approves(space: Space) -> None:
    """Without a duty nothing is granted; an administrator still can."""
    with client_of(space, "omid@example.com") as indent, client_of(space, NORA, admin=True) as boss:
        petition = asked(indent)
        assert phase(indent, petition) == "open"
        boss.petition.approve(petition["name"], reason="go ahead")
        assert phase(indent, petition) == "granted"


def test_requester_cannot_approve_himself(space: Space) -> None:
    """A claim posted by the requester in the bot's name is refused, and nothing is granted."""
    with client_of(space, "omid@example.com") as indent:
        petition = asked(indent)
        forged: Any = {
            "event": "access/approve",
            "actor": {"kind": "indent.v1.Bot", "email": "bot@indent.com"},
            "resources": [{"kind": "user", "email": "omid@example.com"}],
        }
        with pytest.raises(PermissionDeniedError):
            indent.petition.claims(petition["name"]).create(forged)
        assert phase(indent, petition) == "open"


def test_provider_down_leaves_it_open(space: Space, sandbox: Sandbox) -> None:
    """With the provider failing, the petition waits for a human, and no error reaches the asker."""
    assert sandbox.double
    sandbox.double.fail("/", faults.Status(500))
    try:
        with client_of(space, JANE) as indent:
            assert phase(indent, asked(indent)) == "open"
    finally:
        sandbox.double.heal()


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("request_prod.py", ["Requested: indent.com/access/acmecorp/"]),
        ("reset_password.py", ["⏵ Requested approval #acmecorp/", "✅ Granted", "The password of"]),
    ],
)
def test_examples_run(space: Space, script: str, lines: list[str]) -> None:
    """The examples run as they are, with nothing but the sandbox's variables."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script)],
        env={**variables(space), "PYTHONPATH": SOURCES, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert len(told) == len(lines)
    for line, begins in zip(told, lines, strict=True):
        assert line.startswith(begins)
