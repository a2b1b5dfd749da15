"""`make bootstrap`: what it creates, adopts or leaves alone in any situation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from infra import state_bucket
from infra.state_key import key_policy
from sandbox.local_aws.moto_server import Aws
from tests.engine.aws_proxy import AwsProxy
from tests.infra.bootstrap_project import BootstrapProject, Killed, watch_calls

CLOSED = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
ENCRYPTED = {
    "Rules": [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
            "BucketKeyEnabled": True,
        }
    ]
}
NUMBERS = count(1)
OWNED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An empty local AWS."""
    with Aws("us-west-2") as aws:
        yield aws


@pytest.fixture(scope="module")
def proxy(aws: Aws) -> Iterator[AwsProxy]:
    """The proxy through which the commands call that AWS."""
    with AwsProxy(aws) as proxy:
        yield proxy


@pytest.fixture
def project(
    tmp_path: Path,
    proxy: AwsProxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> BootstrapProject:
    """A project with a stack of this test's own, whose file has a region."""
    project = BootstrapProject(tmp_path, proxy, f"stack{next(NUMBERS)}", monkeypatch, capsys)
    project.write_settings()
    return project


def _as_listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def test_bucket_is_closed_encrypted_and_versioned(project: BootstrapProject) -> None:
    """The stack is created in it, and the next steps are printed."""
    assert project.run() == 0
    assert project.bucket_settings(project.bucket) == {
        "tags": _as_listed(project.tags),
        "versioning": "Enabled",
        "encryption": ENCRYPTED,
        "public": CLOSED,
        "ownership": OWNED,
        "policy": None,
        "objects": [],
    }
    assert project.written_config() == {
        "STATE_BUCKET": project.bucket,
        "STATE_BUCKET_MANAGED": "true",
    }
    url = f"s3://{project.bucket}?region=us-west-2&endpoint={project.proxy.endpoint}"
    output = project.capsys.readouterr()
    assert f"  export PULUMI_BACKEND_URL='{url}&s3ForcePathStyle=true'\n" in output.out
    assert "  export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true\n" in output.out
    assert "AWS calls go to this machine" in output.err
    assert output.out.endswith(
        f"  pulumi config set AUTO_APPROVAL_SCHEDULES Production --stack {project.stack}\n"
    )
    for _, (backend, no_plugins) in project.pulumi_calls():
        assert backend == f"{url}&s3ForcePathStyle=true"
        assert no_plugins == "true"


def test_commands_stay_whole_in_a_terminal(project: BootstrapProject) -> None:
    """Steps and sentences fit a narrow terminal; each command to paste stays one line."""
    project.monkeypatch.setenv("COLUMNS", "50")
    project.monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert project.run() == 0
    output = project.capsys.readouterr().out
    assert f"\n  export PULUMI_BACKEND_URL='s3://{project.bucket}?region=" in output
    key = "AUTO_APPROVAL_SCHEDULES"
    assert f"\n  pulumi config set {key} Production --stack {project.stack}\n" in output
    step = "installing the plugins that the program"
    assert f"\n{project.stack}: {step}\nneeds ...\n" in output
    after = output.partition(" is ready. ")[2].splitlines()
    assert max(len(line) for line in after if not line.startswith("  ")) <= 80


def test_location_constraint(project: BootstrapProject) -> None:
    """us-east-1 takes none, and any other region needs one."""
    project.write_settings(region="us-east-1")
    assert project.run() == 0
    s3 = project.aws.client("s3")
    assert s3.get_bucket_location(Bucket=project.bucket)["LocationConstraint"] is None


@pytest.mark.parametrize("at", ["file://~", "s3://elsewhere?region=us-west-2"])
def test_backend_of_another_stack_is_ignored(project: BootstrapProject, at: str) -> None:
    """A shell that still has another stack's backend creates this one."""
    project.hold_stacks("prod", folder=True)
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", at)
    assert project.run() == 0


def test_stack_whose_state_is_elsewhere_is_not_created(project: BootstrapProject) -> None:
    """It would be deployed a second time; the error says how to move the state."""
    project.hold_stacks(project.stack, folder=True)
    project.monkeypatch.setenv("PULUMI_BACKEND_URL", "file://~")
    line = project.error()
    assert f"PULUMI_BACKEND_URL is file://~, which already has a stack {project.stack!r}; " in line
    assert 'docs/deploy.md, "Move the state"' in line
    assert line.endswith("run `unset PULUMI_BACKEND_URL`")
    assert not [words for words, _ in project.pulumi_calls() if words[:2] == ["stack", "init"]]
    project.monkeypatch.delenv("PULUMI_BACKEND_URL")
    assert project.run() == 0


def test_bucket_that_aws_does_not_list_yet(project: BootstrapProject) -> None:
    """Its owner cannot be proven yet: the run stops, and the next one finishes."""
    with project.monkeypatch.context() as patch:
        patch.setattr(state_bucket, "owned_bucket_region", lambda *_: None)
        assert f"run `make bootstrap STACK={project.stack}` again" in project.error()
    assert project.pulumi_calls() == []
    assert project.run() == 0


def test_second_run_changes_nothing(project: BootstrapProject) -> None:
    """It selects the stack, and leaves the complete file as it is."""
    assert project.run() == 0
    project.write_settings(**project.written_config())
    before = project.bucket_settings(project.bucket)
    assert project.run() == 0
    assert project.bucket_settings(project.bucket) == before
    asked = [words[:2] for words, _ in project.pulumi_calls()]
    assert asked.count(["stack", "init"]) == asked.count(["config", "set-all"]) == 1
    assert ["stack", "select"] in asked


@pytest.mark.parametrize(
    "key", ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_POLICY", "AUTO_APPROVAL_RESOURCE_LABELS"]
)
def test_stack_that_approves_everybody_on_duty_is_warned_of(
    project: BootstrapProject, key: str
) -> None:
    """Any setting that limits who is approved removes the warning; labels only limit for what."""
    project.write_settings(**{key: "DBA"})
    assert project.run() == 0
    words = " ".join(project.capsys.readouterr().out.split())
    open_ = "anybody on duty could open any resource" in words
    assert open_ is (key == "AUTO_APPROVAL_RESOURCE_LABELS")


def test_tags_of_others_stay(project: BootstrapProject) -> None:
    """An organisation may tag buckets itself; our tags are added to those."""
    project.make_bucket(owner="platform")
    assert project.run() == 0
    tags = {"owner": "platform", **project.tags}
    assert project.bucket_settings(project.bucket)["tags"] == _as_listed(tags)
    assert project.written_config()["STATE_BUCKET_MANAGED"] == "true"


def test_shared_bucket_is_left_as_it_is(project: BootstrapProject) -> None:
    """One that STATE_BUCKET names is used without a change of its settings or tags."""
    shared = project.make_bucket(f"shared-{project.stack}", keeps="terraform.tfstate", team="infra")
    project.write_settings(STATE_BUCKET=shared)
    before = project.bucket_settings(shared)
    assert project.run() == 0
    assert project.bucket_settings(shared) == before
    assert project.written_config() == {"STATE_BUCKET": shared, "STATE_BUCKET_MANAGED": "false"}


@pytest.mark.parametrize("tags", [{}, {"project": "oncall-approvals", "stack": "another"}])
def test_unnamed_bucket_with_objects_is_refused(
    project: BootstrapProject, tags: dict[str, str]
) -> None:
    """With the default name and without this stack's tags, it has to be named in STATE_BUCKET."""
    project.make_bucket(keeps="something", **tags)
    before = project.bucket_settings(project.bucket)
    assert f"`oncall-approvals:STATE_BUCKET: {project.bucket}`" in project.error()
    assert project.bucket_settings(project.bucket) == before
    assert project.pulumi_calls() == []


def test_deleted_objects_count(project: BootstrapProject) -> None:
    """A bucket with old versions and delete markers isn't empty."""
    project.make_bucket()
    s3 = project.aws.client("s3")
    s3.put_bucket_versioning(Bucket=project.bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=project.bucket, Key="gone", Body=b"state")
    s3.delete_object(Bucket=project.bucket, Key="gone")
    assert project.run() == 1


def test_managed_bucket_that_lost_its_tags_is_refused(project: BootstrapProject) -> None:
    """The program would stop managing it: a person has to decide."""
    project.make_bucket(keeps="state")
    project.write_settings(STATE_BUCKET=project.bucket, STATE_BUCKET_MANAGED="true")
    assert "STATE_BUCKET_MANAGED is true, but bucket" in project.error()


class TestForeignBucket:
    """A bucket of that name belongs to another account."""

    @pytest.fixture(autouse=True)
    def _foreign(self, project: BootstrapProject) -> Iterator[None]:
        project.make_bucket(keeps=f".pulumi/stacks/oncall-approvals/{project.stack}.json")
        project.proxy.foreign_buckets.add(project.bucket)
        yield
        project.proxy.foreign_buckets.clear()
        assert project.proxy.calls_without_owner == []

    def test_is_not_touched(self, project: BootstrapProject) -> None:
        """The error names it, the account and STATE_BUCKET; Pulumi is never called with it."""
        assert project.run() == 1
        _, line = project.capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: bucket {project.bucket} doesn't belong to account ")
        assert "oncall-approvals:STATE_BUCKET: NAME" in line
        assert project.pulumi_calls() == []

    def test_is_refused_when_it_is_created_meanwhile(self, project: BootstrapProject) -> None:
        """Somebody may take the name after the check."""

        def not_there_yet(name: str, after: bool) -> None:  # noqa: FBT001 - see watch_calls
            if name == "HeadBucket" and not after:
                project.proxy.foreign_buckets.discard(project.bucket)
                s3 = project.aws.client("s3")
                for each in s3.list_objects(Bucket=project.bucket).get("Contents", []):
                    s3.delete_object(Bucket=project.bucket, Key=each["Key"])
                s3.delete_bucket(Bucket=project.bucket)
            if name == "CreateBucket" and not after:
                project.proxy.foreign_buckets.add(project.bucket)

        watch_calls(project.monkeypatch, not_there_yet)
        assert "doesn't belong to account" in project.error()


def test_bucket_of_another_region(project: BootstrapProject) -> None:
    """The error names both regions, and what to change."""
    project.make_bucket()
    project.write_settings(region="eu-west-1")
    output = project.error()
    assert f"bucket {project.bucket} is in us-west-2, but aws:region is eu-west-1" in output


class TestKey:
    """With KMS_KEY_ALIAS a key encrypts config and state."""

    @pytest.fixture(autouse=True)
    def alias(self, project: BootstrapProject) -> str:
        """The alias that is set; there is no passphrase."""
        project.monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
        alias = f"of-{project.stack}"
        project.write_settings(KMS_KEY_ALIAS=alias)
        return alias

    def test_is_created_like_the_programs(self, project: BootstrapProject, alias: str) -> None:
        """Policy, rotation, tags and alias are the same; the stack uses it from the start."""
        assert project.run() == 0
        kms = project.aws.client("kms")
        (key,) = project.keys()
        result = kms.describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]
        assert result["KeyId"] == key
        assert result["Description"].startswith("Encrypts the secrets")
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        assert policy == key_policy(project.aws.account, "aws")
        assert project.written_config()["KMS_KEY_ID"] == key
        assert project.written_config()["KMS_KEY_MANAGED"] == "true"
        (init,) = [words for words, _ in project.pulumi_calls() if words[:2] == ["stack", "init"]]
        assert f"awskms://alias/{alias}?region=us-west-2&awssdk=v2" in init

    def test_of_an_interrupted_run_is_found_again(
        self, project: BootstrapProject, alias: str
    ) -> None:
        """It has tags and no alias yet; a key that is being deleted is ignored."""
        kms = project.aws.client("kms")
        tags = [{"TagKey": key, "TagValue": value} for key, value in project.tags.items()]
        gone = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
        kms.schedule_key_deletion(KeyId=gone)
        other = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/other-{alias}", TargetKeyId=other)
        mine = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
        assert project.run() == 0
        assert kms.describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]["KeyId"] == mine
        assert set(project.keys()) == {gone, other, mine}

    def test_is_not_created_twice_after_a_lost_answer(
        self, project: BootstrapProject, proxy: AwsProxy
    ) -> None:
        """AWS has created it, but the answer did not arrive."""
        aws: Any = proxy._aws.answer

        def lose(environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401 - WSGI's own
            if not environ.get("HTTP_X_AMZ_TARGET", "").endswith(".CreateKey"):
                return aws(environ, start_response)
            list(aws(environ, lambda *_: None))
            start_response("503 Service Unavailable", [])
            return []

        with project.monkeypatch.context() as lost:
            lost.setattr(proxy._aws, "answer", lose)
            assert project.run() == 1
        assert project.run() == 0
        assert len(project.keys()) == 1

    def test_that_others_manage_is_not_changed(self, project: BootstrapProject, alias: str) -> None:
        """The stack uses it; its rotation and its policy stay as they are."""
        kms = project.aws.client("kms")
        key = kms.create_key(Description="of all teams")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
        before = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        assert project.run() == 0
        assert project.written_config()["KMS_KEY_ID"] == key
        assert project.written_config()["KMS_KEY_MANAGED"] == "false"
        assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        assert kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"] == before

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({}, "is Disabled, not Enabled"),
            (
                {"KeyUsage": "SIGN_VERIFY", "KeySpec": "RSA_2048"},
                "is for SIGN_VERIFY, not ENCRYPT_DECRYPT",
            ),
        ],
    )
    def test_that_cannot_encrypt_is_refused(
        self, project: BootstrapProject, alias: str, how: dict[str, str], expected: str
    ) -> None:
        """The error says what is wrong with the key."""
        kms = project.aws.client("kms")
        key = kms.create_key(**how)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
        if not how:
            kms.disable_key(KeyId=key)
        assert f"KMS_KEY_ALIAS is {alias!r}, whose key {expected}" in project.error()

    def test_alias_that_kms_refuses(self, project: BootstrapProject) -> None:
        """The error comes before anything is created."""
        project.write_settings(KMS_KEY_ALIAS="alias/oncall")
        assert "KMS_KEY_ALIAS is 'alias/oncall'" in project.error()


