"""Functions that run only once their call is approved."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest
from approvals import ApprovalDenied, requires_approval
from scripted_api import ScriptedApi, petition

pytestmark = pytest.mark.usefixtures("environment")
RESOURCES: Any = [{"kind": "action", "id": "reset:{user_id}", "labels": {"n": "{count}"}}]


@requires_approval(reason="reset {user_id}, {{really}}", resources=RESOURCES, quiet=True)
def reset(user_id: int, count: int = 1) -> str:
    """Reset it."""
    return f"{user_id} reset {count}"


@requires_approval(reason="reset {user_id}", resources=RESOURCES, quiet=True)
async def reset_later(user_id: int, *, count: int) -> str:
    """Reset it later."""
    return f"{user_id} reset {count}"


def test_sync_function(api: ScriptedApi) -> None:
    """It runs after the approval; arguments and defaults fill the texts."""
    assert reset(123) == "123 reset 1"
    petition = api.requests[0].body["petition"]
    assert petition["reason"] == "reset 123, {really}"
    assert petition["resources"] == [{"kind": "action", "id": "reset:123", "labels": {"n": "1"}}]


def test_async_function(api: ScriptedApi) -> None:
    """A coroutine function runs after the approval, and stays one."""
    assert inspect.iscoroutinefunction(reset_later)
    assert asyncio.run(reset_later(7, count=2)) == "7 reset 2"
    assert api.requests[0].body["petition"]["resources"][0]["labels"] == {"n": "2"}


def test_each_call_asks(api: ScriptedApi) -> None:
    """Each call needs its own approval."""
    reset(1)
    reset(2)
    assert [request.body["petition"]["resources"][0]["id"] for request in api.requests] == [
        "reset:1",
        "reset:2",
    ]


def test_denied_does_not_run(api: ScriptedApi) -> None:
    """Without approval the function doesn't run."""
    calls = []

    @requires_approval(reason="no", resources=RESOURCES, quiet=True)
    def guarded(user_id: int, count: int) -> None:
        calls.append((user_id, count))

    api.respond_with(petition("closed", "access/deny"))
    with pytest.raises(ApprovalDenied):
        guarded(1, 2)
    assert not calls


def test_arguments_are_text_and_never_templates(api: ScriptedApi) -> None:
    """Braces in an argument aren't replaced."""
    untrusted: Any = "{count.__class__}"
    reset(untrusted)
    assert api.requests[0].body["petition"]["resources"][0]["id"] == "reset:{count.__class__}"


def test_wrong_arguments_ask_nobody(api: ScriptedApi) -> None:
    """A call with wrong arguments requests nothing."""
    wrong: Any = reset
    with pytest.raises(TypeError):
        wrong()
    assert not api.requests


@pytest.mark.parametrize("text", ["reset {user}", "reset {}", "reset {0}", "{user.id}"])
def test_unknown_names_are_found_early(text: str) -> None:
    """A text that names no parameter is an error at the decorator."""
    resource: Any = {"kind": "action", "id": text}
    plain: Any = {"kind": "action", "id": "reset"}
    for reason, resources in ((text, [plain]), ("ok", [resource])):
        with pytest.raises(TypeError, match=r"isn't a parameter; .*user_id"):

            @requires_approval(reason=reason, resources=resources)
            def reset_wrongly(user_id: int) -> None:
                """A function that can't be decorated."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reason": ""}, "reason is empty"),
        ({"resources": []}, "resources is empty"),
        ({"petitioners": [{}]}, "needs an 'email'"),
        ({"duration": "soon"}, "isn't a valid duration"),
        ({"quite": True}, "unknown option 'quite'; did you mean 'quiet'"),
    ],
)
def test_wrong_arguments_are_found_early(wrong: Any, message: str) -> None:  # noqa: ANN401 - wrong on purpose
    """Wrong arguments are an error at the decorator."""
    arguments = {"reason": "ok", "resources": [{"kind": "action", "id": "x"}], **wrong}
    with pytest.raises((TypeError, ValueError), match=message):
        requires_approval(**arguments)


def test_sync_function_where_a_loop_runs(api: ScriptedApi) -> None:
    """In a notebook's cell it waits in a thread, and runs in the caller's."""
    threads: list[threading.Thread] = []

    @requires_approval(reason="reset {user_id}", resources=RESOURCES, quiet=True)
    def guarded(user_id: int, count: int) -> None:
        assert user_id == count
        threads.append(threading.current_thread())

    async def cell() -> None:
        guarded(1, 1)

    asyncio.run(cell())
    assert threads == [threading.current_thread()]
    assert len(api.requests) == 1


def test_another_api(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base_url=` is passed on."""
    monkeypatch.delenv("INDENT_API_URL")
    resource: Any = {"kind": "action", "id": "x"}

    @requires_approval(reason="ok", resources=[resource], base_url=api.url, quiet=True)
    def guarded() -> str:
        return "ran"

    assert guarded() == "ran"


def test_metadata_is_kept() -> None:
    """It keeps its name, signature and docstring."""
    assert reset.__doc__ == "Reset it."
    assert [*inspect.signature(reset).parameters] == ["user_id", "count"]
