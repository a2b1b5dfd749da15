"""The local AWS starts empty, uses no proxy, and accepts only calls signed with its key."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import botocore.credentials
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from sandbox.local_aws.clients import Clients, Credentials
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.signature import REFUSED
from tests.sandbox.deployments import REGION, deployed


def test_two_deployments_have_one_zip_and_start_empty() -> None:
    """Each local AWS starts empty; the same files give the same zip."""
    zips = []
    for region in ("us-east-1", "us-west-2"):
        with Aws(region) as aws:
            assert aws.client("s3").list_buckets()["Buckets"] == []
            zips.append(deployed(aws).function.zip)
    assert zips[0] == zips[1]


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls to the local AWS don't go through a proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Aws(REGION) as aws:
        assert aws.client("s3").list_buckets()["Buckets"] == []


# The key.

BODY = b'{"SecretId": "it"}'
GET_SECRET = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "secretsmanager.GetSecretValue",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A local AWS with a secret."""
    with Aws(REGION) as aws:
        aws.client("secretsmanager").create_secret(Name="it", SecretString="real-key")
        yield aws


def request_of(aws: Aws, kind: Any = SigV4Auth, **other: str) -> AWSRequest:  # noqa: ANN401 - botocore has no types
    """Make a signed request for the secret, with these parts of the key replaced."""
    key = replace(aws.credentials, **other)
    request = AWSRequest("POST", f"{aws.endpoint}/", GET_SECRET | {"Host": host_of(aws)}, BODY)
    pair = botocore.credentials.Credentials(key.access_key_id, key.secret_access_key)
    kind(pair, "secretsmanager", REGION).add_auth(request)
    return request


def host_of(aws: Aws) -> str:
    """The Host header of a client."""
    return urlsplit(aws.endpoint).netloc


def ask(aws: Aws, request: AWSRequest, body: bytes = BODY) -> tuple[int, str]:
    """Send a request unchanged, and return status and body."""
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    with closing(http.client.HTTPConnection(host_of(aws), timeout=20)) as connection:
        connection.request(request.method, target, body, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_signed_call_is_answered(aws: Aws) -> None:
    """A correctly signed call is answered; each test below changes one thing."""
    status, body = ask(aws, request_of(aws))
    assert (status, json.loads(body)["SecretString"]) == (200, "real-key")


def _without_signature(request: AWSRequest) -> None:
    del request.headers["Authorization"]


def _with(old: str, new: str) -> Callable[[AWSRequest], None]:
    def change(request: AWSRequest) -> None:
        changed = request.headers["Authorization"].replace(old, new)
        assert changed != request.headers["Authorization"]
        request.headers.replace_header("Authorization", changed)

    return change


def _header(name: str, value: str) -> Callable[[AWSRequest], None]:
    def change(request: AWSRequest) -> None:
        del request.headers[name]
        request.headers[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_without_signature, id="unsigned"),
        pytest.param(_header("Authorization", "AWS sandbox:c2ln"), id="an older signature"),
        pytest.param(_header("Authorization", "Bearer sandbox"), id="a token"),
        pytest.param(_header("Authorization", "AWS4-HMAC-SHA256 Credential=x/y"), id="cut short"),
        pytest.param(_with("SignedHeaders=", "SignedHeaders=x-none;"), id="a header that is not"),
        pytest.param(_with("/secretsmanager/", "/s3/"), id="another service"),
        pytest.param(_with(REGION, "us-east-1"), id="another region"),
        pytest.param(_with("host;", ""), id="the host is not signed"),
        pytest.param(_with("Signature=", "Signature=0"), id="a longer signature"),
        pytest.param(_header("X-Amz-Target", "secretsmanager.ListSecrets"), id="another operation"),
        pytest.param(_header("X-Amz-Date", "20200101T000000Z"), id="another time"),
    ],
)
def test_call_that_is_not_signed_as_it_is(aws: Aws, change: Callable[[AWSRequest], None]) -> None:
    """A call with any change after signing is refused, and gets no secret."""
    request = request_of(aws)
    change(request)
    assert_refused(ask(aws, request))


def test_a_wrong_body(aws: Aws) -> None:
    """A body that doesn't match the signature or the signed hash is refused."""
    assert_refused(ask(aws, request_of(aws), BODY + b" "))
    bucket = {"Bucket": "bucket", "Key": "key"}
    where = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
    sent: list[Any] = []
    events = aws.client("s3").meta.events
    events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request))
    aws.client("s3").put_object(**bucket, Body=b"right")
    (request,) = sent
    request.url = f"{aws.endpoint}/bucket/key"
    assert ask(aws, request, b"right")[0] == 200
    assert_refused(ask(aws, request, b"wrong"))
    assert aws.client("s3").get_object(**bucket)["Body"].read() == b"right"


@pytest.mark.parametrize("other", [{"access_key_id": "sandbox"}, {"secret_access_key": "sandbox"}])
def test_a_wrong_key(aws: Aws, other: dict[str, str]) -> None:
    """Both halves of the key are needed."""
    assert_refused(ask(aws, request_of(aws, **other)))


def test_two_signatures(aws: Aws) -> None:
    """A call with two signatures is refused."""
    request = request_of(aws)
    twice = ", ".join([request.headers["Authorization"]] * 2)
    request.headers.replace_header("Authorization", twice)
    assert_refused(ask(aws, request))


def test_presigned_call(aws: Aws) -> None:
    """Presigned addresses are refused."""
    assert_refused(ask(aws, request_of(aws, SigV4QueryAuth)))


def assert_refused(answer: tuple[int, str]) -> None:
    """Assert that the answer is only the sentence that says what to do."""
    assert answer == (REFUSED.status, f"{REFUSED.sentence}\n")


def test_key_of_another_run(aws: Aws) -> None:
    """With a stopped sandbox's key, the error says to run `. .sandbox/env`."""
    other = Clients(REGION, Credentials.new(), aws.endpoint)
    with closing(other), pytest.raises(ClientError, match=r"run `\. \.sandbox/env`"):
        other.client("secretsmanager").list_secrets()


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/data.json", "/latest/meta-data/"])
def test_moto_endpoints_are_closed(aws: Aws, path: str) -> None:
    """Moto's own endpoints are refused even with a signature."""
    request = AWSRequest("POST", f"{aws.endpoint}{path}", {"Host": host_of(aws)}, b"")
    key = aws.credentials
    pair = botocore.credentials.Credentials(key.access_key_id, key.secret_access_key)
    SigV4Auth(pair, "secretsmanager", REGION).add_auth(request)
    assert_refused(ask(aws, request, b""))
    assert ask(aws, request_of(aws))[0] == 200


def test_secret_half_of_the_key_is_not_shown(aws: Aws) -> None:
    """The secret key isn't in the credentials' repr."""
    assert aws.credentials.secret_access_key not in repr(aws.credentials)
