"""A web page of another site, or another account, gets nothing from a running sandbox.

No server answers under another host name, to another site, or without its credential.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from bench.processes import children
from handler.providers.registry import PROVIDERS
from sandbox.demo_space import open_space, variables
from sandbox.page import page_of
from sandbox.stack import Sandbox
from tests.support.listening_ports import ports
from tests.support.projects import project_in

EVIL = "https://evil.example"
LOOPBACK = "0100007F"
REAL = {provider.key: f"a-real-production-key-{provider.id}" for provider in PROVIDERS}
REAL |= {"JSM_EMAIL": "approvals@example.com", "JSM_SITE": "https://example.atlassian.net"}
LIST_SECRETS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "secretsmanager.ListSecrets",
}


@dataclass(frozen=True)
class Running:
    """A sandbox with all of its servers.

    Attributes:
        servers: the address of each server by name, with any credential in its path.
        secrets: the values that must not leak.
    """

    sandbox: Sandbox
    servers: Mapping[str, str]
    secrets: Mapping[str, str]


@pytest.fixture(scope="module", params=["doubles", "live"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Everything that `make up` runs, with and without LIVE=1, and a running child."""
    root = project_in(tmp_path_factory.mktemp("project"))
    with (
        Sandbox(root, live=REAL if request.param == "live" else {}) as sandbox,
        open_space(sandbox) as space,
        page_of(sandbox, space) as page,
    ):
        assert call(sandbox.url, "POST", "/", {}).status == 401
        (child,) = children()
        environment = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
        child_has = dict(line.split("=", 1) for line in environment if line)
        servers = {
            "AWS": sandbox.aws.endpoint,
            "function URL": sandbox.url,
            "Runtime API": f"http://{child_has['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime",
            "space": f"{space.url}/spaces",
            "page": page.url,
            "ConductorOne": sandbox.tenant.calls_url,
            "receivers": sandbox.receivers.settings["NOTIFY_URL"],
            **{id_: double.url for id_, double in sandbox.doubles.items()},
        }
        written = {**sandbox.variables(), **variables(space), "page": page.url}
        secret = {"INDENT_WEBHOOK_SECRET", "INDENT_API_TOKEN", "INDENT_ADMIN_TOKEN", "page"}
        secret |= {
            "AUTHZEN_TOKEN",
            "CONDUCTORONE_CALLS_URL",
            *("NOTIFY_URL", "NOTIFY_SECRET", "NOTIFY_SLACK_URL"),
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            *(provider.key for provider in PROVIDERS),
        }
        secrets = {name: written[name] for name in secret & written.keys()}
        yield Running(sandbox, servers, secrets)


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: str


