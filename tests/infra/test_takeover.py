"""Resources that `make bootstrap` made: the program imports them, if they are the stack's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pulumi
import pytest
from moto import mock_aws

from infra.aws_account import current_account
from infra.stack_file import read_stack_config
from sandbox.local_aws.program import PROJECT, Registration, run_program
from tests.infra.program import ROOT, SECRETS, Program

NAME = "acme-state"
MANAGED = {"STATE_BUCKET": NAME, "STATE_BUCKET_MANAGED": "true"}
KEY = {
    "KMS_KEY_ALIAS": "oncall-state",
    "KMS_KEY_ID": "38cdb1d1-718d-455c-a6a4-50d35fd3b767",
    "KMS_KEY_MANAGED": "true",
}
TAGS = {"project": "oncall-approvals", "stack": "dev"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 without any bucket."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "sandbox")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        yield boto3.client("s3")


def _make(s3: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401 - boto3 has no types
    s3.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": listed})


def _by_name(settings: Mapping[str, str]) -> dict[str, Registration]:
    run = Program().run(settings)
    return {
        made.name: made
        for made in run.registrations
        if made.type.startswith(("aws:s3/", "aws:kms/"))
    }


def test_managed_bucket_is_imported(s3: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """The stack's own bucket is imported and protected; additional tags don't matter."""
    _make(s3, {**TAGS, "owner": "platform"})
    made = _by_name(MANAGED)
    bucket = made["state"]
    assert (bucket.imported, bucket.ignored) == (NAME, frozenset({"tags", "tagsAll"}))
    assert bucket.inputs == {"bucket": NAME, "tags": TAGS}
    assert all(each.protect and each.retain_on_delete for each in made.values())
    assert [each.name for each in made.values() if each.imported] == ["state"]
    assert len(made) == 7


def test_region_comes_from_the_environment(
    s3: Any,  # noqa: ANN401, ARG001 - boto3 has no types; needed for the local AWS
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without `aws:region`, the region is AWS_REGION, which matters in China."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert current_account("").region == "us-west-2"
    assert current_account("eu-west-1").region == "eu-west-1"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (None, "STATE_BUCKET is 'acme-state', but there is no such bucket"),
        ({}, "bucket acme-state doesn't have the tags project=oncall-approvals, stack=dev"),
        ({**TAGS, "stack": "prod"}, "bucket acme-state doesn't have the tags"),
    ],
)
def test_bucket_that_is_not_the_stacks_is_not_imported(
    s3: Any,  # noqa: ANN401 - boto3 has no types
    tags: dict[str, str] | None,
    expected: str,
) -> None:
    """For a bucket of another stack, nothing is registered, and the error has the command."""
    if tags is not None:
        _make(s3, tags)
    program = Program()
    with pytest.raises(pulumi.RunError, match=expected) as refused:
        program.run(MANAGED)
    assert str(refused.value).endswith("run `make bootstrap STACK=dev`")
    assert program.mocks.requests == []


def test_unmanaged_bucket_is_left_alone() -> None:
    """An unmanaged bucket isn't registered or queried; its name is an output."""
    settings = {**MANAGED, "STATE_BUCKET_MANAGED": "false"}
    run = Program().run(settings)
    assert run.outputs["state_bucket"] == NAME
    assert not [made for made in run.registrations if made.type.startswith("aws:s3/")]
    assert not [made for made in run.registrations if made.type.endswith(":StateBucket")]


def test_managed_key_is_imported_with_its_alias() -> None:
    """Key and alias are imported by their ids."""
    made = _by_name(KEY)
    assert made["state-key"].imported == KEY["KMS_KEY_ID"]
    assert made["state-key"].ignored == {"tags", "tagsAll"}
    assert made["state-key-alias"].imported == "alias/oncall-state"


def test_unmanaged_key_is_left_alone() -> None:
    """A key that is managed elsewhere isn't registered."""
    assert not [each for each in _by_name({**KEY, "KMS_KEY_MANAGED": "false"}) if "key" in each]


def test_without_a_bootstrap_the_stack_makes_both(s3: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """Without a bootstrap the stack makes its own bucket and key; a later key as well."""
    _make(s3, TAGS)
    for settings in ({}, {"KMS_KEY_ALIAS": "oncall-state"}):
        assert not [each for each in _by_name(settings).values() if each.imported]
    made = _by_name({**MANAGED, "KMS_KEY_ALIAS": "oncall-state"})
    assert not made["state-key"].imported


@pytest.mark.parametrize("key", ["aws:endpoints", "aws:profile", "aws:assumeRoles"])
def test_config_that_leads_elsewhere_is_refused(key: str) -> None:
    """Config that could send the provider to another AWS account than the check is refused."""
    config, _ = read_stack_config(ROOT, "without-a-file")
    config["aws:region"] = "us-west-2"
    program = Program()
    config |= {f"{PROJECT}:{name}": value for name, value in SECRETS.items()} | {key: "elsewhere"}
    secrets = {f"{PROJECT}:{name}" for name in SECRETS}
    with pytest.raises(
        pulumi.RunError, match=f"^{key} could send the deploy to another AWS account"
    ):
        run_program(config, secrets, program.mocks, root=ROOT, stack="dev")
    assert program.mocks.requests == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"STATE_BUCKET_MANAGED": "true"},
            (
                "STATE_BUCKET_MANAGED is set, but STATE_BUCKET is not; `make bootstrap` sets both; "
                "run `pulumi config rm STATE_BUCKET_MANAGED --stack dev`"
            ),
        ),
        (
            {"KMS_KEY_MANAGED": "true", "KMS_KEY_ALIAS": "oncall-state"},
            (
                "KMS_KEY_MANAGED is set, but KMS_KEY_ID is not; `make bootstrap` sets both; "
                "run `pulumi config rm KMS_KEY_MANAGED --stack dev`"
            ),
        ),
    ],
)
def test_incomplete_bootstrap_settings_are_refused(
    settings: Mapping[str, str], expected: str
) -> None:
    """If only one of the settings of `make bootstrap` is left, the error has the command."""
    with pytest.raises(pulumi.RunError) as refused:
        Program().run(settings)
    assert str(refused.value) == expected
