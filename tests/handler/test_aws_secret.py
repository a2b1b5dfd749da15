"""Reading the secret from Secrets Manager: the request, the answer, and errors."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from handler.aws_secret import Credentials, SecretError, fetch
from handler.clock import Deadline
from handler.connection import USER_AGENT
from handler.http import Client
from tests.handler.scripted import Answer, Scripted, reply

if TYPE_CHECKING:
    from tests.handler.conftest import SetClock

ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:handler-AbCdEf"
VALUE = "qjz-the-signing-secret"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "qjz-secret-key",
    "AWS_SESSION_TOKEN": "qjz-session-token",
}
DEEP = json.dumps({"SecretString": "[" * 100_000}).encode()
Serve = Callable[..., Scripted]
Fetch = Callable[[Mapping[str, str]], dict[str, str]]


@pytest.fixture
def fetch_secret(client: Client, set_clock: SetClock) -> Fetch:
    """Fetch with this environment, in addition to ARN and credentials."""

    def fetch_secret(environment: Mapping[str, str]) -> dict[str, str]:
        whole = {"HANDLER_SECRET_ARN": ARN, **KEYS, **environment}
        return fetch(client, whole, set_clock.clock, set_clock.deadline())

    return fetch_secret


def holding(secret: object) -> Answer:
    """Secrets Manager's answer for a secret with this JSON."""
    return reply(json.dumps({"ARN": ARN, "SecretString": json.dumps(secret)}).encode())


def fetch_error(fetch_secret: Fetch, environment: Mapping[str, str]) -> str:
    """Give the error of a fetch, checked for secrets in any printed form."""
    with pytest.raises(SecretError) as caught:
        fetch_secret(environment)
    printed = "".join(traceback.format_exception(caught.value))
    assert "qjz" not in f"{printed}{caught.value!r}{caught.value.args}"
    return str(caught.value)


