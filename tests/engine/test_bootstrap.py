"""`make bootstrap` with the real engine: state is in S3 from the start, after any interruption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.demo_data import JANE
from sandbox.local_aws.moto_server import Aws
from sandbox.local_server import LocalHandler, LocalServer, checked_by_service
from tests.e2e.webhook_calls import request_of
from tests.engine.aws_proxy import AwsProxy
from tests.engine.bootstrap_project import BootstrapProject
from tests.engine.supervisor import KILLED

SECRET = "wks0-the-secret-of-a-test"
BUCKET = "indent-deploy-state-123456789012-{}"
ALIAS = "oncall-state"
STATE = ".pulumi/stacks/oncall-approvals/{}.json"


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, aws: Aws, proxy: AwsProxy
) -> BootstrapProject:
    """A copy of the project, with stack files that have only a region."""
    return BootstrapProject(tmp_path_factory.mktemp("bootstrap"), aws, proxy.endpoint)


@pytest.fixture(scope="module")
def secrets(provider: Mapping[str, str]) -> dict[str, str]:
    """The secrets of each stack."""
    key = "INCIDENTIO_API_KEY"
    return {"INDENT_WEBHOOK_SECRET": SECRET, key: provider[key]}


def _state(project: BootstrapProject, stack: str, bucket: str = "") -> dict[str, Any]:
    """Read a stack's state from its bucket."""
    state_object = project.aws.client("s3").get_object(
        Bucket=bucket or BUCKET.format(stack), Key=STATE.format(stack)
    )
    loaded: dict[str, Any] = json.loads(state_object["Body"].read())["checkpoint"]["latest"]
    return loaded


