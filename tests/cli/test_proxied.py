"""Commands on a machine that reaches the Internet only through a proxy."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.conftest import API_KEY, DATABASE, JANE, Command
from tests.handler.scripted import Scripted, reply, tunnel
from tests.support.certificates import make_certificate, serve_tls

HOST = "api.provider.test"
COMMANDS = (
    ("explain", "--as", JANE, "--resource", DATABASE),
    ("who", DATABASE),
    ("preflight",),
    ("check",),
)


@pytest.fixture
def oncall(tmp_path: Path) -> Command:
    """The command, with a provider and a webhook on the Internet."""
    command = Command(tmp_path, f"https://{HOST}").by_the_machines_clock()
    command.environment |= {"WEBHOOK_URL": f"https://{HOST}/", "INDENT_WEBHOOK_SECRET": "s" * 20}
    return command


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
def test_every_command_uses_the_proxy(
    arguments: tuple[str, ...], oncall: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command shows the host's answer; the proxy sees only the host's name."""
    certificate = make_certificate(tmp_path, x509.DNSName(HOST), timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        serve_tls(certificate, reply(b"{}", 401)) as provider,
        Scripted(tunnel(provider.port)) as proxy,
    ):
        oncall.environment["HTTPS_PROXY"] = proxy.url.replace("://", "://jane:pa55@")
        answer = oncall(*arguments)
    # Without an answer from any provider, the answer is unknown.
    assert answer.status == (2 if arguments[0] in ("explain", "who") else 1)
    assert "401" in answer.out
    assert {request.target for request in proxy.requests} == {f"{HOST}:443"}
    assert provider.requests
    assert API_KEY not in str(proxy.requests)


@pytest.mark.parametrize("arguments", COMMANDS[1::2], ids=lambda words: words[0])
def test_a_proxy_that_refuses(arguments: tuple[str, ...], oncall: Command) -> None:
    """The error names the proxy's variable, without its password."""
    with Scripted(reply(status=407)) as proxy:
        oncall.environment["ALL_PROXY"] = proxy.url.replace("://", "://jane:pa55@")
        answer = oncall(*arguments)
    # Without an answer from any provider, `who` ends with 2.
    assert answer.status == (2 if arguments[0] == "who" else 1)
    assert "(ALL_PROXY) does not accept the user name and password (HTTP 407)" in answer.out
    assert "correct them in ALL_PROXY" in answer.out
    assert "pa55" not in answer.out + answer.err


@pytest.mark.parametrize("arguments", COMMANDS[1::2], ids=lambda words: words[0])
def test_a_missing_proxy(
    arguments: tuple[str, ...], oncall: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the host can't be resolved, the remedy is to set HTTPS_PROXY."""

    def unknown(*_: object) -> object:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = oncall(*arguments)
    # Without an answer from any provider, `who` ends with 2.
    assert answer.status == (2 if arguments[0] == "who" else 1)
    assert "cannot be resolved" in answer.out
    assert "export HTTPS_PROXY" in answer.out
