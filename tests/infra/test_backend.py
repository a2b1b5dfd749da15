"""Before Pulumi reads any state, the backend is proven to be ours and to have the stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from infra import backend, bootstrap
from infra.aws_account import current_account, loopback_endpoints
from infra.backend import parse_backend
from infra.errors import SetupError
from sandbox.local_aws.moto_server import Aws
from tests.engine.aws_proxy import AwsProxy
from tests.infra.bootstrap_project import BootstrapProject

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A local AWS with one bucket."""
    with Aws("us-west-2") as aws:
        where = {"LocationConstraint": "us-west-2"}
        aws.client("s3").create_bucket(Bucket="ours", CreateBucketConfiguration=where)
        yield aws


@pytest.fixture
def proxy(aws: Aws) -> Iterator[AwsProxy]:
    """The proxy through which the command calls that AWS."""
    with AwsProxy(aws) as proxy:
        yield proxy


@pytest.fixture
def project(
    tmp_path: Path,
    proxy: AwsProxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> BootstrapProject:
    """A project whose backend, the bucket, has the stack dev."""
    project = BootstrapProject(tmp_path, proxy, "dev", monkeypatch, capsys)
    project.write_settings()
    project.hold_stacks("dev", "prod")
    for key in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(key, str(tmp_path / "none"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", _url(proxy))
    return project


def _url(proxy: AwsProxy, bucket: str = "ours", region: str = "us-west-2") -> str:
    return f"s3://{bucket}?region={region}&endpoint={proxy.endpoint}&s3ForcePathStyle=true"


def _check(project: BootstrapProject, stack: str = "dev") -> int:
    return backend.main([stack], project.environment(), project.folder)


def _error(project: BootstrapProject, stack: str = "dev") -> str:
    """Run what must be refused; it prints one line, besides a warning of the endpoint."""
    assert _check(project, stack) == 1
    output = project.capsys.readouterr()
    assert output.out == ""
    *warnings, line = output.err.splitlines()
    assert all(each.startswith("warning: AWS_ENDPOINT_URL") for each in warnings)
    assert line.startswith("error: ")
    return line


def test_stack_in_a_bucket_of_ours(project: BootstrapProject) -> None:
    """The backend is accepted, with a warning of the local endpoint and how to remove it."""
    assert _check(project) == 0
    (warning,) = project.capsys.readouterr().err.splitlines()
    assert "AWS calls go to this machine, not to your account" in warning
    assert warning.endswith("run `unset AWS_ENDPOINT_URL`")
    ((words, (_, no_plugins)),) = project.pulumi_calls()
    assert words[:2] == ["stack", "export"]
    assert no_plugins == "true"


def test_state_in_a_folder(project: BootstrapProject) -> None:
    """It needs no AWS, and gives no warning if no endpoint is set."""
    project.hold_stacks("dev", folder=True)
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", "file://~")
    project.monkeypatch.delenv("AWS_ENDPOINT_URL")
    project.monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert _check(project) == 0
    assert project.capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "PULUMI_BACKEND_URL, the place of the state, is not set"),
        ("ours", "PULUMI_BACKEND_URL is 'ours', which isn't the URL"),
        ("ftp://ours", "PULUMI_BACKEND_URL is 'ftp://ours', which isn't"),
        ("s3://", "PULUMI_BACKEND_URL is 's3://', which isn't"),
        ("s3://[ours", "PULUMI_BACKEND_URL is 's3://[ours', which isn't"),
        ("\x1b[31m", "PULUMI_BACKEND_URL is '\\x1b[31m', which isn't"),
    ],
)
def test_invalid_address(project: BootstrapProject, url: str, expected: str) -> None:
    """The error says what is wrong and what to type; Pulumi isn't called."""
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    line = _error(project)
    assert expected in line
    assert "run the `export` lines that `make bootstrap STACK=dev` prints" in line
    assert project.pulumi_calls() == []


