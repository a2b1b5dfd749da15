"""Requesting approval, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
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
from indentapi import IndentError, UnexpectedAnswerError
from scripted_api import HANG_UP, Response, ScriptedApi, petition

pytestmark = pytest.mark.usefixtures("environment")
REQUEST: Request = {
    "reason": "to debug production",
    "resources": [{"kind": "action", "id": "reset-password:123", "displayName": "Reset"}],
}
OPEN, GRANTED = petition("open"), petition("granted", "access/request", "access/grant")
REFERENCE = "#acmecorp/aec1b116"


class AsyncScriptedClock:
    """A clock that sleeping moves, and that calls a listener."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.on_sleep: Callable[[], object] = int

    def now(self) -> float:
        """Seconds since the start."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        assert seconds > 0
        self.elapsed += seconds
        self.on_sleep()


@pytest.fixture
def passing() -> AsyncScriptedClock:
    """A clock whose time passes at once."""
    return AsyncScriptedClock()


def _granted_after(seconds: float, api: ScriptedApi, clock: AsyncScriptedClock) -> None:
    api.respond_with(OPEN)

    def grant() -> None:
        if clock.elapsed > seconds:
            api.respond_with(GRANTED)

    clock.on_sleep = grant


def test_lines_as_in_the_guide(
    api: ScriptedApi, passing: AsyncScriptedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is a reference, lines at 2, 4 and 8 seconds, and the result."""
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
    """Without a timeout the interval between lines keeps doubling."""
    _granted_after(40, api, passing)
    lines: list[tuple[int, float]] = []

    def note(progress: Progress) -> None:
        if progress.kind == "waiting":
            lines.append((progress.elapsed, passing.elapsed))

    asyncio.run(Approval(passing)(REQUEST, timeout=None, on_event=note))
    assert [line for line, _ in lines] == [2, 4, 8, 16, 32]
    assert all(at == pytest.approx(line) for line, at in lines)


def test_plain_characters(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the encoding lacks the symbols, ASCII replaces them."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", newline="\n")
    monkeypatch.setattr(sys, "stdout", out)
    api.respond_with(OPEN, OPEN, GRANTED)
    approval_sync(REQUEST)
    raw = out.detach()
    assert isinstance(raw, io.BytesIO)
    assert raw.getvalue().decode("ascii") == f"> Requested approval {REFERENCE}\n[ok] Granted\n"


def test_all_characters_in_memory(api: ScriptedApi) -> None:
    """An output without an encoding gets the symbols."""
    api.respond_with(GRANTED)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        approval_sync(REQUEST)
    assert out.getvalue() == f"⏵ Requested approval {REFERENCE}\n✅ Granted\n"