class TestAsking:
    """The signed `GetSecretValue` request."""

    def test_the_request(self, serve: Serve, fetch_secret: Fetch) -> None:
        """The request has the JSON protocol's headers, and no version by default."""
        server = serve(holding({"INDENT_WEBHOOK_SECRET": VALUE}))
        assert fetch_secret({"AWS_ENDPOINT_URL": server.url}) == {"INDENT_WEBHOOK_SECRET": VALUE}
        (asked,) = server.requests
        assert (asked.method, asked.target) == ("POST", "/")
        assert json.loads(asked.body) == {"SecretId": ARN}
        assert asked.headers["host"] == f"127.0.0.1:{server.port}"
        assert asked.headers["user-agent"] == USER_AGENT
        assert asked.headers["content-type"] == "application/x-amz-json-1.1"
        assert asked.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        assert asked.headers["x-amz-date"] == "20260304T120000Z"
        assert asked.headers["x-amz-security-token"] == "qjz-session-token"
        assert asked.headers["authorization"].startswith(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260304/us-west-2/secretsmanager/aws4_request"
            ", SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
        )

    def test_a_version(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A version is requested by id, so that a changed secret isn't mixed with the old one."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "HANDLER_SECRET_VERSION": "v-1"})
        assert json.loads(server.requests[0].body) == {"SecretId": ARN, "VersionId": "v-1"}

    def test_an_empty_version_is_unset(self, serve: Serve, fetch_secret: Fetch) -> None:
        """An empty version is the same as none."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "HANDLER_SECRET_VERSION": ""})
        assert json.loads(server.requests[0].body) == {"SecretId": ARN}

    def test_a_key_without_token(self, serve: Serve, fetch_secret: Fetch) -> None:
        """Without a session token, its header is neither sent nor signed."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "AWS_SESSION_TOKEN": ""})
        headers = server.requests[0].headers
        assert "x-amz-security-token" not in headers
        assert "x-amz-security-token" not in headers["authorization"]

    def test_the_endpoint_of_the_service_comes_first(
        self, serve: Serve, fetch_secret: Fetch
    ) -> None:
        """The service's own endpoint variable takes precedence, as in the SDKs."""
        own, general = serve(holding({"from": "own"})), serve(holding({"from": "general"}))
        both = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": own.url, "AWS_ENDPOINT_URL": general.url}
        assert fetch_secret(both) == {"from": "own"}
        assert fetch_secret({**both, "AWS_ENDPOINT_URL_SECRETS_MANAGER": ""}) == {"from": "general"}

    def test_a_slash_at_the_end_of_the_endpoint(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A final slash of the endpoint isn't doubled."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": f"{server.url}/"})
        assert server.requests[0].target == "/"

    @pytest.mark.parametrize(
        ("partition", "region", "host"),
        [
            ("aws", "us-west-2", "secretsmanager.us-west-2.amazonaws.com"),
            ("aws", "eu-central-1", "secretsmanager.eu-central-1.amazonaws.com"),
            ("aws-us-gov", "us-gov-west-1", "secretsmanager.us-gov-west-1.amazonaws.com"),
            ("aws-cn", "cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn"),
        ],
    )
    def test_the_default_endpoint(
        self, set_clock: SetClock, partition: str, region: str, host: str
    ) -> None:
        """The default endpoint is the secret's region over HTTPS, and its host is signed."""
        client = Noting(set_clock)
        arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:x-AbCdEf"
        environment = {**KEYS, "HANDLER_SECRET_ARN": arn, "AWS_REGION": "elsewhere-1"}
        fetch(client, environment, set_clock.clock, set_clock.deadline())
        assert client.requests == [(f"https://{host}/", host)]

    def test_plain_http_stays_on_this_machine(self, fetch_secret: Fetch) -> None:
        """Plain HTTP to other machines is refused, since the session token is sent."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": "http://secretsmanager.evil.test"})
        assert error == "Secrets Manager: plain HTTP is only allowed to this machine; use https://"


class TestAnswers:
    """Any answer but a JSON object of strings is an error without secrets."""

    @pytest.mark.parametrize(
        "secret", [{}, {"INDENT_WEBHOOK_SECRET": VALUE, "INCIDENTIO_API_KEY": "", "other": "é ✅"}]
    )
    def test_an_object_of_strings(
        self, serve: Serve, fetch_secret: Fetch, secret: dict[str, str]
    ) -> None:
        """An object of strings is returned unchanged."""
        assert fetch_secret({"AWS_ENDPOINT_URL": serve(holding(secret)).url}) == secret

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"qjz",
            b"null",
            b"[]",
            b'"qjz"',
            b"{}",
            b'{"SecretBinary": "cWp6"}',
            b'{"SecretString": null}',
            b'{"SecretString": 7}',
            b'{"SecretString": {"a": "qjz"}}',
            b'{"SecretString": ""}',
            b'{"SecretString": "qjz"}',
            b'{"SecretString": "{\\"a\\": \\"qjz"}',
            b"\xff\xfe",
        ],
    )
    def test_no_json_object(self, serve: Serve, fetch_secret: Fetch, body: bytes) -> None:
        """A missing or binary secret, or one that isn't a JSON object, is the same error."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(reply(body)).url})
        assert error == "the secret is not a JSON object"

    @pytest.mark.parametrize("answer", [reply(b"[" * 100_000), reply(DEEP)], ids=["all", "text"])
    def test_nested_absurdly_deep(self, serve: Serve, fetch_secret: Fetch, answer: Answer) -> None:
        """JSON that is nested too deep for Python's parser is the same error."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(answer).url})
        assert error == "the secret is not a JSON object"

    @pytest.mark.parametrize(
        "secret", ["qjz", 7, None, True, ["qjz"], {"a": 1}, {"a": "qjz", "b": None}, {"a": ["qjz"]}]
    )
    def test_no_object_of_strings(self, serve: Serve, fetch_secret: Fetch, secret: object) -> None:
        """Values that aren't strings are an error, such as a number without quotes."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(holding(secret)).url})
        assert error == "the secret is not a JSON object of strings"

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (400, b'{"__type": "ResourceNotFoundException"}', " (ResourceNotFoundException)"),
            (400, b'{"__type": "com.amazonaws#AccessDenied", "m": "qjz"}', " (AccessDenied)"),
            (400, json.dumps({"__type": "x" * 200}).encode(), f" ({'x' * 80})"),
            (400, b'{"Message": "qjz"}', ""),
            (400, b"<html>qjz</html>", ""),
            (400, b"[1]", ""),
            (400, b"null", ""),
            (403, b"", ""),
            (302, b"qjz", ""),
        ],
    )
    def test_an_error_of_aws(
        self, serve: Serve, fetch_secret: Fetch, status: int, body: bytes, expected: str
    ) -> None:
        """An AWS error has the status and AWS's error code, and nothing else of the body."""
        server = serve(reply(body, status))
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": server.url})
        assert error == f"Secrets Manager: answered {status}{expected}"
        assert len(server.requests) == 1

    def test_a_firewall(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A firewall's page isn't reported as an AWS error."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(reply(b"<html>", 403)).url})
        assert error == (
            "Secrets Manager: a firewall or proxy in front of 127.0.0.1 refused the request (403)"
        )

    def test_transient_errors(self, serve: Serve, fetch_secret: Fetch) -> None:
        """5xx and 429 are retried, with the same signature."""
        server = serve(reply(status=500), reply(status=429), holding({"a": "b"}))
        assert fetch_secret({"AWS_ENDPOINT_URL": server.url}) == {"a": "b"}
        assert len({asked.headers["authorization"] for asked in server.requests}) == 1

    def test_a_lost_connection(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A lost connection is an error like any other."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve().url})
        assert error == "Secrets Manager: connection failed (ConnectionResetError)"


class TestEnvironment:
    """The environment that Lambda must provide."""

    @pytest.mark.parametrize("key", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_no_credentials(self, client: Client, set_clock: SetClock, key: str) -> None:
        """Missing credentials are an error that names the variable."""
        environment = {"HANDLER_SECRET_ARN": ARN, **KEYS}
        del environment[key]
        with pytest.raises(SecretError) as caught:
            fetch(client, environment, set_clock.clock, set_clock.deadline())
        assert str(caught.value) == f"{key} is not set"

    @pytest.mark.parametrize(
        "arn",
        [
            "handler",
            "arn:aws:s3:::bucket",
            "arn:aws:secretsmanager:us-west-2:123456789012:secret",
            "arn:aws:ssm:us-west-2:123456789012:parameter:x",
            f"{ARN}:key:AWSCURRENT:",
        ],
    )
    def test_a_wrong_arn(self, fetch_secret: Fetch, arn: str) -> None:
        """An ARN of something else is refused, and quoted, as it isn't secret."""
        error = fetch_error(fetch_secret, {"HANDLER_SECRET_ARN": arn})
        assert error == f"HANDLER_SECRET_ARN is {arn!r}, which isn't a secret's ARN"

    def test_credentials_do_not_print(self) -> None:
        """Credentials aren't shown when printed."""
        credentials = Credentials("AKIDEXAMPLE", "qjz-secret-key", "qjz-session-token")
        for printed in (repr(credentials), str(credentials), f"{credentials}", f"{[credentials]}"):
            assert "Credentials(...)" in printed
            assert "qjz" not in printed


class Noting(Client):
    """A client that sends nothing, and records URLs and hosts."""

    def __init__(self, set_clock: SetClock) -> None:
        super().__init__(set_clock.clock)
        self.requests: list[tuple[str, str]] = []

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        *,
        once: bool = False,
    ) -> bytes:
        """Answer with an empty secret."""
        del method, body, deadline, once
        self.requests.append((url, headers["Host"]))
        return b'{"SecretString": "{}"}'