def test_github_provider_is_created_once(project: BootstrapProject) -> None:
    """If the stack is deployed from GitHub; an account has one such provider."""
    iam = project.aws.client("iam")
    project.write_settings()
    assert project.run() == 0
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    project.write_settings(DEPLOY_REPOSITORY="acme/oncall-approvals")
    assert project.run() == 0
    assert project.run() == 0
    (made,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    result = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=made["Arn"])
    assert result["Url"] == "token.actions.githubusercontent.com"
    assert result["ClientIDList"] == ["sts.amazonaws.com"]


def test_github_for_another_audience(project: BootstrapProject) -> None:
    """The provider has another audience: the error names the command that adds ours."""
    issuer = f"{project.stack}.example.com"
    project.monkeypatch.setattr("infra.deploy_role.ISSUER", issuer)
    iam = project.aws.client("iam")
    arn = iam.create_open_id_connect_provider(Url=f"https://{issuer}", ClientIDList=["other"])[
        "OpenIDConnectProviderArn"
    ]
    project.write_settings(DEPLOY_REPOSITORY="acme/oncall-approvals")
    output = project.error()
    assert "doesn't accept the audience sts.amazonaws.com; run `aws iam add-client-id" in output
    assert f"--open-id-connect-provider-arn {arn} --client-id sts.amazonaws.com`" in output


