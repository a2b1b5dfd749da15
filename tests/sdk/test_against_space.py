"""Both packages against the sandbox's space, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import indentapi
import pytest
from approvals import ApprovalDenied, ApprovalRevoked, ApprovalTimeout, Progress, approval
from indentapi import Event, IndentAPI, Resource, WebhookPolicy, phase

from sandbox.space import Space

NAME = "indent.com/block"
STAGING: Resource = {"kind": "okta.v1.Group", "id": "stage", "displayName": "Staging"}
SELECTED: WebhookPolicy = {"base": {"selector": {"matchLabels": {"Env": "Prod"}}}, "webhooks": []}
JANE, ADA = "jane@example.com", "ada@example.com"


@pytest.fixture
def space() -> Iterator[Space]:
    """A space with two resources, where only people decide."""
    with Space("acmecorp") as space:
        space.add_resource("okta.v1.Group", "prod", "Production", {"Env": "Prod"})
        space.add_resource("okta.v1.Group", "test", "Testing", {"Env": "Test"})
        yield space


@pytest.fixture
def jane(space: Space, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndentAPI]:
    """A requester's client; her settings come from the environment."""
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
    stored = jane.petition.get(pet["name"])
    assert phase(stored) == "open"
    assert [r["id"] for r in stored["resources"]] == ["prod"]
    assert [p["email"] for p in stored["petitioners"]] == [JANE]
    assert stored["defaultDuration"] == "5400s"
    assert stored["meta"]["labels"]["indent.com/petition/duration"] == "1h30m0s"


def test_pages(jane: IndentAPI) -> None:
    """A list is the same with any page size."""
    whole = jane.resource.list()
    assert len(whole) > 2
    assert jane.resource.list(page_size=1) == whole


def test_a_person_decides(jane: IndentAPI, ada: IndentAPI) -> None:
    """A waiting client sees the approval, then the revocation."""
    name = jane.petition.create(reason="to debug", resources=_production(jane))["name"]
    ada.petition.approve(name, reason="go ahead", duration=1)
    assert phase(jane.petition.wait_for(name)) == "granted"
    (production,) = _production(jane)
    members = jane.resource.members(production["labels"][NAME])
    assert [person["email"] for person in members] == [JANE]
    ada.petition.revoke(name)
    assert phase(jane.petition.get(name)) in {"revoked", "closed"}
    with pytest.raises(ApprovalRevoked):
        asyncio.run(approval.resume(name, quiet=True))


def test_nobody_approves_their_own_request(jane: IndentAPI) -> None:
    """The space refuses it, with an exception class of its own."""
    name = jane.petition.create(reason="to debug", resources=_production(jane))["name"]
    with pytest.raises(indentapi.PermissionDeniedError) as caught:
        jane.petition.approve(name)
    assert caught.value.code == 7


def test_a_wrong_token(space: Space) -> None:
    """A token that the space didn't issue raises an authentication error."""
    with (
        IndentAPI("acmecorp", "wrong", base_url=space.url) as stranger,
        pytest.raises(indentapi.AuthenticationError),
    ):
        stranger.petition.list()


@pytest.mark.usefixtures("jane")
def test_approval_is_granted_by_a_person(ada: IndentAPI) -> None:
    """`await approval` returns once somebody has approved."""

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
    """A denial, which the space shows as closed, raises ApprovalDenied."""

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
    """After a timeout, the script can resume waiting."""
    with pytest.raises(ApprovalTimeout) as caught:
        asyncio.run(
            approval({"reason": "to debug", "resources": _production(jane)}, timeout=0, quiet=True)
        )
    name = caught.value.petition["name"]
    ada.petition.approve(name)
    granted = asyncio.run(approval.resume(name, quiet=True))
    assert phase(granted) == "granted"


def test_resources(ada: IndentAPI) -> None:
    """Resources can be made, found, changed, changed in bulk, and deleted."""
    created = ada.resource.create({**STAGING, "labels": {"Env": "Stage"}})
    name = created["labels"][NAME]
    assert ada.resource.get(name) == created
    assert ada.resource.list(label_selector="Env in (Stage, QA)") == [created]
    assert ada.resource.members(name) == []
    assert ada.resource.update(name, {**STAGING, "displayName": "S"})["displayName"] == "S"
    (first, second) = ada.resource.bulk_update([STAGING, {**STAGING, "id": "more"}])
    assert (first["displayName"], second["id"]) == ("Staging", "more")
    ada.resource.delete(name)
    ada.resource.bulk_delete([second["labels"][NAME]])
    assert [item["id"] for item in ada.resource.list(view="requestable")] == ["prod", "test"]
    assert ada.resource.pull_update(["indent.v1.Bot"]) == []