def test_no_output_at_all(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard output, approval works all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    api.respond_with(GRANTED)
    assert approval_sync(REQUEST) == GRANTED


def test_an_instant_approval_needs_one_request(api: ScriptedApi) -> None:
    """An approval in the first answer needs no further request."""
    api.respond_with(GRANTED)
    approval_sync(REQUEST, quiet=True)
    assert api.targets() == ["POST /spaces/acmecorp/petitions"]


def test_early_approvals_are_noticed_at_once(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """An early approval is noticed at once."""
    _granted_after(0.1, api, passing)
    asyncio.run(Approval(passing)(REQUEST, quiet=True))
    assert passing.elapsed < 0.2


def test_long_waits_send_few_requests(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """A long wait sends few requests."""
    _granted_after(600, api, passing)
    asyncio.run(Approval(passing)(REQUEST, quiet=True, timeout=None))
    assert len(api.requests) < 330


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
    """The history of a closed petition decides the exception, which has petition and address."""
    api.respond_with(OPEN, petition(end, *events))
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
    """After ten seconds it raises, and the petition's name suffices to resume."""
    api.respond_with(OPEN)
    kinds: list[str] = []
    ask = Approval(passing)
    with pytest.raises(ApprovalTimeout) as caught:
        asyncio.run(ask(REQUEST, on_event=lambda progress: kinds.append(progress.kind)))
    assert passing.elapsed == pytest.approx(10)
    assert kinds == ["requested", "waiting", "waiting", "waiting", "timeout"]
    assert isinstance(caught.value, TimeoutError)

    api.requests.clear()
    api.respond_with(OPEN, GRANTED)
    assert asyncio.run(ask.resume(caught.value.petition["name"], quiet=True)) == GRANTED
    assert set(api.targets()) == {"GET /spaces/acmecorp/petitions/aec1b116"}


def test_timeout_of_zero(api: ScriptedApi, passing: AsyncScriptedClock) -> None:
    """A timeout of zero requests once, and doesn't wait."""
    api.respond_with(OPEN)
    with pytest.raises(ApprovalTimeout):
        asyncio.run(Approval(passing)(REQUEST, timeout=0, quiet=True))
    assert passing.elapsed == 0


def test_what_is_sent(api: ScriptedApi) -> None:
    """Petitioners, duration, space and token are in the request."""
    api.respond_with(GRANTED)
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    approval_sync(
        REQUEST, petitioners=[mary], duration="2h", space_name="other", api_token="tok", quiet=True
    )
    (request,) = api.requests
    assert request.path == "/spaces/other/petitions"
    assert request.headers["authorization"] == "Bearer tok"
    petition = request.body["petition"]
    assert petition["petitioners"] == [mary]
    assert petition["defaultDuration"] == "7200s"
    assert petition["reason"] == "to debug production"
    assert petition["resources"] == REQUEST["resources"]


def test_petitioners_in_the_request(api: ScriptedApi) -> None:
    """Petitioners may be part of the request."""
    api.respond_with(GRANTED)
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    approval_sync({**REQUEST, "petitioners": [mary]}, quiet=True)
    assert api.requests[0].body["petition"]["petitioners"] == [mary]


def test_a_misspelt_request_is_an_error(api: ScriptedApi) -> None:
    """An unknown key is an error."""
    wrong: Any = {**REQUEST, "petitioner": []}
    with pytest.raises(TypeError, match="petitioner"):
        approval_sync(wrong)
    assert not api.requests


def test_an_error_while_waiting_explains_how_to_resume(api: ScriptedApi) -> None:
    """If the API fails while waiting, a note says how to resume."""
    api.respond_with(OPEN, Response({"message": "not any more"}, 403))
    with pytest.raises(IndentError, match="not any more") as caught:
        approval_sync(REQUEST, quiet=True)
    (note,) = caught.value.__notes__
    assert "approval.resume('aec1b116')" in note


def test_a_blip_while_waiting_is_survived(api: ScriptedApi) -> None:
    """One failed request doesn't end the wait."""
    api.respond_with(OPEN, HANG_UP, GRANTED)
    assert approval_sync(REQUEST, quiet=True) == GRANTED


def test_the_loop_is_never_blocked(api: ScriptedApi) -> None:
    """The event loop keeps running while the API answers."""
    release, arrived = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert release.wait(30)

    api.respond_with(Response(GRANTED, before=hold))

    async def both() -> object:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        await asyncio.to_thread(arrived.wait, 30)
        release.set()
        return await task

    assert asyncio.run(both()) == GRANTED


@pytest.mark.parametrize("times", [1, 3])
def test_cancelling_leaves_nothing_running(times: int, api: ScriptedApi) -> None:
    """A cancelled task ends after its current request, and sends no other."""
    release, arrived = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        release.wait(30)

    api.respond_with(OPEN, Response({}, 503, before=hold))

    async def cancel() -> None:
        task = asyncio.create_task(approval(REQUEST, quiet=True))
        assert await asyncio.to_thread(arrived.wait, 30)
        for _ in range(times):
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=0)
            assert not done
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    # Without the cancellation, the 503 would have been retried.
    assert len(api.requests) == 2


def test_sync_where_a_loop_runs(api: ScriptedApi) -> None:
    """In a notebook's cell it waits in a thread, and returns or raises as usual."""
    api.respond_with(OPEN, GRANTED, petition("closed", "access/deny"))

    async def cell() -> object:
        return approval_sync(REQUEST, quiet=True)

    assert asyncio.run(cell()) == GRANTED
    with pytest.raises(ApprovalDenied):
        asyncio.run(cell())


def test_sync_resume(api: ScriptedApi) -> None:
    """Code without an event loop can resume as well."""
    api.respond_with(OPEN, GRANTED)
    assert approval_sync.resume("aec1b116", quiet=True) == GRANTED
    assert set(api.targets()) == {"GET /spaces/acmecorp/petitions/aec1b116"}


def test_another_api(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base_url=` replaces INDENT_API_URL, for requesting and resuming."""
    monkeypatch.setenv("INDENT_API_URL", "https://nobody.invalid")
    api.respond_with(GRANTED)
    assert approval_sync(REQUEST, base_url=api.url, quiet=True) == GRANTED
    assert approval_sync.resume("aec1b116", base_url=api.url, quiet=True) == GRANTED


RESET = {"kind": "action", "id": "reset:1"}
ONE = {"reason": "debug", "resources": [RESET]}


@pytest.mark.parametrize(
    ("request_", "options", "message"),
    [
        ({"resources": [RESET]}, {}, "the request has no 'reason'"),
        ({"reason": "debug"}, {}, "the request has no 'resources'"),
        ({"reason": "debug", "resource": [RESET]}, {}, "'resource'; did you mean 'resources'"),
        ({**ONE, "Reason": "x"}, {}, "'Reason'; did you mean 'reason'"),
        ({**ONE, "petitioner": []}, {}, "'petitioner'; did you mean 'petitioners'"),
        ({**ONE, "timeout": 5}, {}, "'timeout'; known: reason, resources, petitioners"),
        ([ONE], {}, "the request must be a dict, not a list"),
        ("debug", {}, "the request must be a dict, not 'debug'"),
        ({**ONE, "resources": []}, {}, "resources is empty"),
        ({**ONE, "resources": [{**RESET, "displayname": "x"}]}, {}, "did you mean 'displayName'"),
        (ONE, {"petitioners": ["jane@example.com"]}, r"petitioners\[0\] must be a dict"),
        (ONE, {"timeout": "30"}, "timeout must be a number of seconds, or None .*, not '30'"),
        (ONE, {"timeout": -1}, "timeout must be 0 seconds or more, not -1"),
        (ONE, {"duration": "soon"}, "'soon' isn't a valid duration"),
        (ONE, {"quiet": 1}, "quiet must be True or False, not 1"),
        (ONE, {"on_event": []}, "on_event must be a function, not a list"),
        (ONE, {"on_event": asyncio.sleep}, "on_event must be a plain function"),
        (ONE, {"space_name": 7}, "space_name must be a text"),
        (ONE, {"api_token": 7}, "api_token must be a text"),
        (ONE, {"base_url": 7}, "base_url must be a text"),
        (ONE, {"time_out": 5}, "unknown option 'time_out'; did you mean 'timeout'"),
        (
            ONE,
            {"colour": "red"},
            "unknown option 'colour'; known: .*timeout.*petitioners, duration",
        ),
    ],
)
def test_wrong_arguments(request_: Any, options: Any, message: str, api: ScriptedApi) -> None:  # noqa: ANN401 - wrong on purpose
    """Each mistake is one sentence, and nothing is requested."""
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        approval_sync(request_, **options)
    assert "\n" not in str(caught.value)
    assert not api.requests


@pytest.mark.parametrize(
    ("name", "options"),
    [({"name": "x"}, {}), ("", {}), (None, {}), ("x", {"timeout": "30"}), ("x", {"duration": 1})],
)
def test_wrong_arguments_of_resume(name: Any, options: Any, api: ScriptedApi) -> None:  # noqa: ANN401 - wrong on purpose
    """A petition instead of its name, or no name, is an error."""
    with pytest.raises(
        (TypeError, ValueError), match=r"a name|a valid name|timeout must|unknown option 'duration'"
    ):
        approval_sync.resume(name, **options)
    assert not api.requests


def test_an_answer_without_a_petition(api: ScriptedApi) -> None:
    """It raises UnexpectedAnswerError, never KeyError."""
    api.respond_with({"state": {"status": {"phase": "granted"}}})
    with pytest.raises(UnexpectedAnswerError, match="isn't a petition"):
        approval_sync(REQUEST, quiet=True)


def _event(kind: str, reason: str = "", **actor: str) -> dict[str, Any]:
    return {"event": f"access/{kind}", "reason": reason, "actor": actor}


ADA = {"displayName": "Ada Moss", "email": "ada@example.com"}
JANE = {"displayName": "Jane Lind", "email": "jane@example.com"}


@pytest.mark.parametrize(
    ("end", "history", "by", "why", "message"),
    [
        (
            "closed",
            [_event("request"), _event("deny", "not while the release runs", **ADA)],
            "Ada Moss <ada@example.com>",
            "not while the release runs",
            'was denied by Ada Moss <ada@example.com> ("not while the release runs"): https',
        ),
        ("closed", [_event("deny", **ADA)], "Ada Moss <ada@example.com>", "", "was denied by Ada"),
        ("closed", [_event("deny", id="bot-7")], "bot-7", "", "was denied by bot-7: https"),
        ("closed", [_event("deny")], "", "", "was denied: https"),
        (
            "closed",
            [_event("deny", "found it\n\x1b[31m", **JANE)],
            "Jane Lind <jane@example.com>",
            "found it [31m",
            'was withdrawn by Jane Lind <jane@example.com> ("found it [31m"): https',
        ),
        ("closed", [_event("request")], "", "", "was closed without a decision: https"),
        ("deleted", [], "", "", "was deleted without a decision: https"),
        (
            "revoked",
            [_event("grant"), _event("revoke", "shift over", **ADA)],
            "Ada Moss <ada@example.com>",
            "shift over",
            'was granted, and then revoked by Ada Moss <ada@example.com> ("shift over"): https',
        ),
        ("closed", [_event("grant")], "", "", "was granted, and then revoked: https"),
    ],
)
def test_who_and_why(
    end: str, history: list[Any], by: str, why: str, message: str, api: ScriptedApi
) -> None:
    """The exception says who decided and why, if the history does."""
    ended = petition(end)
    ended["state"]["eventHistory"] = history
    api.respond_with(OPEN, ended)
    with pytest.raises((ApprovalDenied, ApprovalRevoked)) as caught:
        approval_sync(REQUEST, quiet=True)
    error: Any = caught.value
    assert (error.by, error.why) == (by, why)
    assert str(error).startswith(f"{REFERENCE} {message}")
    assert pickle.loads(pickle.dumps(error)).by == by  # noqa: S301 - made right here


HOW_TO_GO_ON = (
    "approval.resume('aec1b116')",
    "approval_sync.resume('aec1b116')",
    "IndentAPI().petition.deny('aec1b116')",
    "https://indent.com/access/acmecorp/aec1b116",
)


def test_a_timeout_explains_how_to_resume(api: ScriptedApi) -> None:
    """The error says how to wait longer, resume, open or withdraw the request."""
    api.respond_with(OPEN)
    with pytest.raises(ApprovalTimeout, match=r"after 0 s.*stays open.*timeout=SECONDS") as caught:
        approval_sync(REQUEST, timeout=0, quiet=True)
    assert all(part in str(caught.value) for part in HOW_TO_GO_ON)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - made right here


def test_a_sandbox_is_shown_on_its_page(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SANDBOX_PAGE, the address is that of the sandbox's page."""
    monkeypatch.setenv("SANDBOX_PAGE", "http://127.0.0.1:8080")
    api.respond_with(OPEN)
    with pytest.raises(ApprovalTimeout) as caught:
        approval_sync(REQUEST, timeout=0, quiet=True)
    assert caught.value.url == "http://127.0.0.1:8080/#petition-aec1b116"
    assert caught.value.url in str(caught.value)


def test_sync_errors_begin_at_the_call(api: ScriptedApi) -> None:
    """The traceback has only the caller and this package, no loop or threads."""
    api.respond_with(OPEN)
    with pytest.raises(ApprovalTimeout) as caught:
        approval_sync(REQUEST, timeout=0, quiet=True)
    first, *others = traceback.extract_tb(caught.value.__traceback__)
    assert first.filename == __file__
    assert {Path(frame.filename).parent.name for frame in others} == {"approvals"}
    assert caught.value.__suppress_context__


def test_a_cancellation_explains_how_to_resume(api: ScriptedApi) -> None:
    """While it sleeps, a task is cancelled at once; a note says how to resume."""
    sleeping = asyncio.Event()

    class Sleeper(AsyncScriptedClock):
        async def sleep(self, seconds: float) -> None:
            assert seconds > 0
            sleeping.set()
            await asyncio.Event().wait()

    async def cancel() -> list[str]:
        task = asyncio.create_task(Approval(Sleeper())(REQUEST, quiet=True))
        await sleeping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return caught.value.__notes__

    api.respond_with(OPEN)
    (note,) = asyncio.run(cancel())
    assert all(part in note for part in HOW_TO_GO_ON)
    assert api.targets() == ["POST /spaces/acmecorp/petitions"]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, which shells disable for background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("in_a_cell", [False, True])
def test_ctrl_c(in_a_cell: bool, api: ScriptedApi) -> None:  # noqa: FBT001 - a parameter of the test
    """Ctrl-C raises one KeyboardInterrupt that says how to resume, and leaves nothing running."""

    def interrupt() -> None:
        if len(api.requests) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    api.respond_with(OPEN, Response(OPEN, before=interrupt))

    async def cell() -> None:
        approval_sync(REQUEST, timeout=None, quiet=True)

    def run() -> None:
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(cell())

    def ask() -> None:
        approval_sync(REQUEST, timeout=None, quiet=True)

    with pytest.raises(KeyboardInterrupt) as caught:
        (run if in_a_cell else ask)()
    assert all(part in str(caught.value) for part in HOW_TO_GO_ON)
    assert caught.value.__suppress_context__
    assert not [t for t in threading.enumerate() if "ThreadPoolExecutor" in t.name]
