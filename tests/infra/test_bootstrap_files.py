"""What is read of the stack's file, the environment, an export and a preview."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.bootstrap.copies import CutShort, previewed_bucket, read_copy, said_errors
from infra.bootstrap.stack_file import (
    SetupError,
    StackFile,
    bucket_url,
    check_passphrase,
    places,
    read_stack_file,
)
from tests.infra.made_up import ROOT

BUCKET = "aws:s3/bucket:Bucket"


def _read(
    folder: Path, text: str | None, environment: Mapping[str, str] | None = None
) -> StackFile:
    (folder / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    if text is not None:
        (folder / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    return read_stack_file(folder, "dev", environment or {})


@pytest.mark.parametrize(
    ("text", "environment", "read"),
    [
        (None, {}, ("", "", "passphrase")),
        ("", {"AWS_DEFAULT_REGION": "eu-west-1"}, ("eu-west-1", "", "passphrase")),
        ("config: {aws:region: eu-west-1}", {"AWS_REGION": "x"}, ("eu-west-1", "", "passphrase")),
        (
            "config: {oncall-approvals:KMS_KEY_ALIAS: ' 1e3 '}\nencryptionsalt: v1:x",
            {"AWS_REGION": "eu-west-1"},
            ("eu-west-1", "1e3", "passphrase"),
        ),
        ("config: {KMS_KEY_ALIAS: not-ours}", {}, ("", "", "passphrase")),
        ("secretsprovider: default", {}, ("", "", "passphrase")),
        ("secretsprovider: awskms://alias/x?region=y", {}, ("", "", "awskms://alias/x?region=y")),
    ],
)
def test_stack_file(
    tmp_path: Path, text: str | None, environment: dict[str, str], read: tuple[str, str, str]
) -> None:
    """Region, alias and what encrypts it; the environment's region where the file has none."""
    file = _read(tmp_path, text, environment)
    assert (file.region, file.alias, file.provider) == read
    assert file.content == (None if text is None else text.encode())


def test_key_has_an_address_with_alias_and_region(tmp_path: Path) -> None:
    """As Pulumi takes it; how the address ends does not matter when two are compared."""
    text = "config: {aws:region: eu-west-1, oncall-approvals:KMS_KEY_ALIAS: a/b}"
    file = _read(tmp_path, f"{text}\nsecretsprovider: awskms://alias/a/b?region=eu-west-1")
    assert file.key == "awskms://alias/a/b?region=eu-west-1&awssdk=v2"
    assert file.is_encrypted_by(file.key)
    assert not file.is_encrypted_by("awskms://alias/a?region=eu-west-1")
    assert not file.is_encrypted_by("passphrase")
    without = _read(tmp_path, "config: {oncall-approvals:KMS_KEY_ALIAS: a}")
    with pytest.raises(SetupError, match=r"aws:region is not set.*pulumi config set aws:region"):
        _ = without.key


@pytest.mark.parametrize("text", ["a: [", "- a", "\tx: 1"])
def test_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    """The file and what is wrong, in one line."""
    with pytest.raises(
        SetupError, match=r"Pulumi\.dev\.yaml (cannot be read|is not a file)"
    ) as said:
        _read(tmp_path, text)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    "stack", ["", "../dev", "--help", "organization/x/dev", ".", "a b", "a" * 101]
)
def test_what_is_no_stacks_name_is_refused(tmp_path: Path, stack: str) -> None:
    """Before it becomes a path, or an option of a command."""
    with pytest.raises(SetupError, match=r"STACK is '.*': allowed are letters"):
        read_stack_file(tmp_path, stack, {})


