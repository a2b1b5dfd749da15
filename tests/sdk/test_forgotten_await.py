"""`approval({...})` without `await` warns, and never looks approved."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from approvals import ApprovalNotAwaited, Request, approval
from approvals.pending import PendingApproval
from scripted_api import ScriptedApi

pytestmark = pytest.mark.usefixtures("environment")
SDK = Path(__file__).resolve().parents[2] / "sdk"
REQUEST: Request = {"reason": "to reset it", "resources": [{"kind": "action", "id": "reset:1"}]}
WARNING = "NOTHING WAS REQUESTED AND NOBODY HAS APPROVED"


@pytest.mark.parametrize(
    ("call", "warning_text"),
    [
        (lambda: approval(REQUEST), "approval({...}) was called without `await`"),
        (lambda: approval.resume("aec1"), "approval.resume('aec1') was called without `await`"),
    ],
)
def test_it_warns_each_time(
    call: Callable[[], object], warning_text: str, api: ScriptedApi
) -> None:
    """Each call without `await` warns with its line, and sends nothing."""
    with pytest.warns(ApprovalNotAwaited) as caught:
        [call() for _ in range(2)].clear()
    assert [warning.filename for warning in caught] == [__file__] * 2
    assert all(warning_text in str(warning.message) for warning in caught)
    assert all(WARNING in str(warning.message) for warning in caught)
    assert not api.requests


def test_it_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The mistake is logged as CRITICAL, with its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        approval(REQUEST)  # type: ignore[unused-coroutine] # the mistake
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("approvals", "CRITICAL")
    assert WARNING in record.getMessage()
    assert __file__ in record.getMessage()


@pytest.mark.parametrize(
    "use",
    [
        bool,
        lambda pending: pending or None,
        lambda pending: not pending,
        lambda pending: pending and "reset",
        lambda pending: "reset" if pending else "",
        lambda pending: all([pending]),
        lambda pending: pending["state"],
        lambda pending: pending.get("state"),
        dict,
        list,
    ],
)
def test_nothing_looks_approved(use: Callable[[Any], object]) -> None:
    """Using the coroutine like a petition raises an error."""
    with pytest.warns(ApprovalNotAwaited), pytest.raises((TypeError, AttributeError)):
        use(approval(REQUEST))


def test_a_condition_names_the_correct_form() -> None:
    """The error of `if approval({...}):` names the correct form."""
    with (
        pytest.warns(ApprovalNotAwaited),
        pytest.raises(TypeError, match=r"write `await approval\(\{\.\.\.\}\)`"),
    ):
        bool(approval(REQUEST))


def test_awaited_it_is_silent(api: ScriptedApi) -> None:
    """Any way of awaiting it is without a warning."""

    async def in_all_ways() -> None:
        await approval(REQUEST, quiet=True)
        await asyncio.create_task(approval(REQUEST, quiet=True))
        await asyncio.gather(approval(REQUEST, quiet=True), approval.resume("x", quiet=True))
        await asyncio.wait_for(approval(REQUEST, quiet=True), 30)

    asyncio.run(in_all_ways())
    asyncio.run(approval(REQUEST, quiet=True), debug=True)
    assert len(api.requests) == 6


def test_tasks_of_it_can_be_shown(api: ScriptedApi) -> None:
    """Asyncio may ask whether a task's coroutine is true, before and after it has started."""

    async def main() -> list[str]:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        shown = [repr(task)]
        await task
        assert api.requests
        return [*shown, repr(task)]

    assert all("Task" in text for text in asyncio.run(main()))
    pending: Any = approval(REQUEST)
    asked = eval("lambda pending: bool(pending)", {"__name__": "asyncio.base_tasks"})  # noqa: S307
    assert asked(pending)
    with pytest.raises(TypeError):
        bool(pending)
    pending.close()
    assert pending


def test_it_is_a_coroutine() -> None:
    """It is accepted as a coroutine, and closing it is without a warning."""
    pending = approval(REQUEST)
    assert asyncio.iscoroutine(pending)
    assert inspect.isawaitable(pending)
    assert repr(pending) == "<approval({...}): NOT AWAITED, nothing requested>"
    pending.close()
    assert repr(pending) == "<approval({...}): awaited>"


def test_it_is_awaited_once() -> None:
    """A second `await` is an error, and sends no second request."""

    async def twice() -> None:
        pending = approval(REQUEST, quiet=True)
        await pending
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            await pending

    asyncio.run(twice())


def test_thrown_exceptions_are_raised() -> None:
    """A thrown exception is raised again, without a warning."""
    with pytest.raises(ValueError, match="x"):
        approval(REQUEST).throw(ValueError("x"))


def test_a_wrong_request_raises_without_await(api: ScriptedApi) -> None:
    """Wrong arguments raise at the call."""
    untyped: Any = approval
    with pytest.raises(TypeError, match="has no 'resources'"):
        untyped({"reason": "to reset it"})
    assert not api.requests


@pytest.mark.parametrize("flags", [[], ["-W", "error"]])
def test_a_script_shows_it(flags: list[str], tmp_path: Path) -> None:
    """A plain script prints the warning with the line, even with `-W error`."""
    script = tmp_path / "script.py"
    script.write_text(
        "from approvals import approval\n"
        "async def main():\n"
        "    approval({'reason': 'x', 'resources': [{'kind': 'action', 'id': 'x'}]})\n"
        "import asyncio; asyncio.run(main())\n"
    )
    path = os.pathsep.join(str(SDK / name / "src") for name in ("indentapi", "approvals"))
    process = subprocess.run(
        [sys.executable, *flags, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert WARNING in process.stderr
    assert "script.py:3" in process.stderr or flags


def test_an_unfinished_object_is_silent() -> None:
    """An object without a finished constructor doesn't warn."""
    PendingApproval.__new__(PendingApproval).__del__()
