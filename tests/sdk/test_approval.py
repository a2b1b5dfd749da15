"""Asking for approval, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from approvals import (
    Approval,
    ApprovalDenied,
    ApprovalError,
    ApprovalRevoked,
    ApprovalTimeout,
    Progress,
    Request,
    approval,
    approval_sync,
)
from indentapi import IndentError
from scripted_api import HANGS_UP, Says, ScriptedApi, petition, token_of

REQUEST: Request = {
    "reason": "to debug production",
    "resources": [{"kind": "action", "id": "reset-password:123", "displayName": "Reset"}],
}
OPEN, GRANTED = petition("open"), petition("granted", "access/request", "access/grant")
REFERENCE = "#acmecorp/aec1b116"


class AsyncScriptedClock:
    """A clock that moves when somebody sleeps, and tells a listener."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.on_sleep: Callable[[], object] = int

    def now(self) -> float:
        """Seconds since the start."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Let them pass at once."""
        assert seconds > 0
        self.elapsed += seconds
        self.on_sleep()


@pytest.fixture(autouse=True)
def environment(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings as the guide sets them."""
    monkeypatch.setenv("INDENT_API_URL", api.url)
    monkeypatch.setenv("INDENT_SPACE", "acmecorp")
    monkeypatch.setenv("INDENT_API_TOKEN", token_of("jane@example.com"))


@pytest.fixture
def passing() -> AsyncScriptedClock:
    """Time that passes at once."""
    return AsyncScriptedClock()


def _granted_after(seconds: float, api: ScriptedApi, clock: AsyncScriptedClock) -> None:
    api.says(OPEN)

    def grant() -> None:
        if clock.elapsed > seconds:
            api.says(GRANTED)

    clock.on_sleep = grant


def test_lines_as_in_the_guide(
    api: ScriptedApi, passing: AsyncScriptedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference, a line at 2, 4 and 8 seconds, and the end."""
    _granted_after(8.5, api, passing)
    assert asyncio.run(Approval(passing)(REQUEST)) == GRANTED
    assert capsys.readouterr().out == (
        f"⏵ Requested approval {REFERENCE}\n"
        "↳ Waiting for approval... (2s elapsed)\n"
        "↳ Waiting for approval... (4s elapsed)\n"
        "↳ Waiting for approval... (8s elapsed)\n"
        "✅ Granted\n"
    )


def test_lines_go_on_doubling(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """Without a timeout the lines come ever more rarely, each at its second."""
    _granted_after(40, api, passing)
    seen: list[tuple[int, float]] = []

    def note(progress: Progress) -> None:
        if progress.kind == "waiting":
            seen.append((progress.elapsed, passing.elapsed))

    asyncio.run(Approval(passing)(REQUEST, timeout=None, on_event=note))
    assert [line for line, _ in seen] == [2, 4, 8, 16, 32]
    assert all(at == pytest.approx(line) for line, at in seen)


def test_plain_characters(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the encoding lacks the symbols, the lines are still there."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", newline="\n")
    monkeypatch.setattr(sys, "stdout", out)
    api.says(OPEN, OPEN, GRANTED)
    approval_sync(REQUEST)
    raw = out.detach()
    assert isinstance(raw, io.BytesIO)
    assert raw.getvalue().decode("ascii") == f"> Requested approval {REFERENCE}\n[ok] Granted\n"


def test_all_characters_in_memory(api: ScriptedApi) -> None:
    """An output without an encoding lacks no symbol."""
    api.says(GRANTED)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        approval_sync(REQUEST)
    assert out.getvalue() == f"⏵ Requested approval {REFERENCE}\n✅ Granted\n"


def test_no_output_at_all(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a standard output is granted all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    api.says(GRANTED)
    assert approval_sync(REQUEST) == GRANTED


def test_an_instant_approval_needs_no_look(api: ScriptedApi) -> None:
    """What is granted in the answer to the request returns with it."""
    api.says(GRANTED)
    approval_sync(REQUEST, quiet=True)
    assert api.targets() == ["POST /spaces/acmecorp/petitions"]


def test_looks_often_at_first(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """An approval after a moment is seen a moment later."""
    _granted_after(0.1, api, passing)
    asyncio.run(Approval(passing)(REQUEST, quiet=True))
    assert passing.elapsed < 0.2


def test_looks_rarely_later(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """A long wait does not flood the API."""
    _granted_after(600, api, passing)
    asyncio.run(Approval(passing)(REQUEST, quiet=True, timeout=None))
    assert len(api.asked) < 330


@pytest.mark.parametrize(
    ("end", "events", "raises"),
    [
        ("closed", ["access/request", "access/deny"], ApprovalDenied),
        ("closed", ["access/request"], ApprovalDenied),
        ("closed", ["access/request", "access/approve", "access/deny"], ApprovalDenied),
        ("deleted", [], ApprovalDenied),
        ("revoked", ["access/request", "access/grant", "access/revoke"], ApprovalRevoked),
        ("closed", ["access/request", "access/grant", "access/revoke"], ApprovalRevoked),
        ("closed", ["access/revoke"], ApprovalRevoked),
        ("closed", ["access/grant"], ApprovalRevoked),
    ],
)
def test_not_granted(
    end: str, events: list[str], raises: type[ApprovalError], api: ScriptedApi
) -> None:
    """Closed is told apart by its history; the exception knows the petition and its page."""
    api.says(OPEN, petition(end, *events))
    with pytest.raises(ApprovalError) as caught:
        approval_sync(REQUEST, quiet=True)
    error = caught.value
    assert type(error) is raises
    assert error.petition["name"] == "aec1b116"
    assert error.url == "https://indent.com/access/acmecorp/aec1b116"
    assert error.url in str(error)
    assert isinstance(error, IndentError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - made right here


def test_timeout_and_resume(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """After ten seconds it raises, and the petition's name is enough to go on."""
    api.says(OPEN)
    seen: list[str] = []
    ask = Approval(passing)
    with pytest.raises(ApprovalTimeout) as caught:
        asyncio.run(ask(REQUEST, on_event=lambda progress: seen.append(progress.kind)))
    assert passing.elapsed == pytest.approx(10)
    assert seen == ["requested", "waiting", "waiting", "waiting", "timeout"]
    assert isinstance(caught.value, TimeoutError)

    api.asked.clear()
    api.says(OPEN, GRANTED)
    assert asyncio.run(ask.resume(caught.value.petition["name"], quiet=True)) == GRANTED
    assert set(api.targets()) == {"GET /spaces/acmecorp/petitions/aec1b116"}


def test_no_patience_is_one_look(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """A timeout of zero asks, and does not wait."""
    api.says(OPEN)
    with pytest.raises(ApprovalTimeout):
        asyncio.run(Approval(passing)(REQUEST, timeout=0, quiet=True))
    assert passing.elapsed == 0


def test_what_is_sent(api: ScriptedApi) -> None:
    """Petitioners, duration, space and token go where they belong."""
    api.says(GRANTED)
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    approval_sync(
        REQUEST, petitioners=[mary], duration="2h", space_name="other", api_token="tok", quiet=True
    )
    (asked,) = api.asked
    assert asked.path == "/spaces/other/petitions"
    assert asked.headers["authorization"] == "Bearer tok"
    sent = asked.body["petition"]
    assert sent["petitioners"] == [mary]
    assert sent["defaultDuration"] == "7200s"
    assert sent["reason"] == "to debug production"
    assert sent["resources"] == REQUEST["resources"]


def test_petitioners_in_the_request(api: ScriptedApi) -> None:
    """They may stand in the request, too."""
    api.says(GRANTED)
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    approval_sync({**REQUEST, "petitioners": [mary]}, quiet=True)
    assert api.asked[0].body["petition"]["petitioners"] == [mary]


def test_a_misspelt_request_is_an_error(api: ScriptedApi) -> None:
    """A key that nobody reads is not ignored."""
    wrong: Any = {**REQUEST, "petitioner": []}
    with pytest.raises(TypeError, match="petitioner"):
        approval_sync(wrong)
    assert not api.asked


def test_an_error_while_waiting_says_how_to_go_on(api: ScriptedApi) -> None:
    """When the API stops answering, the petition is not lost."""
    api.says(OPEN, Says({"message": "not any more"}, 403))
    with pytest.raises(IndentError, match="not any more") as caught:
        approval_sync(REQUEST, quiet=True)
    (note,) = caught.value.__notes__
    assert "approval.resume('aec1b116')" in note


def test_a_blip_while_waiting_is_survived(api: ScriptedApi) -> None:
    """One broken answer does not end the waiting."""
    api.says(OPEN, HANGS_UP, GRANTED)
    assert approval_sync(REQUEST, quiet=True) == GRANTED


def test_the_loop_is_never_blocked(api: ScriptedApi) -> None:
    """While the API takes its time, the event loop runs: only the loop lets the answer go."""
    release, arrived = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert release.wait(30)

    api.says(Says(GRANTED, meanwhile=hold))

    async def both() -> object:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        await asyncio.to_thread(arrived.wait, 30)
        release.set()
        return await task

    assert asyncio.run(both()) == GRANTED


def test_cancelling_leaves_nothing_running(api: ScriptedApi) -> None:
    """Cancelled amid a request, the task ends when that has ended, and sends nothing more."""
    release, arrived = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        release.wait(30)

    api.says(OPEN, Says({}, 503, meanwhile=hold))

    async def cancel() -> None:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        assert await asyncio.to_thread(arrived.wait, 30)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0)
        assert not done
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    # The 503 would have been tried again.
    assert len(api.asked) == 2


def test_cancelling_twice_leaves_nothing_running(api: ScriptedApi) -> None:
    """However often it is cancelled, the task ends after its request, never before."""
    release, arrived = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        release.wait(30)

    api.says(Says(OPEN, meanwhile=hold))

    async def cancel() -> None:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        assert await asyncio.to_thread(arrived.wait, 30)
        for _ in range(3):
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=0)
            assert not done
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    assert len(api.asked) == 1


def test_cancelling_amid_a_pause_asks_no_more(api: ScriptedApi) -> None:
    """Cancelled between two looks, the task ends at once."""
    sleeping = asyncio.Event()

    class Sleeper(AsyncScriptedClock):
        async def sleep(self, seconds: float) -> None:
            assert seconds > 0
            sleeping.set()
            await asyncio.Event().wait()

    api.says(OPEN)

    async def cancel() -> None:
        task = asyncio.create_task(Approval(Sleeper())(REQUEST, quiet=True))
        await sleeping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    assert api.targets() == ["POST /spaces/acmecorp/petitions"]


def test_sync_inside_a_loop_is_refused(api: ScriptedApi) -> None:
    """It would block the loop that it is called from."""

    async def wrong() -> None:
        approval_sync(REQUEST)

    with pytest.raises(RuntimeError, match="await approval"):
        asyncio.run(wrong())
    assert not api.asked