def test_the_run_after_a_kill_finishes(project: BootstrapProject) -> None:
    """One bucket, key and provider result, although each run is killed at a later call."""
    project.monkeypatch.setattr("infra.deploy_role.ISSUER", f"{project.stack}.example.com")
    project.write_settings(
        KMS_KEY_ALIAS=f"of-{project.stack}", DEPLOY_REPOSITORY="acme/oncall-approvals"
    )
    calls: list[str] = []
    last = 0

    def kill_at_the_last(name: str, is_after: bool) -> None:  # noqa: FBT001 - see watch_calls
        if is_after:  # which is before the next one
            calls.append(name)
            if len(calls) > last:
                raise Killed

    watch_calls(project.monkeypatch, kill_at_the_last)
    killed_at = set()
    while True:
        calls.clear()
        try:
            assert project.run() == 0
        except Killed:
            killed_at.add(calls[-1])
            last += 1
        else:
            break
    assert {"CreateBucket", "PutBucketTagging", "CreateKey", "CreateAlias"} <= killed_at
    (key,) = project.keys()
    assert project.written_config() == {
        "STATE_BUCKET": project.bucket,
        "STATE_BUCKET_MANAGED": "true",
        "KMS_KEY_ID": key,
        "KMS_KEY_MANAGED": "true",
    }
    settings = project.bucket_settings(project.bucket)
    assert (settings["public"], settings["versioning"]) == (CLOSED, "Enabled")
    listed = project.aws.client("iam").list_open_id_connect_providers()
    ours = [each for each in listed["OpenIDConnectProviderList"] if project.stack in each["Arn"]]
    assert len(ours) == 1


