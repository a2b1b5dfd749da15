"""The public API as users write it, checked by mypy and never run.

Each `type: ignore` marks a mistake that mypy must find; mypy reports an unused one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from approvals import (
    ApprovalTimeout,
    Petition,
    Progress,
    approval,
    approval_sync,
    requires_approval,
)
from indentapi import Block, Event, IndentAPI, IndentError, Resource, Space, Webhook


def request_production() -> str:
    """The guide's first script."""
    with IndentAPI() as indent:
        resources = indent.resource.list(view="requestable")
        assert_type(resources, list[Resource])
        pet = indent.petition.create(
            reason="to debug production",
            resources=[r for r in resources if r["displayName"] == "Production"],
            default_duration=timedelta(hours=1),
        )
        assert_type(pet, Petition)
        assert_type(indent.petition.wait_for(pet["name"], timeout=None), Petition)
        assert_type(indent.petition.claims(pet["name"]).list(), list[Event])
        assert_type(indent.petition.approve(pet["name"], duration="1h30m"), list[Event])
        assert_type(indent.space.get("acmecorp"), Space)
        assert_type(next(indent.webhook.iter(kinds=["decision"], page_size=5)), Webhook)
        assert_type(indent.webhook.test_policy([{"webhooks": []}], view="x"), list[Webhook])
        (block,) = indent.block.list(label_selector="indent.com/app=access-manager", latest=True)
        assert_type(block, Block)
        assert_type(block["labels"], dict[str, str])
        return f"indent.com/access/{pet['spaceName']}/{pet['name']}"


async def reset_password(user: str) -> Petition:
    """The guide's second script."""
    try:
        return await approval(
            {"reason": f"to reset {user}", "resources": [{"kind": "action", "id": user}]},
            duration=1.5,
            on_event=lambda progress: assert_type(progress, Progress),
        )
    except ApprovalTimeout as late:
        return await approval.resume(late.petition["name"], timeout=60)
    except IndentError as error:
        assert_type(error.status, int | None)
        raise


@requires_approval(reason="to delete {user}", resources=[{"kind": "action", "id": "rm:{user}"}])
def delete(user: str) -> int:
    """A guarded function keeps its signature."""
    return len(user)


@requires_approval(reason="to delete {user}", resources=[{"kind": "action", "id": "rm:{user}"}])
async def delete_later(user: str) -> int:
    """A guarded coroutine function keeps its signature as well."""
    return len(user)


async def guarded() -> None:
    """Guarded functions return what the functions return."""
    assert_type(delete("jane"), int)
    assert_type(await delete_later("jane"), int)


def mistakes(indent: IndentAPI) -> None:
    """Mistakes that the types must find."""
    indent.petition.create(reason="no resources")  # type: ignore[call-arg] # they are required
    indent.petition.create(reason="x", resources=[{"kin": "action"}])  # type: ignore[typeddict-unknown-key] # no such key
    indent.space.create({"name": "x"})  # type: ignore[attr-defined] # spaces are not made here
    indent.petition.approve("x", duration=[1])  # type: ignore[arg-type] # no duration
    approval_sync({"resources": []})  # type: ignore[typeddict-item] # a reason is required
    indent.resource.list(lable_selector="k=v")  # type: ignore[call-arg] # no such filter
    indent.space.iter(view="people")  # type: ignore[call-arg] # spaces have no view
    indent.webhook.list(kinds=7)  # type: ignore[arg-type] # a list of texts
    indent.block.get("b")["meta"]  # type: ignore[typeddict-item] # a block has labels, not a meta
    indent.webhook.test_policy("on-call")  # type: ignore[arg-type] # a list of policies
    approval_sync({"reason": "x", "resources": []}, quite=True)  # type: ignore[call-arg] # misspelt
    approval_sync({"reason": "x", "resources": []}, timeout="5")  # type: ignore[arg-type] # a number
    approval_sync.resume("x", duration=1)  # type: ignore[call-arg] # decided with the request
    requires_approval(reason="x", resources=[], time_out=5)  # type: ignore[call-arg] # misspelt
    approval({"reason": "x", "resources": []})  # type: ignore[unused-coroutine] # not awaited
    approval.resume("x")  # type: ignore[unused-coroutine] # the same
    delete(7)  # type: ignore[arg-type] # a guarded function takes what it took
