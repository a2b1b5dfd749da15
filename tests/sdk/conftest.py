"""The packages under test, a scripted server and clock, and a client of that server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "sdk/indentapi/src"),
    str(ROOT / "sdk/approvals/src"),
    str(Path(__file__).parent),
]

from indentapi import IndentAPI  # noqa: E402 - the path had to be set first
from scripted_api import ScriptedApi, ScriptedClock, petition, token_of  # noqa: E402 - the same


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this machine's settings from the tests."""
    for name in ("INDENT_SPACE", "INDENT_API_TOKEN", "INDENT_API_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """A server that answers as the test scripts it."""
    with ScriptedApi() as server:
        yield server


@pytest.fixture
def clock() -> ScriptedClock:
    """A clock that only sleeping moves."""
    return ScriptedClock()


@pytest.fixture
def indent(api: ScriptedApi, clock: ScriptedClock) -> Iterator[IndentAPI]:
    """A client of that server, with that clock."""
    token = token_of("jane@example.com")
    with IndentAPI("acmecorp", token, base_url=api.url, clock=clock) as client:
        yield client


@pytest.fixture
def environment(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's settings, and an API that grants."""
    monkeypatch.setenv("INDENT_API_URL", api.url)
    monkeypatch.setenv("INDENT_SPACE", "acmecorp")
    monkeypatch.setenv("INDENT_API_TOKEN", token_of("jane@example.com"))
    api.respond_with(petition("granted"))