def test_every_call_of_a_bucket_names_its_owner(project: BootstrapProject, proxy: AwsProxy) -> None:
    """Except the one that creates it, which can't; the proxy sees the header."""
    seen: list[tuple[str, Any]] = []
    refuse = proxy._refused_bucket

    def note(environ: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - the proxy's own
        if "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
            seen.append((name, environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")))
        return refuse(environ, name)

    project.monkeypatch.setattr(proxy, "_refused_bucket", note)
    assert project.run() == 0
    assert len(seen) > 8
    unowned = [name for name, owner in seen if owner != project.aws.account]
    assert unowned == [f"PUT /{project.bucket}"]


@pytest.mark.parametrize("key", ["STATE_BUCKET", "KMS_KEY_ALIAS", "DEPLOY_REPOSITORY"])
def test_encrypted_setting_is_refused(project: BootstrapProject, key: str) -> None:
    """It would be treated as unset."""
    project.file.write_text(
        "config:\n  aws:region: us-west-2\n"
        f"  oncall-approvals:{key}:\n    secure: v1:abc\nencryptionsalt: v1:x\n"
    )
    assert f"{key} is set with --secret but is not a secret" in project.error()


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("nope", "there is no Pulumi.nope.yaml (existing stacks: stack"),
        ("../dev", "STACK is '../dev'; use letters, digits"),
        ("dev;id", "STACK is 'dev;id'; use letters, digits"),
        ("", "STACK is ''; use letters, digits"),
    ],
)
def test_unknown_stack(project: BootstrapProject, stack: str, expected: str) -> None:
    """A misspelt name creates no stack; the error names the command that creates a file."""
    assert bootstrap_main(project, stack) == 1
    error = project.capsys.readouterr().err.splitlines()[-1]
    assert expected in error
    if stack == "nope":
        assert "`printf 'config:\\n  aws:region: eu-west-1\\n' > Pulumi.nope.yaml`" in error
    assert project.pulumi_calls() == []


def bootstrap_main(project: BootstrapProject, stack: str) -> int:
    """Run it for another stack."""
    from infra import bootstrap  # noqa: PLC0415 - beside the fixture's own run

    return bootstrap.main([stack], project.environment(), project.folder)


@pytest.mark.parametrize("region", ["", "us west 2"])
def test_invalid_region(project: BootstrapProject, region: str) -> None:
    """If it is unset or invalid, the error has the line to write."""
    project.write_settings(region=region)
    error = project.error()
    assert error.startswith("error: aws:region is ")
    meant = "us-west-2" if region.startswith("us") else "eu-west-1"
    assert f"write `aws:region: {meant}` under `config:` in Pulumi.{project.stack}.yaml" in error


def test_region_of_the_environment_is_used(project: BootstrapProject) -> None:
    """The AWS provider uses it as well."""
    project.write_settings(region="")
    project.monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert project.run() == 0


def test_no_passphrase(project: BootstrapProject) -> None:
    """Without a key, the passphrase has to come from the environment or from a file."""
    project.monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert "read -rs PULUMI_CONFIG_PASSPHRASE && export" in project.error()
    project.monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/dev/null")
    assert project.run() == 0


def test_no_pulumi(project: BootstrapProject) -> None:
    """The error comes before anything is created."""
    project.remove_pulumi()
    assert "there is no pulumi on PATH" in project.error()
    assert project.bucket not in str(project.aws.client("s3").list_buckets())


def test_invalid_bucket_name(project: BootstrapProject) -> None:
    """S3's rules are checked before anything is created."""
    project.write_settings(STATE_BUCKET="No_Bucket")
    output = project.error()
    assert "STATE_BUCKET is 'No_Bucket': must be 3 to 63 lower-case letters" in output
    assert (
        "write `oncall-approvals:STATE_BUCKET: my-company-pulumi-state` under `config:`" in output
    )


def test_stack_name_that_is_invalid_in_a_bucket_name(project: BootstrapProject) -> None:
    """A stack's name may have upper-case letters, and a bucket's may not."""
    project.stack = "Dev"
    project.write_settings(region="us west 2")  # which hides no other problem
    output = project.error()
    assert (
        "STATE_BUCKET is not set, and the stack's name 'Dev' can't be part of a bucket's name"
        in output
    )


def test_all_problems_are_reported_at_once(project: BootstrapProject) -> None:
    """One line each under a heading, before AWS is called, with what to write where."""
    project.monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    project.write_settings(region="us west 2", STATE_BUCKET="x-an", KMS_KEY_ALIAS="alias/x")
    with project.file.open("a", encoding="utf-8") as file:
        file.write("  oncall-approvals:DEPLOY_REPOSITORY: {secure: v1:abc}\nencryptionsalt: v1:x\n")
    assert project.run() == 1
    first, *lines = project.capsys.readouterr().err.splitlines()[-6:]
    assert first == f"error: Pulumi.{project.stack}.yaml has 5 problems:"
    assert [line.partition(" is ")[0] for line in lines] == [
        "- aws:region",
        "- STATE_BUCKET",
        "- KMS_KEY_ALIAS",
        "- DEPLOY_REPOSITORY",
        "- PULUMI_CONFIG_PASSPHRASE",
    ]
    assert lines[0].endswith(
        f"; write `aws:region: us-west-2` under `config:` in Pulumi.{project.stack}.yaml"
    )
    assert project.pulumi_calls() == []


def test_pulumi_errors_are_escaped(project: BootstrapProject) -> None:
    """Also the holder of a lock, whose name comes from the bucket."""
    project.fail_pulumi(
        "error: the stack is currently locked by 1 lock(s)\n  \x1b]0;PWNED\x07 of eve"
    )
    assert project.run() == 1
    error = project.capsys.readouterr().err
    assert "\x1b" not in error
    assert "\\x1b]0;PWNED\\x07 of eve" in error
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true pulumi cancel --yes" in error


def test_ctrl_c_prints_how_to_continue(project: BootstrapProject) -> None:
    """The status is 130."""

    def interrupt(_name: str, _after: bool) -> None:  # noqa: FBT001 - see watch_calls
        raise KeyboardInterrupt

    watch_calls(project.monkeypatch, interrupt)
    assert project.run() == 130
    error = project.capsys.readouterr().err
    assert f"; to continue, run `make bootstrap STACK={project.stack}`" in error
