"""`make bootstrap` on the real engine: state in S3 from the start, whatever was there; in order."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from sandbox.demo_data import JANE
from sandbox.local_aws.moto_server import Aws
from tests.e2e.webhook_calls import request_of
from tests.engine.bootstraps import Bootstraps
from tests.engine.gate import Gate
from tests.engine.leash import KILLED

SECRET = "wks0-the-secret-of-a-test"
BUCKET = "indent-deploy-state-123456789012-{}"
ALIAS = "oncall-state"
STATE = ".pulumi/stacks/oncall-approvals/{}.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, gate: Gate) -> Bootstraps:
    """A copy of the project, whose stacks' files have a region and no more."""
    return Bootstraps(tmp_path_factory.mktemp("bootstrap"), aws, gate.endpoint)


@pytest.fixture(scope="module")
def secrets(provider: Mapping[str, str]) -> dict[str, str]:
    """The secrets of each stack."""
    key = "INCIDENTIO_API_KEY"
    return {"INDENT_WEBHOOK_SECRET": SECRET, key: provider[key]}


def _state(project: Bootstraps, stack: str, bucket: str = "") -> dict[str, Any]:
    """Read a stack's state out of its bucket."""
    found = project.aws.client("s3").get_object(
        Bucket=bucket or BUCKET.format(stack), Key=STATE.format(stack)
    )
    loaded: dict[str, Any] = json.loads(found["Body"].read())["checkpoint"]["latest"]
    return loaded