def test_bucket_of_another_account(project: BootstrapProject, proxy: AwsProxy) -> None:
    """Pulumi never reads its contents."""
    proxy.foreign_buckets.add("ours")
    line = _error(project)
    assert "bucket ours doesn't belong to account 123456789012" in line
    assert "STATE_BUCKET" in line
    assert project.pulumi_calls() == []
    assert proxy.calls_without_owner == []


def test_endpoint_of_somebody_else(project: BootstrapProject, proxy: AwsProxy) -> None:
    """Any server could claim that a bucket is ours; an intended one is set in the environment."""
    project.monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    line = _error(project)
    assert f"names the endpoint '{proxy.endpoint}', which isn't AWS's" in line
    assert f"`export AWS_ENDPOINT_URL_S3={proxy.endpoint}`" in line
    assert proxy.calls == []
    assert project.pulumi_calls() == []


@pytest.mark.parametrize(
    ("endpoint", "taken"),
    [
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("s3.eu-west-1.amazonaws.com", True),
        ("http://s3.eu-west-1.amazonaws.com", False),
        ("https://s3.amazonaws.com.evil.example", False),
        ("https://evil.example/.amazonaws.com", False),
        ("https://evil.example?.amazonaws.com", False),
        ("https://evilamazonaws.com", False),
        ("https://s3.amazonaws.com@evil.example", False),
    ],
)
def test_endpoints_of_aws(endpoint: str, taken: bool) -> None:  # noqa: FBT001 - a table of truths
    """Only AWS can prove who owns a bucket, and only over TLS."""
    result = parse_backend(f"s3://b?endpoint={quote(endpoint, safe='')}", "dev")
    try:
        backend._check_endpoint(result, {})
    except SetupError:
        assert not taken
    else:
        assert taken


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("awskms:///arn:aws:kms:us-west-2:210987654321:key/k?region=us-west-2", "210987654321"),
        ("awskms://arn:aws:kms:us-west-2:210987654321:alias/ours", "210987654321"),
        ("awskms:///arn%3Aaws%3Akms%3Aus-west-2%3A210987654321%3Akey/k", "210987654321"),
        ("awskms:///arn:aws:kms:us-west-2:123456789012:key/k", ""),
        ("awskms://alias/ours?region=us-west-2&awssdk=v2", ""),
        ("awskms://alias/ours?endpoint=https://evil.example", "https://evil.example"),
        ("awskms://alias/ours?endpoint=https://evil.example&endpoint=", "https://evil.example"),
        ("hashivault://key", ""),
    ],
)
def test_key_of_another_account(project: BootstrapProject, address: str, expected: str) -> None:
    """Its owner could read the stack's secrets: both commands refuse it before Pulumi is called."""
    # Where there is no encrypted key, Pulumi makes one.
    encrypted = "encryptedkey: abc\n" if "alias" in address else ""
    with project.file.open("a", encoding="utf-8") as file:
        file.write(f"secretsprovider: {address}\n{encrypted}")
    if not expected:
        assert _check(project) == 0
        return
    assert expected in _error(project)
    assert project.run() == 1
    assert expected in project.capsys.readouterr().err
    assert project.pulumi_calls() == []


@pytest.mark.parametrize(
    "key", ["aws:endpoints", "aws:profile", "aws:accessKey", "aws:assumeRoles", "aws:config:token"]
)
def test_config_that_redirects(project: BootstrapProject, key: str) -> None:
    """The account that is proven must be deployed to: both commands refuse the stack's file."""
    with project.file.open("a", encoding="utf-8") as file:
        file.write(f"  {key}: [{{s3: https://evil.example}}]\n")
    output = key.replace("config:", "")
    assert f"{output} could send the deploy to another AWS account" in _error(project)
    assert project.run() == 1
    assert output in project.capsys.readouterr().err
    assert project.pulumi_calls() == []


def test_parameter_that_is_given_twice(proxy: AwsProxy) -> None:
    """Pulumi uses the first value, so that one is proven."""
    result = parse_backend(
        f"{_url(proxy)}&endpoint=https://s3.amazonaws.com&region=eu-west-1", "dev"
    )
    assert (result.endpoint, result.region) == (proxy.endpoint, "us-west-2")


