"""A script requests access, the space asks the deployed webhook, and access is granted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from approvals import ApprovalRevoked, approval
from indentapi import IndentAPI, PermissionDeniedError

from sandbox.demo_data import JANE, NORA, RITA
from sandbox.demo_space import open_space, variables
from sandbox.space import Space
from sandbox.stack import Sandbox
from sandbox.vendors import faults
from tests.e2e.proxied_space import client_of, space_asking


@pytest.fixture(scope="module")
def space(sandbox: Sandbox) -> Iterator[Space]:
    """A space that asks the deployed webhook; Jane leads an incident, Nora is off duty."""
    with open_space(sandbox) as space:
        yield space


def request_all(indent: IndentAPI) -> dict[str, Any]:
    """Request all resources, and return the petition once it is reviewable."""
    resources = indent.resource.list(view="requestable")
    return dict(
        indent.petition.create(
            reason="to debug production", resources=resources, wait_for_reviewable=True
        )
    )


def phase(indent: IndentAPI, petition: dict[str, Any]) -> str:
    """Return a petition's phase."""
    return str(indent.petition.get(petition["name"])["state"]["status"]["phase"])


def test_on_duty_is_granted(space: Space) -> None:
    """People on duty get access at once, for the webhook's reason."""
    with client_of(space, JANE) as indent:
        petition = request_all(indent)
    assert petition["state"]["status"]["phase"] == "granted"
    reasons = [event.get("reason") for event in petition["state"]["eventHistory"]]
    lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert f"Approved: {lead}" in reasons


def test_tokens_of_the_env_file(space: Space) -> None:
    """Jane's token is granted at once; the administrator's reviews, but not its own requests."""
    values = variables(space)
    with (
        IndentAPI(values["INDENT_SPACE"], values["INDENT_API_TOKEN"], base_url=space.url) as indent,
        IndentAPI(values["INDENT_SPACE"], values["INDENT_ADMIN_TOKEN"], base_url=space.url) as boss,
    ):
        assert phase(indent, request_all(indent)) == "granted"
        own = request_all(boss)
        assert phase(boss, own) == "open"
        with pytest.raises(PermissionDeniedError, match=r"You cannot approve your own petition\."):
            boss.petition.approve(own["name"])
    rita = space.token_for(RITA)
    with (
        IndentAPI(values["INDENT_SPACE"], rita, base_url=space.url) as indent,
        IndentAPI(values["INDENT_SPACE"], values["INDENT_ADMIN_TOKEN"], base_url=space.url) as boss,
    ):
        petition = request_all(indent)
        assert phase(indent, petition) == "open"
        boss.petition.approve(petition["name"])
        assert phase(indent, petition) == "granted"


class Wound:
    """The real time plus a difference that a test sets."""

    def __init__(self) -> None:
        self.on = timedelta(0)

    def __call__(self) -> datetime:
        """The current time plus the difference."""
        return datetime.now(UTC) + self.on


def test_a_grant_ends_by_itself(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """After six hours access is revoked, the petition closes, and the history shows it."""
    clock = Wound()
    with (
        space_asking(sandbox.url, sandbox.webhook_secret, now=clock) as space,
        client_of(space, JANE) as indent,
    ):
        petition = request_all(indent)
        assert phase(indent, petition) == "granted"
        clock.on = timedelta(hours=5, minutes=59)
        assert phase(indent, petition) == "granted"
        clock.on = timedelta(hours=6, minutes=1)
        assert phase(indent, petition) == "closed"
        history = indent.petition.get(petition["name"])["state"]["eventHistory"]
        steps = ["access/request", "access/approve", "access/grant", "access/revoke"]
        assert [*dict.fromkeys(event["event"] for event in history)] == steps
        monkeypatch.setenv("INDENT_API_URL", space.url)
        resumed = approval.resume(
            petition["name"], space_name=space.name, api_token=space.token_for(JANE)
        )
        with pytest.raises(ApprovalRevoked):
            asyncio.run(resumed)


def test_off_duty_stays_open_until_a_human_approves(space: Space) -> None:
    """Without a duty the petition stays open until an administrator approves."""
    with client_of(space, "omid@example.com") as indent, client_of(space, NORA, admin=True) as boss:
        petition = request_all(indent)
        assert phase(indent, petition) == "open"
        boss.petition.approve(petition["name"], reason="go ahead")
        assert phase(indent, petition) == "granted"


def test_provider_down_leaves_it_open(space: Space, sandbox: Sandbox) -> None:
    """If the provider fails, the petition stays open, and the requester gets no error."""
    assert sandbox.double
    sandbox.double.fail("/", faults.Status(500))
    try:
        with client_of(space, JANE) as indent:
            assert phase(indent, request_all(indent)) == "open"
    finally:
        sandbox.double.clear_faults()
