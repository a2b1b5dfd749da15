"""The sandbox as a whole: its settings, addresses, secrets, and cleanup."""

from __future__ import annotations

import json
import os
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from cli.webhook_client import request_event, send
from handler.settings import PLAIN_KEYS
from sandbox.demo_data import JANE
from sandbox.local_aws.resources.awslambda import PUBLIC_STATEMENTS
from sandbox.stack import LOG, Sandbox
from tests.support.child_processes import children_of
from tests.support.projects import project_in


def assert_closed(address: str) -> None:
    """Assert that nothing listens at the address."""
    parts = urlsplit(address)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), timeout=5)


def test_every_address_is_of_loopback(sandbox: Sandbox) -> None:
    """Nothing can be reached from another machine."""
    assert sandbox.double
    for address in (
        sandbox.url,
        *sandbox.base_urls.values(),
        sandbox.tenant.url,
        sandbox.aws.endpoint,
        sandbox.double.url,
    ):
        assert urlsplit(address).hostname == "127.0.0.1"


def test_variables_are_what_a_shell_needs(sandbox: Sandbox) -> None:
    """The variables have all addresses, secrets and settings, and AWS credentials."""
    assert sandbox.double
    deployed = sandbox.deployment.function.config.environment
    assert deployed["AUTO_APPROVAL_DURATION"] == "6"
    assert sandbox.variables()["INCIDENTIO_BASE_URL"] == sandbox.double.url
    assert sandbox.variables() == {
        "WEBHOOK_URL": sandbox.url,
        "INDENT_WEBHOOK_SECRET": sandbox.webhook_secret,
        "AUTHZEN_URL": sandbox.url.removesuffix("/"),
        "AUTHZEN_TOKEN": sandbox.authzen_token,
        "CONDUCTORONE_URL": f"{sandbox.url}conductorone",
        "CONDUCTORONE_CALLS_URL": sandbox.tenant.calls_url,
        **{key: value for key, value in deployed.items() if key in PLAIN_KEYS},
        **{
            key: value
            for settings in sandbox.settings.providers.values()
            for key, value in settings.items()
        },
        **sandbox.receivers.settings,
        "AWS_ENDPOINT_URL": sandbox.aws.endpoint,
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        **sandbox.aws.credentials.variables(),
    }


def test_settings_are_the_functions(sandbox: Sandbox) -> None:
    """The settings are read from the deployment, as the function reads them."""
    settings = sandbox.settings
    assert settings.webhook_secrets == (sandbox.webhook_secret,)
    assert (
        settings.providers["incidentio"]["INCIDENTIO_API_KEY"]
        == sandbox.variables()["INCIDENTIO_API_KEY"]
    )
    assert settings.policy.rules[0].duration == timedelta(hours=6)
    assert not settings.dry_run


def test_secrets_are_in_the_secret_alone(sandbox: Sandbox) -> None:
    """The function's environment, the outputs and the log have no secret."""
    assert send(sandbox.url, sandbox.webhook_secret, {"info": True}).http == 200
    event = request_event(JANE, ["prod-db"])
    assert send(sandbox.url, sandbox.webhook_secret, {"events": [event]}).claims
    assert sandbox.log.wait_for(lambda line: line.get("message") == "decision", seconds=30)
    functions, name = sandbox.aws.client("lambda"), sandbox.deployment.function.config.name
    deployed = functions.get_function(FunctionName=name)
    stored = sandbox.aws.client("secretsmanager").get_secret_value(
        SecretId=sandbox.deployment.outputs["secret_arn"]
    )
    for name in ("INDENT_WEBHOOK_SECRET", "AUTHZEN_TOKEN", "INCIDENTIO_API_KEY"):
        secret = sandbox.variables()[name]
        assert secret in stored["SecretString"]
        assert secret not in json.dumps(deployed, default=str)
        assert secret not in json.dumps(dict(sandbox.deployment.outputs))
        assert secret not in repr(sandbox.deployment)
        assert secret not in sandbox.log.file.read_text(encoding="utf-8")


def test_secrets_are_new_each_time(tmp_path: Path) -> None:
    """Two sandboxes have different secrets, in Indent's format."""
    project_in(tmp_path)
    first, second = (
        Sandbox(tmp_path, live={"INCIDENTIO_API_KEY": "k1"}),
        Sandbox(tmp_path, live={"INCIDENTIO_API_KEY": "k2"}),
    )
    assert first.webhook_secret.startswith("wks0")
    assert len(first.webhook_secret) == 44
    assert first.webhook_secret != second.webhook_secret
    assert first.authzen_token != second.authzen_token


