"""The local AWS begins empty, passes errors on as they are, and leaves nothing running."""

from __future__ import annotations

import gc
import json
import logging
import socket

import pulumi
import pytest

from sandbox.aws import HOST, Aws
from sandbox.resources import RESOURCES
from sandbox.resources.base import UnknownToSandboxError
from tests.sandbox.deployments import REGION, deployed


def test_two_deployments_have_one_zip_and_start_empty() -> None:
    """A local AWS holds nothing of the one before; the same files make the same zip."""
    zips = []
    for region in ("us-east-1", "us-west-2"):
        with Aws(region) as aws:
            assert aws.client("s3").list_buckets()["Buckets"] == []
            zips.append(deployed(aws).function.zip)
    assert zips[0] == zips[1]


def test_refused_config_is_the_programs_own_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is not wrapped, nothing is printed, and nothing was made."""
    with Aws(REGION) as aws:
        with pytest.raises(pulumi.RunError) as refused:
            deployed(aws, MEMORY_MB="1")
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("lambda").list_functions()["Functions"] == []
    assert type(refused.value) is pulumi.RunError
    assert str(refused.value) == (
        "MEMORY_MB is '1': allowed are whole numbers from 128 to 10240; "
        "run `pulumi config set MEMORY_MB 512`"
    )
    assert capsys.readouterr() == ("", "")


def test_unknown_type_stops_the_deployment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A type that the sandbox cannot make is the error, once, and not one for each that waits."""
    monkeypatch.delitem(RESOURCES, "aws:iam/role:Role")
    with (
        Aws(REGION) as aws,
        pytest.raises(UnknownToSandboxError, match="does not know aws:iam/role:Role"),
    ):
        deployed(aws)
    gc.collect()  # asyncio complains of a task left behind when it is collected
    assert caplog.messages == []


def test_state_bucket_denies_plain_http_and_can_be_used() -> None:
    """The policy is on the bucket; what comes by loopback passes for HTTPS."""
    with Aws(REGION) as aws:
        bucket, s3 = deployed(aws).outputs["state_bucket"], aws.client("s3")
        (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        s3.put_object(Bucket=bucket, Key="state.json", Body=b"{}")
        assert s3.get_object(Bucket=bucket, Key="state.json")["Body"].read() == b"{}"


def test_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Moto's server has a line for each request, which nobody is to read."""
    caplog.set_level(logging.INFO)
    with Aws(REGION) as aws:
        aws.client("s3").list_buckets()
    assert [record.name for record in caplog.records if record.name == "werkzeug"] == []


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would get what is meant for the local AWS."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Aws(REGION) as aws:
        assert aws.client("s3").list_buckets()["Buckets"] == []


def test_local_aws_is_gone_with_its_context() -> None:
    """Nothing listens on its port any more."""
    with Aws(REGION) as aws:
        host, _, port = aws.endpoint.removeprefix("http://").partition(":")
        assert host == HOST == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