def call(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> Answer:
    """Send one request to a server, with any headers."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read().decode())


def assert_nothing_leaks(running: Running, answer: Answer) -> None:
    """Assert that an answer has no secret and no CORS header."""
    whole = json.dumps([answer.headers, answer.body])
    assert [name for name, value in running.secrets.items() if value in whole] == []
    assert [name for name, _ in answer.headers if name.lower().startswith("access-control")] == []


def test_no_server_is_left_out(running: Running) -> None:
    """The tests cover every listening port, and all listen on 127.0.0.1."""
    listening = ports()
    assert {urlsplit(url).port for url in running.servers.values()} == set(listening)
    assert set(listening.values()) == {LOOPBACK}
    assert [process for process in children() if ports(process)] == []


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("GET", {"Host": "evil.example"}, 421, id="a rebound name"),
        pytest.param(
            "GET", {"Host": "evil.example:{port}"}, 421, id="a rebound name with the port"
        ),
        pytest.param("GET", {"Host": "localhost:{port}"}, 421, id="localhost"),
        pytest.param("GET", {"Host": "127.0.0.1"}, 421, id="without the port"),
        pytest.param(
            "POST", {"Host": "evil.example:{port}", "Origin": EVIL}, 421, id="rebound POST"
        ),
        pytest.param("GET", {"Origin": EVIL}, 403, id="fetch"),
        pytest.param(
            "POST", {"Origin": EVIL, "Content-Type": "text/plain"}, 403, id="a simple POST"
        ),
        pytest.param("POST", {"Origin": "null"}, 403, id="a sandboxed frame"),
        pytest.param(
            "POST",
            {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
            403,
            id="a sandboxed frame's form",
        ),
        pytest.param("POST", {"Origin": "http://localhost:{port}"}, 403, id="localhost's page"),
        pytest.param("POST", {"Origin": "http://127.0.0.1:1"}, 403, id="another port's page"),
        pytest.param("GET", {"Sec-Fetch-Site": "cross-site"}, 403, id="an image"),
        pytest.param("GET", {"Sec-Fetch-Site": "same-site"}, 403, id="another port's image"),
        pytest.param(
            "OPTIONS",
            {
                "Origin": EVIL,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,x-amz-target",
                "Access-Control-Request-Private-Network": "true",
            },
            403,
            id="a preflight",
        ),
    ],
)
def test_another_site_gets_nothing(
    running: Running, method: str, headers: Mapping[str, str], status: int
) -> None:
    """Requests from another site are refused by every server, even with the secret path."""
    for url in running.servers.values():
        port = urlsplit(url).port
        filled_headers = {name: value.format(port=port) for name, value in headers.items()}
        for path in ("/", urlsplit(url).path or "/"):
            answer = call(url, method, path, filled_headers, b"{}" if method == "POST" else None)
            assert answer.status == status, url
            assert_nothing_leaks(running, answer)


def test_another_account_gets_nothing(running: Running) -> None:
    """Requests without the server's credential are refused."""
    in_path = {"page", "Runtime API", "ConductorOne"}
    for name, url in running.servers.items():
        parts = urlsplit(url)
        last = f"/{parts.path.split('/', 2)[2]}" if name in in_path else parts.path or "/"
        for path in {"/", last}:
            for method, headers in (("GET", {}), ("POST", LIST_SECRETS), ("OPTIONS", {})):
                body = b"{}" if method == "POST" else None
                answer = call(url, method, path, headers, body)
                assert answer.status >= 400, (name, method, path)
                assert_nothing_leaks(running, answer)


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 32])
def test_tenant_signs_for_its_own_shell_only(running: Running, token: str) -> None:
    """Without the secret path, ConductorOne's double makes no call."""
    path = f"/calls/{quote(token)}"
    answer = call(running.sandbox.tenant.url, "POST", path, {}, b"{}")
    assert answer.status == 404
    assert_nothing_leaks(running, answer)


@pytest.mark.parametrize("prefix", ["", "/", "/moto-api/.."])
@pytest.mark.parametrize("path", ["/moto-api/reset", "/%6doto-api/reset", "/moto-api/reset?x"])
def test_local_aws_is_not_emptied(running: Running, prefix: str, path: str) -> None:
    """Moto's own endpoints are closed to everybody."""
    aws = running.sandbox.aws
    for headers in ({}, {"Origin": EVIL, "Content-Type": "text/plain"}, LIST_SECRETS):
        assert call(aws.endpoint, "POST", prefix + path, headers, b"").status == 403
    assert aws.client("secretsmanager").list_secrets()["SecretList"] != []


def test_real_keys_are_for_the_real_providers_only(running: Running) -> None:
    """The environment's keys are used only with LIVE=1, where there are no doubles."""
    is_live = not running.sandbox.doubles
    keys = {provider.key: running.secrets[provider.key] for provider in PROVIDERS}
    assert is_live == (keys == {provider.key: REAL[provider.key] for provider in PROVIDERS})
    assert is_live or not set(keys.values()) & set(REAL.values())


def test_every_credential_is_of_one_run(tmp_path: Path) -> None:
    """Two sandboxes have no key, token or secret in common."""
    root = project_in(tmp_path)

    def credentials_of_new_sandbox() -> list[Any]:
        sandbox = Sandbox(root, log=Path(".sandbox") / "unused.log")
        for double in sandbox.doubles.values():
            double.close()
        keys = [sandbox._provider_settings[provider.key] for provider in PROVIDERS]
        return [sandbox.webhook_secret, *sandbox.aws.credentials.variables().values(), *keys]

    first, second = credentials_of_new_sandbox(), credentials_of_new_sandbox()
    assert len(set(first + second)) == 2 * len(first)