@pytest.mark.parametrize("statement", PUBLIC_STATEMENTS, ids=lambda statement: statement["Action"])
def test_public_takes_both_statements(sandbox: Sandbox, statement: dict[str, Any]) -> None:
    """The URL is public only with both exact statements."""
    functions, name = sandbox.aws.client("lambda"), sandbox.deployment.function.config.name
    condition = next(key for key in statement if key not in {"StatementId", "Action"})
    narrower = {"FunctionUrlAuthType": "AWS_IAM", "InvokedViaFunctionUrl": False}[condition]
    statement_id = {"FunctionName": name, "StatementId": statement["StatementId"]}
    functions.remove_permission(**statement_id)
    try:
        assert not sandbox.is_public()
        for wrong in (
            {"Principal": "*", **statement, condition: narrower},
            {"Principal": "123456789012", **statement},
        ):
            functions.add_permission(FunctionName=name, **wrong)
            assert not sandbox.is_public(), wrong
            functions.remove_permission(**statement_id)
    finally:
        functions.add_permission(FunctionName=name, Principal="*", **statement)
    assert sandbox.is_public()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "is not set"),
        ("  aws:region:\n", "is not set"),
        ("  aws:region: mars-1\n", "is 'mars-1', which isn't a region"),
        ("  aws:region: eu-west-9\n", "is 'eu-west-9', which the local AWS doesn't know"),
    ],
)
def test_stack_without_a_region_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    """The error names the key and a command, and nothing is started."""
    project_in(tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n{line}", encoding="utf-8")
    with pytest.raises(pulumi.RunError) as refused, Sandbox(tmp_path):
        pytest.fail("entered")
    remedy = "for example, run `pulumi config set aws:region eu-west-1 --stack dev`"
    assert str(refused.value) == f"aws:region {problem}; {remedy}"


def test_sandbox_that_cannot_start_keeps_the_log(tmp_path: Path) -> None:
    """A sandbox empties the previous one's log only once its settings are deployed."""
    log = project_in(tmp_path, MEMORY_MB="1") / LOG
    log.parent.mkdir()
    log.write_text("of another sandbox\n", encoding="utf-8")
    with pytest.raises(pulumi.RunError, match="MEMORY_MB"), Sandbox(tmp_path):
        pytest.fail("entered")
    assert log.read_text(encoding="utf-8") == "of another sandbox\n"


# Keep this last: no other test of this file calls the shared sandbox after it.
def test_nothing_is_left(tmp_path: Path) -> None:
    """After the sandbox ends, or fails to start, no child, thread or port is left.

    If the program refuses the config, the double and AWS are already running. The sandbox creates
    the bucket and the key that `make bootstrap` would have created.
    """
    before = set(threading.enumerate())
    project_in(
        tmp_path,
        STATE_BUCKET="acme-state",
        STATE_BUCKET_MANAGED="true",
        KMS_KEY_ALIAS="oncall-state",
        KMS_KEY_ID="38cdb1d1-718d-455c-a6a4-50d35fd3b767",
        KMS_KEY_MANAGED="true",
    )
    running = Sandbox(tmp_path)
    with running:
        (child,) = start_a_child(running)
        addresses = [running.url, *running.base_urls.values(), running.aws.endpoint]
        (bucket,) = running.aws.client("s3").list_buckets()["Buckets"]
        assert bucket["Name"] == running.deployment.outputs["state_bucket"] == "acme-state"
    for address in addresses:
        assert_closed(address)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)

    refused = Sandbox(tmp_path, config={"MEMORY_MB": "1"})
    assert refused.double
    with pytest.raises(pulumi.RunError, match="MEMORY_MB is '1'"), refused:
        pytest.fail("entered")
    assert_closed(refused.double.url)
    assert_closed(refused.aws.endpoint)
    assert set(threading.enumerate()) <= before


def start_a_child(sandbox: Sandbox) -> set[int]:
    """Make a call that starts a child, and return its process id."""
    before = children_of(os.getpid())
    assert send(sandbox.url, sandbox.webhook_secret, {"info": True}).http == 200
    return children_of(os.getpid()) - before
