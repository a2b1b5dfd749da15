"""Every collection of the client against the sandbox's space, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import indentapi
import pytest
from indentapi import Event, IndentAPI, Resource, WebhookPolicy, phase

from sandbox.space import Space

NAME = "indent.com/block"
GROUP: Resource = {"kind": "okta.v1.Group", "id": "prod", "displayName": "Production"}
SELECTED: WebhookPolicy = {"base": {"selector": {"matchLabels": {"Env": "Prod"}}}, "webhooks": []}


@pytest.fixture
def space() -> Iterator[Space]:
    """A space with one resource, and nobody who decides but people."""
    with Space("acmecorp") as one:
        one.add_resource("okta.v1.Group", "test", "Testing", {"Env": "Test"})
        yield one


@pytest.fixture
def ada(space: Space) -> Iterator[IndentAPI]:
    """An administrator's client."""
    token = space.token_for("ada@example.com", admin=True)
    with IndentAPI("acmecorp", token, base_url=space.url) as client:
        yield client


@pytest.fixture
def jane(space: Space) -> Iterator[IndentAPI]:
    """The client of somebody who requests."""
    with IndentAPI("acmecorp", space.token_for("jane@example.com"), base_url=space.url) as client:
        yield client


def test_resources(ada: IndentAPI) -> None:
    """Made, found by name and by label, changed one by one and in bulk, deleted."""
    made = ada.resource.create({**GROUP, "labels": {"Env": "Prod"}})
    name = made["labels"][NAME]
    assert ada.resource.get(name) == made
    assert ada.resource.list(label_selector="Env in (Prod, Stage)") == [made]
    assert ada.resource.members(name) == []
    assert ada.resource.update(name, {**GROUP, "displayName": "P"})["displayName"] == "P"
    (first, second) = ada.resource.bulk_update([GROUP, {**GROUP, "id": "more"}])
    assert (first["displayName"], second["id"]) == ("Production", "more")
    ada.resource.delete(name)
    ada.resource.bulk_delete([second["labels"][NAME]])
    assert [each["id"] for each in ada.resource.list(view="requestable")] == ["test"]
    assert ada.resource.pull_update(["indent.v1.Bot"]) == []


def test_petitions_and_claims(ada: IndentAPI, jane: IndentAPI) -> None:
    """Made, changed, reviewed; the claim is found from the petition and from the space."""
    wanted = ada.resource.list(view="requestable")
    name = jane.petition.create(reason="to debug", resources=wanted)["name"]
    changed = ada.petition.update(name, {"name": name, "spaceName": "acmecorp", "reason": "INC-7"})
    assert changed["reason"] == "INC-7"
    (approved,) = ada.petition.approve(name, reason="go ahead", duration="30m")
    claim = approved["meta"]["name"]
    assert approved["meta"]["labels"]["indent.com/time/duration"] == "30m0s"
    assert [*ada.petition.claims(name).iter()] == ada.claim.list() == [approved]
    assert ada.petition.claims(name).get(claim) == ada.claim.get(claim) == approved
    other = ada.petition.create(reason="to debug", resources=wanted)["name"]
    denial: Event = {"event": "access/deny", "meta": {"labels": {"petition": other}}}
    assert ada.claim.create(denial)["event"] == "access/deny"
    assert [phase(each) for each in ada.petition.list(ascending=True)] == ["granted", "closed"]
    ada.petition.delete(other)
    assert [each["name"] for each in ada.petition.list(among=[name, other])] == [name]


def test_webhooks_and_policies(ada: IndentAPI) -> None:
    """Made, changed and deleted; their secrets never come back."""
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
    """The token's space, and the block that says under which configuration petitions are made."""
    assert ada.space.list() == [ada.space.get("acmecorp")]
    assert ada.space.list(parent="other") == []
    selector = "indent.com/app=access-manager,indent.com/kind=indent.blocks.provider.v1.App"
    (block,) = ada.block.list(label_selector=selector)
    assert ada.block.get(block["name"]) == block
    assert block["labels"]["indent.com/app/config/id"] == "space:acmecorp"


@pytest.mark.parametrize("name", ["no-such-petition", "a/../b", "?x=1#y"])
def test_what_is_not_there(ada: IndentAPI, name: str) -> None:
    """A name that the space does not have is not found, whatever is in it."""
    with pytest.raises(indentapi.NotFoundError) as caught:
        ada.petition.get(name)
    assert caught.value.code == 5


def test_making_it_twice_is_a_conflict(ada: IndentAPI) -> None:
    """A resource of that kind and id is there already."""
    ada.resource.create(GROUP)
    with pytest.raises(indentapi.ConflictError) as caught:
        ada.resource.create(GROUP)
    assert (caught.value.status, caught.value.code) == (409, 6)


def test_threads_share_a_client(ada: IndentAPI) -> None:
    """Eight threads at once get their own answers each."""
    made = ada.resource.bulk_update([{**GROUP, "id": str(number)} for number in range(64)])
    names = [each["labels"][NAME] for each in made]
    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(ada.resource.get, names)] == made