def _config(project: Bootstraps, stack: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(project.file(stack).read_text(encoding="utf-8"))
    return loaded


class TestPassphrase:
    """The stack dev, from nothing, encrypted by a passphrase."""

    def test_makes_an_answering_url(
        self,
        project: Bootstraps,
        provider: Mapping[str, str],
        secrets: dict[str, str],
        tmp_path: Path,
    ) -> None:
        """Bootstrap, settings, `up`: bucket adopted, nothing to change after that."""
        project.writes("dev")
        assert project.bootstrap("dev").code == 0
        project.sets("dev", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        # An organisation tags what appears in its accounts.
        s3, bucket = project.aws.client("s3"), BUCKET.format("dev")
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
        tagging = {"TagSet": [*tags, {"Key": "owner", "Value": "platform"}]}
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tagging)
        assert project.checked("dev").code == 0
        assert ("import", "aws:s3/bucket:Bucket", "state") in project.preview()
        project.ok("up", "--yes", "--skip-preview")
        project.ok("preview", "--expect-no-changes")
        assert _state(project, "dev")["secrets_providers"]["type"] == "passphrase"
        assert project.outputs()["state_bucket"] == bucket
        with project.served(SECRET, tmp_path / "log") as webhook:
            assert len(webhook.ask(request_of(JANE))) == 1

    def test_again_changes_nothing(self, project: Bootstraps) -> None:
        """Neither the file nor the stack."""
        before = project.file("dev").read_text(encoding="utf-8")
        assert project.bootstrap("dev").code == 0
        assert project.file("dev").read_text(encoding="utf-8") == before
        project.ok("preview", "--expect-no-changes")

    def test_state_that_was_poisoned_runs_nothing(self, project: Bootstraps) -> None:
        """A state names a plugin and where to get it; nobody asks there, and nothing is run."""
        s3, key = project.aws.client("s3"), STATE.format("dev")
        bucket, sound = BUCKET.format("dev"), _state(project, "dev")
        with _Server() as server:
            poisoned = json.dumps(_poisoned(sound, server.url))
            for target in ("bootstrap", "preview", "deploy"):
                s3.put_object(Bucket=bucket, Key=key, Body=poisoned)
                project.made(target, "dev")
            assert server.asked == []
            # The trap is one: without the switch the engine fetches what the state names.
            project.pulumi_without_the_switch("preview", "--stack", "dev")
            assert server.asked
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_checkpoint(sound)))

    def test_taken_down_it_is_set_up_again(
        self, project: Bootstraps, provider: Mapping[str, str], secrets: dict[str, str]
    ) -> None:
        """What `destroy` leaves is adopted."""
        project.ok("destroy", "--yes", "--skip-preview", "--exclude-protected")
        project.ok("stack", "rm", "dev", "--yes", "--force")
        project.writes("dev")
        assert project.bootstrap("dev").code == 0
        project.sets("dev", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        project.ok("up", "--yes", "--skip-preview")


class TestKey:
    """The stack prod, encrypted by a key; without any passphrase."""

    @pytest.mark.parametrize(
        ("call", "fate"),
        [
            ("PUT /" + BUCKET.format("prod"), "made"),
            ("CreateKey", "made"),
            ("CreateAlias", "lost"),
        ],
    )
    def test_killed_at_a_call(self, project: Bootstraps, gate: Gate, call: str, fate: str) -> None:
        """AWS has made it, or not, and nobody knows."""
        if not project.file("prod").exists():
            project.writes("prod", KMS_KEY_ALIAS=ALIAS)
        held = gate.hold(call)
        with project.bootstrapping("prod") as command:
            held.came()
            command.kill()
            held.let_go(reaches_aws=fate == "made")

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
    def test_killed_at_a_command(self, project: Bootstraps, before: str, after: str) -> None:
        """Each run comes further than the one before it."""
        told = project.bootstrap("prod", before=before, after=after)
        assert told.code == KILLED, told.text

    def test_killed_before_the_file_was_written(self, project: Bootstraps) -> None:
        """The stack is there, and its file does not say what encrypts it."""
        project.writes("prod", KMS_KEY_ALIAS=ALIAS)
        told = project.bootstrap("prod", after="stack change-secrets-provider")
        assert told.code == KILLED, told.text

    def test_the_end_is_one_bucket_one_key_and_no_passphrase(
        self, project: Bootstraps, provider: Mapping[str, str], secrets: dict[str, str]
    ) -> None:
        """Config and state are encrypted by the key, which is adopted, as the bucket is."""
        told = project.bootstrap("prod")
        assert told.code == 0, told.text
        kms = project.aws.client("kms")
        (key,) = [each["KeyId"] for each in kms.list_keys()["Keys"]]
        provider_url = f"awskms://alias/{ALIAS}?region=us-west-2&awssdk=v2"
        assert _config(project, "prod")["secretsprovider"] == provider_url
        project.sets("prod", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
        imported = {kind for operation, kind, _ in project.preview() if operation == "import"}
        assert imported == {
            "aws:s3/bucket:Bucket",
            "aws:kms/key:Key",
            "aws:kms/alias:Alias",
        }
        project.ok("up", "--yes", "--skip-preview")
        project.ok("preview", "--expect-no-changes")
        assert _state(project, "prod")["secrets_providers"]["type"] == "cloud"
        assert project.of_type("aws:kms/key:Key")["id"] == key
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        names = [each["Name"] for each in project.aws.client("s3").list_buckets()["Buckets"]]
        assert sorted(names) == [BUCKET.format("dev"), BUCKET.format("prod")]

    def test_key_that_comes_later(self, project: Bootstraps) -> None:
        """Set on dev, whose state and config are encrypted by a passphrase: they are anew."""
        project.use("dev", passphrase=True)
        project.ok("config", "set", "KMS_KEY_ALIAS", f"{ALIAS}-dev")
        assert project.bootstrap("dev", passphrase=True).code == 0
        project.use("dev")
        assert project.checked("dev").code == 0
        project.ok("up", "--yes", "--skip-preview")
        assert _state(project, "dev")["secrets_providers"]["type"] == "cloud"
        # Its value is read back, and told to nobody.
        assert project.pulumi("config", "get", "INDENT_WEBHOOK_SECRET").out.strip() == SECRET
        project.heard.pop()


def test_shared_bucket_is_left_as_it_is(
    project: Bootstraps, provider: Mapping[str, str], secrets: dict[str, str]
) -> None:
    """It holds the state beside what others keep there, and is no resource of the stack."""
    s3 = project.aws.client("s3")
    s3.create_bucket(
        Bucket="acme-shared", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    s3.put_object(Bucket="acme-shared", Key="terraform.tfstate", Body=b"of others")
    project.writes("qa", STATE_BUCKET="acme-shared")
    assert project.bootstrap("qa", passphrase=True).code == 0
    project.use("qa", bucket="acme-shared", passphrase=True)
    project.sets("qa", secrets, INCIDENTIO_BASE_URL=provider["INCIDENTIO_BASE_URL"])
    project.ok("up", "--yes", "--skip-preview")
    assert not [each for each in project.state() if each["type"].startswith("aws:s3/")]
    assert project.outputs()["state_bucket"] == "acme-shared"
    assert _state(project, "qa", "acme-shared")["resources"]
    assert "Status" not in s3.get_bucket_versioning(Bucket="acme-shared")
    assert s3.get_object(Bucket="acme-shared", Key="terraform.tfstate")["Body"].read() == (
        b"of others"
    )
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket="acme-shared")


def test_bucket_of_another_account_is_not_read(project: Bootstraps, gate: Gate) -> None:
    """A stranger has made it and planted a state that names his plugin: all stop at its name."""
    bucket, s3 = BUCKET.format("trap"), project.aws.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    with _Server() as server:
        planted = json.dumps(_poisoned(_state(project, "dev"), server.url)).replace("dev", "trap")
        s3.put_object(Bucket=bucket, Key=STATE.format("trap"), Body=planted)
        gate.foreign.add(bucket)
        project.writes("trap")
        project.use("trap", passphrase=True)
        for target in ("bootstrap", "preview", "deploy", "preview-comment"):
            told = project.made(target, "trap")
            assert told.code != 0
            assert f"bucket {bucket} doesn't belong to account 123456789012" in told.text
            assert "oncall-approvals:STATE_BUCKET: NAME" in told.text
            assert "Traceback" not in told.text
        # The program proves it, too, however Pulumi came to run it.
        project.use("dev")
        project.ok("config", "set", "STATE_BUCKET", bucket)
        refused = project.pulumi("preview")
        assert refused.code != 0
        assert f"bucket {bucket} doesn't belong to account" in refused.text
        assert "Traceback" not in refused.text
        project.ok("config", "set", "STATE_BUCKET", BUCKET.format("dev"))
        assert server.asked == []
    assert gate.trespasses == []
    gate.foreign.clear()
    assert s3.get_object(Bucket=bucket, Key=STATE.format("trap"))["Body"].read().decode() == planted


def test_nothing_of_the_state_or_a_secret_is_on_this_machine(
    project: Bootstraps, secrets: dict[str, str]
) -> None:
    """Not in the home, the project's folder, or what any command has said."""
    folder = project.folder.parent
    state = ('"deployment"', '"checkpoint"', "urn:pulumi:")
    left = []
    for file in folder.rglob("*"):
        # The code is a copy of this project's; .venv is a link.
        if not file.is_file() or file.suffix in {".py", ".pyc"} or ".venv" in file.parts:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        # Names only: what is found in clear is not to be told.
        left += [str(file) for word in (*secrets.values(), "of a test", *state) if word in text]
    assert left == []
    said = "\n".join([*project.heard, *project.heard_of_commands])
    assert not [key for key, value in secrets.items() if value in said]


def _checkpoint(latest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": 3,
        "checkpoint": {"stack": "organization/oncall-approvals/dev", "latest": latest},
    }


def _poisoned(sound: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Add a resource, and the provider of it, whose plugin is at that address."""
    (root,) = [each for each in sound["resources"] if each["type"] == "pulumi:pulumi:Stack"]
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


class _Server:
    """A server on loopback that remembers who came; it has no plugin to give."""

    def __enter__(self) -> Self:
        asked: list[bytes] = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked.append(self.rfile.readline())
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        self.asked = asked
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._serving = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
