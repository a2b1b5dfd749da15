"""Which webhook `oncall check` calls: a stack's, from the Pulumi CLI, or the environment's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.context import process
from cli.target import Target, find_target, with_secret
from sandbox.local_aws.moto_server import Aws
from tests.cli.conftest import Command
from tests.cli.stacks import SECRET, Stack
from tests.engine.aws_proxy import AwsProxy
from tests.handler.scripted import Scripted, reply


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack at whose address nothing listens."""
    return Stack(tmp_path, {"webhook_url": "http://127.0.0.1:1/"})


def test_the_cli_is_asked_for_outputs_and_the_secret(stack: Stack) -> None:
    """Two commands without prompts read outputs and secret; no argument has the secret."""
    with Scripted(reply(b"{}", 404)) as server:
        stack.set_answer("stack", f'{{"webhook_url": "{server.url}"}}')
        assert stack.check().status == 1
        assert server.requests
    assert stack.pulumi_calls[:2] == [
        "stack output --json --stack dev --non-interactive --color never",
        "config get INDENT_WEBHOOK_SECRET --stack dev --non-interactive --color never",
    ]


@pytest.mark.parametrize(
    ("command", "err", "message"),
    [
        (
            "config",
            "error: could not create a decrypter: passphrase must be set with X or Y",
            "export PULUMI_CONFIG_PASSPHRASE",
        ),
        ("config", "error: could not create a decrypter: incorrect passphrase", "the right one"),
        (
            "config",
            "error: configuration key 'INDENT_WEBHOOK_SECRET' not found for stack 'dev'",
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`",
        ),
        ("stack", "error: no stack named 'dev' found", "`make bootstrap STACK=dev` prints"),
        (
            "stack",
            "error: PULUMI_ACCESS_TOKEN must be set for login",
            "the PULUMI_BACKEND_URL that",
        ),
        ("stack", "error: NoCredentialProviders: no valid providers", "`aws sso login`"),
        ("stack", "error: blob: no\x1b[31m\nmore", ": error: blob: no\\x1b[31m; run it to see why"),
        ("stack", "", "`pulumi stack output --json --stack dev` failed; run it to see why"),
    ],
)
def test_errors_of_the_cli(stack: Stack, command: str, err: str, message: str) -> None:
    """If Pulumi fails, one line names the remedy, the status is 2, and nothing is called."""
    stack.set_answer(command, err=err, code=255)
    answer = stack.check()
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("oncall: ")
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_nothing_that_may_hold_the_secret_is_quoted(stack: Stack) -> None:
    """Output of the CLI that may contain the secret isn't printed."""
    stack.set_answer("config", out=f"{SECRET}\n", err=f"error: {SECRET} is odd", code=1)
    answer = stack.check()
    assert answer.status == 2
    assert "`pulumi config get INDENT_WEBHOOK_SECRET --stack dev` failed; run it" in answer.err


def test_without_a_backend_the_cli_is_not_run(stack: Stack) -> None:
    """Without PULUMI_BACKEND_URL, Pulumi isn't run, since it would use any login."""
    del stack.environment["PULUMI_BACKEND_URL"]
    answer = stack.check()
    assert answer.status == 2
    assert "PULUMI_BACKEND_URL, the place of the state, is not set" in answer.err
    assert "`make bootstrap STACK=dev` prints" in answer.err
    assert stack.pulumi_calls == []


def test_state_in_a_bucket_of_another_account_is_not_read(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi runs only if AWS confirms who owns the bucket."""
    with Aws("us-west-2") as aws, AwsProxy(aws) as proxy:
        where = {"LocationConstraint": "us-west-2"}
        for bucket in ("theirs", "ours"):
            aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        proxy.foreign_buckets.add("theirs")
        for key, value in {
            "AWS_ENDPOINT_URL": proxy.endpoint,
            **aws.credentials.variables(),
        }.items():
            monkeypatch.setenv(key, value)
            stack.environment[key] = value
        url = f"?region=us-west-2&endpoint={proxy.endpoint}&s3ForcePathStyle=true"
        stack.environment["PULUMI_BACKEND_URL"] = f"s3://theirs{url}"
        answer = stack.check()
        assert answer.status == 2
        assert "bucket theirs doesn't belong to account 123456789012" in answer.err
        assert stack.pulumi_calls == proxy.calls_without_owner == []
        stack.environment["PULUMI_BACKEND_URL"] = f"s3://ours{url}"
        stack.check()
        assert stack.pulumi_calls


@pytest.mark.parametrize("outputs", ["{}", '{"webhook_url": ""}', '{"webhook_url": 7}'])
def test_a_stack_that_is_not_deployed(stack: Stack, outputs: str) -> None:
    """Without the output webhook_url, the remedy is to deploy the stack."""
    stack.set_answer("stack", outputs)
    assert "stack dev has no webhook_url: it is not deployed; run `make deploy" in stack.check().err


@pytest.mark.parametrize("outputs", ["", "[]", "Welcome!", "[" * 100_000])
def test_invalid_outputs(stack: Stack, outputs: str) -> None:
    """Outputs that aren't a JSON object are an error."""
    stack.set_answer("stack", outputs)
    assert "`pulumi stack output --json` gave no JSON object" in stack.check().err


def test_without_the_cli(stack: Stack) -> None:
    """The error says where to get Pulumi, and that the sandbox doesn't need it."""
    (stack.bin / "pulumi").unlink()
    stack.environment["PATH"] = str(stack.bin)
    answer = stack.check()
    assert answer.status == 2
    assert "there is no pulumi on PATH; install it: https://" in answer.err
    assert "beside `make up`, leave --stack out" in answer.err


def test_a_cli_that_cannot_be_run(stack: Stack) -> None:
    """The system's error is shown, and output that isn't UTF-8 is refused."""
    cli = stack.bin / "pulumi"
    cli.write_text("#!/nowhere/at/all\n", encoding="utf-8")
    assert "can't be run: No such file or directory" in stack.check().err
    cli.write_text("#!/bin/sh\nprintf '\\377'\n", encoding="utf-8")
    assert "printed something that isn't UTF-8" in stack.check().err


def test_a_missing_stack(tmp_path: Path) -> None:
    """Without project or stack file, the error comes before Pulumi runs."""
    oncall = Command(tmp_path, "")
    assert "no Pulumi.yaml here or above" in oncall("check", "--stack", "dev").err
    stack = Stack(tmp_path, {})
    (tmp_path / "Pulumi.dev.yaml").unlink()
    assert "there is no Pulumi.dev.yaml" in stack.check().err
    assert stack.pulumi_calls == []


@pytest.mark.parametrize("missing", ["WEBHOOK_URL", "INDENT_WEBHOOK_SECRET"])
def test_a_missing_variable(tmp_path: Path, missing: str) -> None:
    """The error names the missing variable, and both ways to provide it."""
    oncall = Command(tmp_path, "")
    oncall.environment = {"WEBHOOK_URL": "http://127.0.0.1:1/", "INDENT_WEBHOOK_SECRET": SECRET}
    oncall.environment[missing] = ""
    answer = oncall("check", "--caller", "indent")
    assert (answer.status, answer.out) == (2, "")
    assert f"{missing} is not set: give --stack NAME, or run `. .sandbox/env`" in answer.err


def test_the_secret_is_not_in_its_repr() -> None:
    """A target's text never contains its secret."""
    context = process()._replace(environment={"WEBHOOK_URL": "u", "INDENT_WEBHOOK_SECRET": SECRET})
    found = with_secret(find_target(None, context), "INDENT_WEBHOOK_SECRET", context)
    assert found.secret == SECRET
    assert SECRET not in repr(found) + str(found)
    assert repr(Target("u", SECRET, "dev")) == "Target('u', stack='dev')"


@pytest.mark.parametrize("user", ["user:s3kr1t@", "s3kr1t@", "a@b:s3kr1t@"])
def test_a_user_in_the_url_is_not_printed(oncall: Command, user: str) -> None:
    """An address with a user, maybe a password, is refused without printing it."""
    oncall.environment = {
        "WEBHOOK_URL": f"http://{user}127.0.0.1:1/",
        "INDENT_WEBHOOK_SECRET": SECRET,
    }
    answer = oncall("check", "--json")
    message = "oncall: WEBHOOK_URL has a user before its host: leave that out\n"
    assert answer == (2, "", message)
