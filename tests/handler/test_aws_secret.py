"""The secret from Secrets Manager: who is asked, for what, and what is made of the answer."""

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
    """Fetch with this environment, besides the ARN and the credentials."""

    def fetch_secret(environment: Mapping[str, str]) -> dict[str, str]:
        whole = {"HANDLER_SECRET_ARN": ARN, **KEYS, **environment}
        return fetch(client, whole, set_clock.clock, set_clock.deadline())

    return fetch_secret


def holding(secret: object) -> Answer:
    """Secrets Manager's answer for a secret whose text is this JSON."""
    return reply(json.dumps({"ARN": ARN, "SecretString": json.dumps(secret)}).encode())


def fetch_error(fetch_secret: Fetch, environment: Mapping[str, str]) -> str:
    """What the fetch fails with; nothing secret is in it, however it is printed."""
    with pytest.raises(SecretError) as caught:
        fetch_secret(environment)
    printed = "".join(traceback.format_exception(caught.value))
    assert "qjz" not in f"{printed}{caught.value!r}{caught.value.args}"
    return str(caught.value)


class TestAsking:
    """One signed POST of `GetSecretValue`."""

    def test_the_request(self, serve: Serve, fetch_secret: Fetch) -> None:
        """Target, type and body of the JSON protocol; the newest version without a word on it."""
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
        """By its id, so that a changed secret is never mixed up with the one before."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "HANDLER_SECRET_VERSION": "v-1"})
        assert json.loads(server.requests[0].body) == {"SecretId": ARN, "VersionId": "v-1"}

    def test_an_empty_version_is_none(self, serve: Serve, fetch_secret: Fetch) -> None:
        """Empty means unset."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "HANDLER_SECRET_VERSION": ""})
        assert json.loads(server.requests[0].body) == {"SecretId": ARN}

    def test_a_key_without_token(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A long-lived key has none: no header is sent, and none is signed."""
        server = serve(holding({}))
        fetch_secret({"AWS_ENDPOINT_URL": server.url, "AWS_SESSION_TOKEN": ""})
        headers = server.requests[0].headers
        assert "x-amz-security-token" not in headers
        assert "x-amz-security-token" not in headers["authorization"]

    def test_the_endpoint_of_the_service_comes_first(
        self, serve: Serve, fetch_secret: Fetch
    ) -> None:
        """As in the SDKs, the service's own variable beats that of all services."""
        own, general = serve(holding({"from": "own"})), serve(holding({"from": "general"}))
        both = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": own.url, "AWS_ENDPOINT_URL": general.url}
        assert fetch_secret(both) == {"from": "own"}
        assert fetch_secret({**both, "AWS_ENDPOINT_URL_SECRETS_MANAGER": ""}) == {"from": "general"}

    def test_a_slash_at_the_end_of_the_endpoint(self, serve: Serve, fetch_secret: Fetch) -> None:
        """It makes no second one."""
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
        """The service's host in the secret's own region, over HTTPS; it is signed as well."""
        client = Noting(set_clock)
        arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:x-AbCdEf"
        environment = {**KEYS, "HANDLER_SECRET_ARN": arn, "AWS_REGION": "elsewhere-1"}
        fetch(client, environment, set_clock.clock, set_clock.deadline())
        assert client.requests == [(f"https://{host}/", host)]

    def test_plain_http_stays_on_this_machine(self, fetch_secret: Fetch) -> None:
        """The session token is among the headers."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": "http://secretsmanager.evil.test"})
        assert error == "Secrets Manager: plain HTTP is only allowed to this machine; use https://"


class TestAnswers:
    """Anything but a JSON object of strings is an error that tells no secret."""

    @pytest.mark.parametrize(
        "secret", [{}, {"INDENT_WEBHOOK_SECRET": VALUE, "INCIDENTIO_API_KEY": "", "other": "é ✅"}]
    )
    def test_an_object_of_strings(
        self, serve: Serve, fetch_secret: Fetch, secret: dict[str, str]
    ) -> None:
        """It is returned as it is."""
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
        """Missing, binary, or no JSON in it: one sentence for all."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(reply(body)).url})
        assert error == "the secret is not a JSON object"

    @pytest.mark.parametrize("answer", [reply(b"[" * 100_000), reply(DEEP)], ids=["all", "text"])
    def test_nested_absurdly_deep(self, serve: Serve, fetch_secret: Fetch, answer: Answer) -> None:
        """Python's parser gives up with an error that is no ValueError."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(answer).url})
        assert error == "the secret is not a JSON object"

    @pytest.mark.parametrize(
        "secret", ["qjz", 7, None, True, ["qjz"], {"a": 1}, {"a": "qjz", "b": None}, {"a": ["qjz"]}]
    )
    def test_no_object_of_strings(self, serve: Serve, fetch_secret: Fetch, secret: object) -> None:
        """A number would be a secret that was written without its quotes."""
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
        """The status and AWS's own name for it; nothing else of the body."""
        server = serve(reply(body, status))
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": server.url})
        assert error == f"Secrets Manager: answered {status}{expected}"
        assert len(server.requests) == 1

    def test_a_firewall(self, serve: Serve, fetch_secret: Fetch) -> None:
        """Its page is not taken for an answer of AWS."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve(reply(b"<html>", 403)).url})
        assert error == (
            "Secrets Manager: a firewall or proxy in front of 127.0.0.1 refused the request (403)"
        )

    def test_an_error_that_passes(self, serve: Serve, fetch_secret: Fetch) -> None:
        """5xx and 429 are asked again, with the same signature."""
        server = serve(reply(status=500), reply(status=429), holding({"a": "b"}))
        assert fetch_secret({"AWS_ENDPOINT_URL": server.url}) == {"a": "b"}
        assert len({asked.headers["authorization"] for asked in server.requests}) == 1

    def test_nobody_there(self, serve: Serve, fetch_secret: Fetch) -> None:
        """A lost connection is an error like any other."""
        error = fetch_error(fetch_secret, {"AWS_ENDPOINT_URL": serve().url})
        assert error == "Secrets Manager: connection failed (RemoteDisconnected)"


class TestEnvironment:
    """What Lambda has to give."""

    @pytest.mark.parametrize("key", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_no_credentials(self, client: Client, set_clock: SetClock, key: str) -> None:
        """The missing variable is named."""
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
    def test_no_secrets_arn(self, fetch_secret: Fetch, arn: str) -> None:
        """It is quoted: an ARN is no secret."""
        error = fetch_error(fetch_secret, {"HANDLER_SECRET_ARN": arn})
        assert error == f"HANDLER_SECRET_ARN is {arn!r}, which isn't a secret's ARN"

    def test_credentials_do_not_print(self) -> None:
        """Neither by themselves nor within anything else."""
        credentials = Credentials("AKIDEXAMPLE", "qjz-secret-key", "qjz-session-token")
        for printed in (repr(credentials), str(credentials), f"{credentials}", f"{[credentials]}"):
            assert "Credentials(...)" in printed
            assert "qjz" not in printed


class Noting(Client):
    """A client that sends nothing, and notes where it should have."""

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
        """Answer an empty secret."""
        del method, body, deadline, once
        self.requests.append((url, headers["Host"]))
        return b'{"SecretString": "{}"}'
