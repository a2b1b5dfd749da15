"""The packages against the sandbox's space: real HTTP, nothing scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import indentapi
import pytest
from approvals import ApprovalDenied, ApprovalRevoked, ApprovalTimeout, Progress, approval
from indentapi import IndentAPI, Resource, phase

from sandbox.space import Space

JANE, ADA = "jane@example.com", "ada@example.com"


@pytest.fixture
def space() -> Iterator[Space]:
    """A space with two resources, and nobody who decides but people."""
    with Space("acmecorp") as one:
        one.add_resource("okta.v1.Group", "prod", "Production", {"Env": "Prod"})
        one.add_resource("okta.v1.Group", "test", "Testing", {"Env": "Test"})
        yield one


@pytest.fixture
def jane(space: Space, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndentAPI]:
    """The client of somebody who requests; her settings are the environment's."""
    monkeypatch.setenv("INDENT_API_URL", space.url)
    monkeypatch.setenv("INDENT_SPACE", "acmecorp")
    monkeypatch.setenv("INDENT_API_TOKEN", space.token_for(JANE))
    with IndentAPI() as client:
        yield client


@pytest.fixture
def ada(space: Space) -> Iterator[IndentAPI]:
    """An administrator's client."""
    token = space.token_for(ADA, admin=True)
    with IndentAPI("acmecorp", token, base_url=space.url) as client:
        yield client


def _production(indent: IndentAPI) -> list[Resource]:
    return [
        r for r in indent.resource.list(view="requestable") if r.get("displayName") == "Production"
    ]


def test_request_as_in_the_guide(jane: IndentAPI) -> None:
    """The guide's script finds Production and requests it."""
    pet = jane.petition.create(
        reason="to debug production", resources=_production(jane), default_duration="1h30m"
    )
    assert pet["spaceName"] == "acmecorp"
    kept = jane.petition.get(pet["name"])
    assert phase(kept) == "open"
    assert [r["id"] for r in kept["resources"]] == ["prod"]
    assert [p["email"] for p in kept["petitioners"]] == [JANE]
    assert kept["defaultDuration"] == "5400s"
    assert kept["meta"]["labels"]["indent.com/petition/duration"] == "1h30m0s"


def test_pages(jane: IndentAPI) -> None:
    """A list is the same, however small its pages are."""
    whole = jane.resource.list()
    assert len(whole) > 2
    assert jane.resource.list(page_size=1) == whole


def test_a_person_decides(jane: IndentAPI, ada: IndentAPI) -> None:
    """Approved, then revoked: every step is seen by who waits."""
    name = jane.petition.create(reason="to debug", resources=_production(jane))["name"]
    ada.petition.approve(name, reason="go ahead", duration=1)
    assert phase(jane.petition.wait_for(name)) == "granted"
    ada.petition.revoke(name)
    assert phase(jane.petition.get(name)) in {"revoked", "closed"}
    with pytest.raises(ApprovalRevoked):
        asyncio.run(approval.resume(name, quiet=True))


def test_nobody_approves_himself(jane: IndentAPI) -> None:
    """The space refuses it, in an exception of its own class."""
    name = jane.petition.create(reason="to debug", resources=_production(jane))["name"]
    with pytest.raises(indentapi.PermissionDeniedError) as caught:
        jane.petition.approve(name)
    assert caught.value.code == 7


def test_a_wrong_token(space: Space) -> None:
    """A token that the space did not issue is an authentication error."""
    with (
        IndentAPI("acmecorp", "wrong", base_url=space.url) as stranger,
        pytest.raises(indentapi.AuthenticationError),
    ):
        stranger.petition.list()


def test_what_is_not_there(jane: IndentAPI) -> None:
    """A petition that the space does not have is not found."""
    with pytest.raises(indentapi.NotFoundError):
        jane.petition.get("no-such-petition")


@pytest.mark.usefixtures("jane")
def test_approval_is_granted_by_a_person(ada: IndentAPI) -> None:
    """`await approval` comes back as soon as somebody has approved."""

    def decide(progress: Progress) -> None:
        if progress.kind == "requested":
            ada.petition.approve(progress.petition["name"])

    async def ask() -> indentapi.Petition:
        return await approval(
            {"reason": "to reset a password", "resources": [{"kind": "action", "id": "reset:1"}]},
            on_event=decide,
        )

    assert phase(asyncio.run(ask())) == "granted"


@pytest.mark.usefixtures("jane")
def test_approval_is_denied_by_a_person(ada: IndentAPI) -> None:
    """A denial, which the space shows as closed, is ApprovalDenied."""

    def decide(progress: Progress) -> None:
        if progress.kind == "requested":
            ada.petition.deny(progress.petition["name"])

    with pytest.raises(ApprovalDenied):
        asyncio.run(
            approval(
                {"reason": "to reset it", "resources": [{"kind": "action", "id": "reset:1"}]},
                on_event=decide,
            )
        )


def test_timeout_then_resume(jane: IndentAPI, ada: IndentAPI) -> None:
    """Who did not wait long enough can come back."""
    with pytest.raises(ApprovalTimeout) as caught:
        asyncio.run(
            approval({"reason": "to debug", "resources": _production(jane)}, timeout=0, quiet=True)
        )
    name = caught.value.petition["name"]
    ada.petition.approve(name)
    granted = asyncio.run(approval.resume(name, quiet=True))
    assert phase(granted) == "granted"