def test_profile_that_needs_a_code(project: BootstrapProject) -> None:
    """Pulumi could not ask for an MFA code: the error names the command to run first."""
    config = project.folder / "aws-config"
    config.write_text(
        "[profile keys]\naws_access_key_id = AKIA\naws_secret_access_key = of-a-test\n"
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = keys\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/somebody\n",
        encoding="utf-8",
    )
    project.monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    project.monkeypatch.setenv("AWS_PROFILE", "ops")
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        project.monkeypatch.delenv(key)
    line = _error(project)
    assert "needs an MFA code" in line
    assert '`eval "$(aws configure export-credentials --format env)"`' in line
    with pytest.raises(SetupError, match="credentials --profile ops --format env"):
        current_account("us-west-2", "ops")


def test_region_that_is_not_enabled(project: BootstrapProject) -> None:
    """AWS calls valid credentials invalid there."""
    _answers(project, "GetCallerIdentity", "403 Forbidden", "InvalidClientTokenId")
    line = _error(project)
    assert "wrong or expired, or the account has not enabled aws:region" in line


def test_stacks_that_may_not_be_listed(project: BootstrapProject, proxy: AwsProxy) -> None:
    """CI's role reads only its own stack's state; a missing stack is still reported."""
    cli = project.folder / "bin" / "pulumi"
    refusing = 'if words[:2] == ["stack", "ls"]:\n    sys.exit("error: AccessDenied")\n'
    cli.write_text(
        cli.read_text("utf-8").replace(
            "words = sys.argv[1:]\n", f"words = sys.argv[1:]\n{refusing}"
        )
    )
    (project.folder / "bin" / "stacks").write_text("prod")
    line = _error(project)
    assert f"{_url(proxy)} has no stack 'dev'; export the PULUMI_BACKEND_URL" in line


def test_bucket_that_is_gone(project: BootstrapProject, proxy: AwsProxy) -> None:
    """The error names the command that prints the right address."""
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", _url(proxy, "gone"))
    line = _error(project)
    assert "names the bucket gone, which does not exist; run `make bootstrap STACK=dev`" in line


def test_region_that_is_not_the_buckets(project: BootstrapProject, proxy: AwsProxy) -> None:
    """The error names both regions."""
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", _url(proxy, region="eu-west-1"))
    line = _error(project)
    assert "the bucket ours is in us-west-2, not in eu-west-1; in PULUMI_BACKEND_URL" in line


@pytest.mark.parametrize(
    ("held", "expected"), [("prod qa", "it has prod, qa"), ("", "it is empty")]
)
def test_stack_that_the_backend_lacks(
    project: BootstrapProject, proxy: AwsProxy, held: str, expected: str
) -> None:
    """The error names the backend, its stacks, and the command that prints the right address."""
    (project.folder / "bin" / "stacks").write_text(held)
    line = _error(project)
    assert f"{_url(proxy)} has no stack 'dev' ({expected})" in line
    assert "`make bootstrap STACK=dev`" in line


@pytest.mark.parametrize("url", ["file:///\x1b[2J", "s3://ours?region=us-west-2&x=\x1b[2J"])
def test_address_is_escaped(project: BootstrapProject, url: str) -> None:
    """Also an address that can be used."""
    (project.folder / "bin" / "stacks").write_text("prod")
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    line = _error(project)
    assert "\x1b" not in line
    assert r"\x1b[2J has no stack 'dev'" in line


def test_arguments_are_escaped(project: BootstrapProject) -> None:
    """Those of both commands, whatever is wrong with them."""
    for main in (backend.main, bootstrap.main):
        with pytest.raises(SystemExit):
            main(["dev", "\x1b[2J"], project.environment(), project.folder)
        assert r"unrecognized arguments: \x1b[2J" in project.capsys.readouterr().err


def test_stack_without_a_file(project: BootstrapProject) -> None:
    """STACK is misspelt."""
    assert "there is no Pulumi.nope.yaml (existing stacks: dev)" in _error(project, "nope")