def test_petitions_and_claims(ada: IndentAPI, jane: IndentAPI) -> None:
    """Petitions can be made, changed and reviewed; claims are found both ways."""
    resources = ada.resource.list(view="requestable")
    name = jane.petition.create(reason="to debug", resources=resources)["name"]
    changed = ada.petition.update(name, {"name": name, "spaceName": "acmecorp", "reason": "INC-7"})
    assert changed["reason"] == "INC-7"
    (approved,) = ada.petition.approve(name, reason="go ahead", duration="30m")
    claim = approved["meta"]["name"]
    assert approved["meta"]["labels"]["indent.com/time/duration"] == "30m0s"
    assert [*ada.petition.claims(name).iter()] == ada.claim.list() == [approved]
    assert ada.petition.claims(name).get(claim) == ada.claim.get(claim) == approved
    other = ada.petition.create(reason="to debug", resources=resources)["name"]
    denial: Event = {"event": "access/deny", "meta": {"labels": {"petition": other}}}
    assert ada.claim.create(denial)["event"] == "access/deny"
    assert ada.claim.list(label_selector=f"petition={name}") == [approved]
    assert [phase(item) for item in ada.petition.list(ascending=True)] == ["granted", "closed"]
    assert [phase(item) for item in ada.petition.list()] == ["closed", "granted"]
    ada.petition.delete(other)
    assert [item["name"] for item in ada.petition.list(among=[name, other])] == [name]


def test_webhooks_and_policies(ada: IndentAPI) -> None:
    """They can be made, changed and deleted, and never return their secrets."""
    hook = ada.webhook.create({"url": "http://127.0.0.1:9/", "secret": "wks0secret"})
    assert ada.webhook.update(hook["name"], {"dryRun": True})["dryRun"] is True
    assert ada.webhook.get(hook["name"]) == ada.webhook.list()[0]
    assert "wks0secret" not in repr(ada.webhook.list())
    policy = ada.webhook.policies.create(SELECTED)
    name = policy["meta"]["name"]
    named: WebhookPolicy = {"webhooks": [{"name": hook["name"]}]}
    assert ada.webhook.test_policy([SELECTED, named]) == [ada.webhook.get(hook["name"])]
    assert ada.webhook.policies.update(name, {**policy, **named}) == {**policy, **named}
    assert ada.webhook.policies.list() == [ada.webhook.policies.get(name)]
    assert ada.webhook.policies.list(among=["none"]) == []
    ada.webhook.policies.delete(name)
    ada.webhook.delete(hook["name"])
    assert ada.webhook.policies.list() == ada.webhook.list() == []


def test_spaces_and_blocks(ada: IndentAPI) -> None:
    """The token's space, and the block with a petition's configuration, can be read."""
    assert ada.space.list() == [ada.space.get("acmecorp")]
    assert ada.space.list(parent="other") == []
    selector = "indent.com/app=access-manager,indent.com/kind=indent.blocks.provider.v1.App"
    (block,) = ada.block.list(label_selector=selector)
    assert ada.block.get(block["name"]) == block
    assert block["labels"]["indent.com/app/config/id"] == "space:acmecorp"


@pytest.mark.parametrize("name", ["no-such-petition", "a/../b", "?x=1#y"])
def test_unknown_names(ada: IndentAPI, name: str) -> None:
    """An unknown name raises NotFoundError."""
    with pytest.raises(indentapi.NotFoundError) as caught:
        ada.petition.get(name)
    assert caught.value.code == 5


def test_making_it_twice_is_a_conflict(ada: IndentAPI) -> None:
    """A second resource of the same kind and id is a conflict."""
    ada.resource.create(STAGING)
    with pytest.raises(indentapi.ConflictError) as caught:
        ada.resource.create(STAGING)
    assert (caught.value.status, caught.value.code) == (409, 6)


def test_threads_share_a_client(ada: IndentAPI) -> None:
    """Eight threads with one client each get their own answers."""
    created = ada.resource.bulk_update([{**STAGING, "id": str(number)} for number in range(64)])
    names = [item["labels"][NAME] for item in created]
    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(ada.resource.get, names)] == created