def test_project_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By the path of its file."""
    with pytest.raises(SetupError, match=r"Pulumi\.yaml cannot be read: .*No such file"):
        read_stack_file(tmp_path, "dev", {})


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ("file://~", "")),
        ({"HOME": "/home/me"}, ("file:///home/me", "")),
        ({"HOME": "/h", "PULUMI_BACKEND_URL": "file:///state"}, ("file:///state", "")),
        ({"HOME": "/h", "PULUMI_BACKEND_URL": "s3://b?region=r"}, ("file:///h", "s3://b?region=r")),
    ],
)
def test_places(environment: dict[str, str], found: tuple[str, str]) -> None:
    """The environment names one; the other is where `pulumi login --local` has it, or not known."""
    assert places(environment) == found


@pytest.mark.parametrize("url", ["https://api.pulumi.com", "gs://bucket", "/state"])
def test_other_backends_are_refused(url: str) -> None:
    """It moves between two kinds of place."""
    with pytest.raises(
        SetupError, match=r"PULUMI_BACKEND_URL is '.*run `unset PULUMI_BACKEND_URL`"
    ):
        places({"PULUMI_BACKEND_URL": url})


@pytest.mark.parametrize(
    ("environment", "end"),
    [
        ({}, "&awssdk=v2"),
        ({"AWS_ENDPOINT_URL": "http://x"}, "&endpoint=http://x&s3ForcePathStyle=true"),
        (
            {"AWS_ENDPOINT_URL": "http://x", "AWS_ENDPOINT_URL_S3": "http://y"},
            "&endpoint=http://y&s3ForcePathStyle=true",
        ),
    ],
)
def test_buckets_address(environment: dict[str, str], end: str) -> None:
    """As both generations of the CLI take it; an endpoint of the environment counts."""
    assert bucket_url("b", "eu-west-1", environment) == f"s3://b?region=eu-west-1{end}"
    with pytest.raises(SetupError, match="aws:region is not set"):
        bucket_url("b", "", environment)


@pytest.mark.parametrize("key", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_passphrase_has_to_be_there(key: str) -> None:
    """Even an empty one is one; without any the remedy never shows it on the screen."""
    check_passphrase({key: ""})
    with pytest.raises(SetupError, match="run `read -rs PULUMI_CONFIG_PASSPHRASE && export"):
        check_passphrase({})


def _exported(**deployment: object) -> str:
    return json.dumps({"version": 3, "deployment": deployment})


def test_copy_of_an_export() -> None:
    """Its time to the microsecond, its things, its bucket and what was cut short."""
    bucket = {"type": BUCKET, "urn": "urn:bucket", "id": "our-bucket"}
    begun = [
        {
            "type": "creating",
            "resource": {
                "type": "aws:kms/alias:Alias",
                "urn": "urn:pulumi:dev::p::c$aws:kms/alias:Alias::state-key-alias",
                "parent": "urn:key",
                "inputs": {"name": "alias/ours"},
            },
        },
        {"type": "updating", "resource": {**bucket, "inputs": {"bucket": "b"}}},
        {"type": "creating", "resource": {"type": "aws:iam/role:Role", "urn": "urn:role"}},
    ]
    copy = read_copy(
        _exported(
            manifest={"time": "2026-11-25T01:53:46.497001461+01:00"},
            resources=[{"type": "pulumi:pulumi:Stack", "urn": "urn:stack"}, bucket],
            pending_operations=begun,
        )
    )
    assert copy.time == datetime(2026, 11, 25, 0, 53, 46, 497001, UTC)
    assert copy.things == {("urn:stack", ""), ("urn:bucket", "our-bucket")}
    assert copy.bucket == "our-bucket"
    alias, updated, role = copy.cut_short
    assert (alias.id, updated, role) == (
        "alias/ours",
        CutShort(urn="urn:bucket"),
        CutShort(urn="urn:role"),
    )
    assert json.loads(alias.import_file()) == {
        "resources": [
            {
                "type": "aws:kms/alias:Alias",
                "name": "state-key-alias",
                "id": "alias/ours",
                "parent": "its",
            }
        ],
        "nameTable": {"its": "urn:key"},
    }


@pytest.mark.parametrize("exported", ['{"deployment": null}', _exported(), _exported(manifest={})])
def test_copy_of_what_was_never_deployed(exported: str) -> None:
    """It holds nothing, and whatever holds something is later."""
    copy = read_copy(exported)
    assert not copy.deployed
    assert (copy.bucket, copy.cut_short) == ("", ())
    assert copy.time < datetime(2000, 1, 1, tzinfo=UTC)


def test_previewed_bucket() -> None:
    """Of the steps, the one that makes it; a step that deletes has no new state."""
    new = {"type": BUCKET, "inputs": {"bucket": "b"}}
    steps = [{"newState": None}, {"op": "x"}, {"newState": {"type": "y"}}, {"newState": new}]
    assert previewed_bucket(json.dumps({"steps": steps})) == "b"
    assert previewed_bucket(json.dumps({"steps": steps[:3]})) == ""
    assert previewed_bucket("{}") == ""


def test_said_errors() -> None:
    """What the program says, not what the CLI adds; and nothing where it printed no JSON."""
    said = [
        {"severity": "warning", "message": "warning: x\n"},
        {"severity": "error", "message": "error: A is not set; run `b`\n"},
        {"severity": "error", "message": "error: an unhandled error occurred: exit code: 1\n"},
    ]
    assert said_errors(json.dumps({"diagnostics": said})) == ["error: A is not set; run `b`"]
    assert said_errors("error: no") == []
