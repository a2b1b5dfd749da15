"""The client's configuration, from arguments and environment."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from indentapi import ConfigurationError, IndentAPI
from indentapi.client import token_owner
from scripted_api import ScriptedApi, token_of


def test_environment_is_the_default(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, INDENT_SPACE, INDENT_API_TOKEN and INDENT_API_URL count."""
    monkeypatch.setenv("INDENT_SPACE", "acmecorp")
    monkeypatch.setenv("INDENT_API_TOKEN", "tok-1\n")
    monkeypatch.setenv("INDENT_API_URL", api.url + "/")
    with IndentAPI() as indent:
        indent.resource.list()
    (request,) = api.requests
    assert request.path == "/spaces/acmecorp/resources"
    assert request.headers["authorization"] == "Bearer tok-1"


def test_arguments_win(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments override the environment."""
    monkeypatch.setenv("INDENT_SPACE", "other")
    monkeypatch.setenv("INDENT_API_TOKEN", "other")
    monkeypatch.setenv("INDENT_API_URL", "https://other.example")
    with IndentAPI("acmecorp", "tok-1", base_url=api.url) as indent:
        indent.space.get("acmecorp")
    assert api.requests[0].headers["authorization"] == "Bearer tok-1"


@pytest.mark.parametrize(
    ("space", "token", "variable"),
    [
        (None, "t", "INDENT_SPACE"),
        (" ", "t", "INDENT_SPACE"),
        ("acmecorp", None, "INDENT_API_TOKEN"),
        ("acmecorp", "", "INDENT_API_TOKEN"),
    ],
)
def test_missing_is_named(space: str | None, token: str | None, variable: str) -> None:
    """The error names the missing variable, and where to get its value."""
    with pytest.raises(ConfigurationError, match=f"{variable}.*settings"):
        IndentAPI(space, token)


@pytest.mark.parametrize("token", ["two words", "two\nlines", "é"])
def test_a_broken_token_is_not_quoted(token: str) -> None:
    """A token that can't be a header is refused, and isn't in the message."""
    with pytest.raises(ConfigurationError) as caught:
        IndentAPI("acmecorp", token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com",
        "ftp://127.0.0.1/v1",
        "https://",
        "https://user:secret@api.example.com",
        "https://api.example.com/v1?x=1",
        "api.example.com/v1",
        "https://[::1/v1",
        "http://127.0.0.1:99999/v1",
    ],
)
def test_only_safe_urls(url: str) -> None:
    """Only https addresses, or http to this machine, are accepted."""
    with pytest.raises(ConfigurationError, match="INDENT_API_URL"):
        IndentAPI("acmecorp", "t", base_url=url)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space_name": 7}, "space_name must be a text, not an int"),
        ({"api_token": ["tok-secret"]}, "api_token must be a text, not a list"),
        ({"base_url": b"http://127.0.0.1/"}, "base_url must be a text, not a bytes"),
        ({"timeout": "30"}, "timeout must be a number of seconds, not '30'"),
        ({"timeout": -1}, "timeout must be 0 seconds or more, not -1"),
        ({"timeout": True}, "timeout must be a number of seconds, not True"),
        ({"timeout": float("nan")}, "timeout must be 0 seconds or more, not nan"),
        ({"max_retries": 1.5}, "max_retries must be a whole number, not 1.5"),
        ({"max_retries": -1}, "max_retries must be 0 or more, not -1"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    """Each mistake is one sentence without a token."""
    arguments = {"space_name": "acmecorp", "api_token": "t", **wrong}
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        IndentAPI(**arguments)
    assert "tok-secret" not in str(caught.value)


def test_a_closed_client_refuses(api: ScriptedApi) -> None:
    """After its `with`, a client refuses calls and a second `with`."""
    with IndentAPI("acmecorp", "t", base_url=api.url) as indent:
        pages = indent.resource.iter()
    with pytest.raises(RuntimeError, match="is closed"):
        indent.resource.list()
    with pytest.raises(RuntimeError, match="is closed"):
        next(pages)
    with pytest.raises(RuntimeError, match="is closed"), indent:
        pass
    assert not api.requests


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.9.9.9", "http://[::1]:80/v1", "https://x.example"]
)
def test_safe_urls(url: str) -> None:
    """Any https address and any loopback address is accepted."""
    with IndentAPI("acmecorp", "t", base_url=url) as indent:
        assert url in repr(indent)


def _jwt(claims: object) -> str:
    return "h." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".s"


@pytest.mark.parametrize(
    ("token", "email"),
    [
        (token_of("jane@example.com"), "jane@example.com"),
        (_jwt({"sub": "zoë>>>???@example.com"}), "zoë>>>???@example.com"),
        (_jwt({"sub": "service-account-7"}), None),
        (_jwt({"sub": 7}), None),
        (_jwt({}), None),
        (_jwt(["sub"]), None),
        ("opaque", None),
        ("a.b.c", None),
        ("a.é.c", None),
        ("h.gICA.s", None),
    ],
)
def test_owner_of_a_token(token: str, email: str | None) -> None:
    """A user's token names its owner; any other token is valid without one."""
    assert token_owner(token) == email