def _config(project: BootstrapProject, stack: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(project.file(stack).read_text(encoding="utf-8"))
    return loaded


class TestPassphrase:
    """The new stack dev, encrypted with a passphrase."""

    def test_new_stack_answers(
        self,
        project: BootstrapProject,
        provider: Mapping[str, str],
        secrets: dict[str, str],
        tmp_path: Path,
    ) -> None:
        """Bootstrap, settings and `up` give a working webhook; the bucket is adopted."""
        project.write_stack_file("dev")
        assert project.bootstrap("dev").code == 0
        project.set_config("dev", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        # Organisations may tag new resources.
        s3, bucket = project.aws.client("s3"), BUCKET.format("dev")
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
        tagging = {"TagSet": [*tags, {"Key": "owner", "Value": "platform"}]}
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tagging)
        assert project.check_backend("dev").code == 0
        assert ("import", "aws:s3/bucket:Bucket", "state") in project.preview()
        project.run_pulumi("up", "--yes", "--skip-preview")
        project.run_pulumi("preview", "--expect-no-changes")
        assert _state(project, "dev")["secrets_providers"]["type"] == "passphrase"
        assert project.outputs()["state_bucket"] == bucket
        with project.webhook(SECRET, tmp_path / "log") as webhook:
            assert len(webhook.ask(request_of(JANE))) == 1

    def test_repeating_changes_nothing(self, project: BootstrapProject) -> None:
        """Running it again changes neither the file nor the stack."""
        before = project.file("dev").read_text(encoding="utf-8")
        assert project.bootstrap("dev").code == 0
        assert project.file("dev").read_text(encoding="utf-8") == before
        project.run_pulumi("preview", "--expect-no-changes")

    def test_state_that_was_poisoned_runs_nothing(self, project: BootstrapProject) -> None:
        """No plugin that a state names is downloaded or run."""
        s3, key = project.aws.client("s3"), STATE.format("dev")
        bucket, sound = BUCKET.format("dev"), _state(project, "dev")
        with _PluginServer() as server:
            poisoned = json.dumps(_poisoned(sound, server.url))
            for target in ("bootstrap", "preview", "deploy"):
                s3.put_object(Bucket=bucket, Key=key, Body=poisoned)
                project.run_make(target, "dev")
            assert server.targets == []
            # Without the switch the engine downloads what the state names, so the trap works.
            project.try_pulumi_without_the_switch("preview", "--stack", "dev")
            assert server.targets
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_checkpoint(sound)))

    def test_taken_down_it_is_set_up_again(
        self, project: BootstrapProject, provider: Mapping[str, str], secrets: dict[str, str]
    ) -> None:
        """Resources that `destroy` leaves are adopted."""
        project.run_pulumi("destroy", "--yes", "--skip-preview", "--exclude-protected")
        project.run_pulumi("stack", "rm", "dev", "--yes", "--force")
        project.write_stack_file("dev")
        assert project.bootstrap("dev").code == 0
        project.set_config("dev", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        project.run_pulumi("up", "--yes", "--skip-preview")


class TestKey:
    """The stack prod, encrypted with a key and no passphrase."""

    @pytest.mark.parametrize(
        ("call", "fate"),
        [
            ("PUT /" + BUCKET.format("prod"), "made"),
            ("CreateKey", "made"),
            ("CreateAlias", "lost"),
        ],
    )
    def test_killed_at_a_call(
        self, project: BootstrapProject, proxy: AwsProxy, call: str, fate: str
    ) -> None:
        """Interrupted at any call to AWS, done or not, it can be run again."""
        if not project.file("prod").exists():
            project.write_stack_file("prod", KMS_KEY_ALIAS=ALIAS)
        held = proxy.hold(call)
        with project.start_bootstrap("prod") as command:
            held.wait_for()
            command.kill()
            held.release(reaches_aws=fate == "made")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("stack ls", "-"),
            ("-", "stack ls"),
            ("stack init", "-"),
            ("-", "stack init"),
            ("config set-all", "-"),
            ("-", "config set-all"),
            ("install *", "-"),
        ],
    )
    def test_killed_at_a_command(self, project: BootstrapProject, before: str, after: str) -> None:
        """Interrupted at any command, it gets further with each run."""
        result = project.bootstrap("prod", before=before, after=after)
        assert result.code == KILLED, result.text

    def test_killed_before_the_file_was_written(self, project: BootstrapProject) -> None:
        """It recovers if the stack exists, but its file lacks the encryption."""
        project.write_stack_file("prod", KMS_KEY_ALIAS=ALIAS)
        result = project.bootstrap("prod", after="stack change-secrets-provider")
        assert result.code == KILLED, result.text

    def test_the_end_is_one_bucket_one_key_and_no_passphrase(
        self, project: BootstrapProject, provider: Mapping[str, str], secrets: dict[str, str]
    ) -> None:
        """The key, which is adopted, encrypts config and state."""
        result = project.bootstrap("prod")
        assert result.code == 0, result.text
        kms = project.aws.client("kms")
        (key,) = [key["KeyId"] for key in kms.list_keys()["Keys"]]
        provider_url = f"awskms://alias/{ALIAS}?region=us-west-2&awssdk=v2"
        assert _config(project, "prod")["secretsprovider"] == provider_url
        project.set_config("prod", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        imported = {kind for operation, kind, _ in project.preview() if operation == "import"}
        assert imported == {
            "aws:s3/bucket:Bucket",
            "aws:kms/key:Key",
            "aws:kms/alias:Alias",
        }
        project.run_pulumi("up", "--yes", "--skip-preview")
        project.run_pulumi("preview", "--expect-no-changes")
        assert _state(project, "prod")["secrets_providers"]["type"] == "cloud"
        assert project.of_type("aws:kms/key:Key")["id"] == key
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        names = [bucket["Name"] for bucket in project.aws.client("s3").list_buckets()["Buckets"]]
        assert sorted(names) == [BUCKET.format("dev"), BUCKET.format("prod")]

    def test_key_that_comes_later(self, project: BootstrapProject) -> None:
        """With a key set later, config and state are encrypted again."""
        project.export_backend("dev", passphrase=True)
        project.run_pulumi("config", "set", "KMS_KEY_ALIAS", f"{ALIAS}-dev")
        assert project.bootstrap("dev", passphrase=True).code == 0
        project.export_backend("dev")
        assert project.check_backend("dev").code == 0
        project.run_pulumi("up", "--yes", "--skip-preview")
        assert _state(project, "dev")["secrets_providers"]["type"] == "cloud"
        # The secret is still readable, but never printed.
        assert project.try_pulumi("config", "get", "INDENT_WEBHOOK_SECRET").out.strip() == SECRET
        project.transcript.pop()


def test_shared_bucket_is_left_as_it_is(
    project: BootstrapProject, provider: Mapping[str, str], secrets: dict[str, str]
) -> None:
    """A shared bucket isn't a resource of the stack, and keeps its contents."""
    s3 = project.aws.client("s3")
    s3.create_bucket(
        Bucket="acme-shared", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    s3.put_object(Bucket="acme-shared", Key="terraform.tfstate", Body=b"of others")
    project.write_stack_file("qa", STATE_BUCKET="acme-shared")
    assert project.bootstrap("qa", passphrase=True).code == 0
    project.export_backend("qa", bucket="acme-shared", passphrase=True)
    project.set_config("qa", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
    project.run_pulumi("up", "--yes", "--skip-preview")
    assert not [resource for resource in project.state() if resource["type"].startswith("aws:s3/")]
    assert project.outputs()["state_bucket"] == "acme-shared"
    assert _state(project, "qa", "acme-shared")["resources"]
    assert "Status" not in s3.get_bucket_versioning(Bucket="acme-shared")
    assert s3.get_object(Bucket="acme-shared", Key="terraform.tfstate")["Body"].read() == (
        b"of others"
    )
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket="acme-shared")


def test_bucket_of_another_account_is_not_read(project: BootstrapProject, proxy: AwsProxy) -> None:
    """Every command stops at another account's bucket, despite a planted state."""
    bucket, s3 = BUCKET.format("trap"), project.aws.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    with _PluginServer() as server:
        planted = json.dumps(_poisoned(_state(project, "dev"), server.url)).replace("dev", "trap")
        s3.put_object(Bucket=bucket, Key=STATE.format("trap"), Body=planted)
        proxy.foreign_buckets.add(bucket)
        project.write_stack_file("trap")
        project.export_backend("trap", passphrase=True)
        for target in ("bootstrap", "preview", "deploy", "preview-comment"):
            result = project.run_make(target, "trap")
            assert result.code != 0
            assert f"bucket {bucket} doesn't belong to account 123456789012" in result.text
            assert "oncall-approvals:STATE_BUCKET: NAME" in result.text
            assert "Traceback" not in result.text
        # The program checks it as well, however it is run.
        project.export_backend("dev")
        project.run_pulumi("config", "set", "STATE_BUCKET", bucket)
        refused = project.try_pulumi("preview")
        assert refused.code != 0
        assert f"bucket {bucket} doesn't belong to account" in refused.text
        assert "Traceback" not in refused.text
        project.run_pulumi("config", "set", "STATE_BUCKET", BUCKET.format("dev"))
        assert server.targets == []
    assert proxy.calls_without_owner == []
    proxy.foreign_buckets.clear()
    assert s3.get_object(Bucket=bucket, Key=STATE.format("trap"))["Body"].read().decode() == planted


def test_nothing_of_the_state_or_a_secret_is_on_this_machine(
    project: BootstrapProject, secrets: dict[str, str]
) -> None:
    """Home, project and output have no state and no secret."""
    folder = project.folder.parent
    state = ('"deployment"', '"checkpoint"', "urn:pulumi:")
    left = []
    for file in folder.rglob("*"):
        # The code is a copy, and .venv a link.
        if not file.is_file() or file.suffix in {".py", ".pyc"} or ".venv" in file.parts:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        # Only names, so that a failure doesn't print a secret.
        left += [str(file) for word in (*secrets.values(), "of a test", *state) if word in text]
    assert left == []
    printed = "\n".join(project.transcript)
    assert not [key for key, value in secrets.items() if value in printed]


def _checkpoint(latest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": 3,
        "checkpoint": {"stack": "organization/oncall-approvals/dev", "latest": latest},
    }


def _poisoned(sound: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Add a resource whose provider's plugin is at this address."""
    (root,) = [
        resource for resource in sound["resources"] if resource["type"] == "pulumi:pulumi:Stack"
    ]
    urn = f"{root['urn'].rpartition('::')[0].rpartition('::')[0]}::"
    id_ = "a1b2c3d4-0000-4000-8000-000000000000"
    plugin = {"pluginDownloadURL": url, "version": "1.0.0"}
    made_by = {
        "urn": f"{urn}pulumi:providers:evil::default_1_0_0",
        "custom": True,
        "id": id_,
        "type": "pulumi:providers:evil",
        "inputs": {"__internal": plugin, **plugin},
        "outputs": plugin,
    }
    made = {
        "urn": f"{urn}evil:index:Thing::thing",
        "custom": True,
        "id": "thing",
        "type": "evil:index:Thing",
        "inputs": {},
        "outputs": {},
        "parent": root["urn"],
        "provider": f"{made_by['urn']}::{id_}",
    }
    return _checkpoint({**sound, "resources": [*sound["resources"], made_by, made]})


class _PluginServer(LocalServer):
    """A server that records requests, and has no plugin."""

    def __init__(self) -> None:
        super().__init__(_NoPlugin, checked_by_service)
        self.targets: list[str] = []


class _NoPlugin(LocalHandler):
    server: _PluginServer

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self.server.targets.append(self.path)
        self.reply(404, b"")