def test_no_credentials(project: BootstrapProject) -> None:
    """The error says how to sign in."""
    project.monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    project.monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    line = _error(project)
    assert "AWS credentials are missing or expired" in line
    assert "run `aws sso login`, or export AWS_ACCESS_KEY_ID" in line


def test_unknown_profile(project: BootstrapProject) -> None:
    """The error names it."""
    project.monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "nobody" in _error(project)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_credentials_that_aws_refuses(project: BootstrapProject, code: str) -> None:
    """The error has AWS's code, and says how to sign in."""
    _answers(project, "GetCallerIdentity", "403 Forbidden", code)
    line = _error(project)
    assert f"AWS rejected the credentials ({code}): they are wrong or expired" in line


def test_aws_errors_are_escaped(project: BootstrapProject) -> None:
    """They cannot control the terminal, or end the line."""
    _answers(project, "GetCallerIdentity", "400 Bad Request", "Odd\u202e&#10;::x")
    line = _error(project)
    assert "\u202e" not in line
    assert "\\u202e" in line


def test_answer_that_is_not_from_aws(project: BootstrapProject) -> None:
    """The page of a proxy or guest network is reported in one line."""

    def page(_environ: object, start_response: Any) -> list[bytes]:  # noqa: ANN401 - WSGI's own
        start_response("500 Internal Server Error", [("Content-Type", "text/html")])
        return [b"<!doctype html>\n<title>Sign in</title>"]

    project.monkeypatch.setattr(project.proxy._aws, "answer", page)
    assert "AWS can't be asked" in _error(project)


def test_endpoint_where_nobody_listens(project: BootstrapProject) -> None:
    """After a sandbox has ended, both lines say how to remove its settings."""
    project.monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    project.monkeypatch.setenv(
        "PULUMI_BACKEND_URL", f"s3://ours?region=us-west-2&endpoint={NOBODY}"
    )
    line = _error(project)
    assert "AWS can't be reached" in line
    assert "`unset AWS_ENDPOINT_URL`" in line


def test_cli_that_fails(project: BootstrapProject) -> None:
    """Its error is reported in one line."""
    project.fail_pulumi("error: blob\x1b[2J\nmore")
    line = _error(project)
    assert "`pulumi stack export` failed at s3://ours" in line
    assert "error: blob\\x1b[2J more" in line


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("http://127.0.0.1:4566", 1),
        ("http://localhost:4566", 1),
        ("http://[::1]:4566", 1),
        ("https://vpce-1.sts.us-east-1.vpce.amazonaws.com", 0),
        ("http://[", 0),
        ("", 0),
    ],
)
def test_endpoints_of_this_machine(value: str, found: int) -> None:
    """Also of one service; private endpoints of AWS and invalid addresses are not among them."""
    for key in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        assert len(loopback_endpoints({key: value})) == found


@pytest.mark.parametrize("url", ["https://api.pulumi.com", "gs://bucket", "azblob://container"])
def test_other_backends_are_left_to_pulumi(url: str) -> None:
    """State elsewhere is not in an S3 bucket."""
    assert parse_backend(url, "dev").bucket == ""


def test_address_is_parsed() -> None:
    """Bucket, region, endpoint and profile."""
    result = parse_backend("s3://b/p?region=eu-west-1&endpoint=s3.example.com&profile=ops", "dev")
    assert (result.bucket, result.region, result.profile) == ("b", "eu-west-1", "ops")
    assert result.endpoint == "https://s3.example.com"
    with pytest.raises(SetupError):
        parse_backend("s3:b", "dev")


def _answers(project: BootstrapProject, call: str, status: str, code: str) -> None:
    """Make the proxy answer a call like this."""
    proxy = project.proxy
    refuse = proxy._refused_bucket
    project.monkeypatch.setattr(
        proxy,
        "_refused_bucket",
        lambda environ, name: (status, code) if name == call else refuse(environ, name),
    )
