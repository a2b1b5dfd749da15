"""The whole loop: a script asks, the space asks the deployed webhook, and the grant comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from indentapi import IndentAPI

from sandbox.cast import JANE, NORA
from sandbox.doubles import faults
from sandbox.requesting import opened_space
from sandbox.running import Sandbox
from sandbox.space import Space
from tests.e2e.tampering import client_of


@pytest.fixture(scope="module")
def space(sandbox: Sandbox) -> Iterator[Space]:
    """A space that asks the deployed webhook; Jane leads an incident, Nora is off duty."""
    with opened_space(sandbox) as space:
        yield space


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


def test_provider_down_leaves_it_open(space: Space, sandbox: Sandbox) -> None:
    """With the provider failing, the petition waits for a human, and no error reaches the asker."""
    assert sandbox.double
    sandbox.double.fail("/", faults.Status(500))
    try:
        with client_of(space, JANE) as indent:
            assert phase(indent, asked(indent)) == "open"
    finally:
        sandbox.double.heal()
