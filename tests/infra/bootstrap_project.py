"""`make bootstrap` on a local AWS behind a proxy, with a fake Pulumi CLI."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import aws_account, bootstrap
from sandbox.local_aws.program import ROOT
from tests.engine.aws_proxy import AwsProxy

# The declared keys of which `make bootstrap` knows.
SETTINGS_READ = {
    "STATE_BUCKET",
    "STATE_BUCKET_MANAGED",
    "KMS_KEY_ALIAS",
    "KMS_KEY_MANAGED",
    "KMS_KEY_ID",
}
SETTINGS_READ |= {"DEPLOY_REPOSITORY"}
# Keeps its stacks in a file, and tells what it was asked with which environment.
# Without site-packages: it is started a hundred times.
PULUMI = f"""#!{sys.executable} -IS
import json, os, sys
here = os.path.dirname(sys.argv[0])
def read(name):
    path = os.path.join(here, name)
    return open(path).read() if os.path.exists(path) else ""
with open(os.path.join(here, "calls"), "a") as calls:
    names = ("PULUMI_BACKEND_URL", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")
    calls.write(json.dumps([sys.argv[1:], [os.environ.get(name) for name in names]]) + "\\n")
at = os.environ["PULUMI_BACKEND_URL"]
stacks = "stacks in a folder" if at.startswith("file:") else "stacks"
held = read(stacks).split()
words = sys.argv[1:]
if words[:2] == ["stack", "ls"]:
    print(json.dumps([dict(name=each) for each in held]))
if words[:2] == ["stack", "export"] and words[3] not in held:
    sys.exit("error: no stack named '" + words[3] + "' found")
if words[:2] == ["stack", "init"]:
    with open(os.path.join(here, stacks), "w") as file:
        file.write(" ".join([*held, words[2]]))
if words[0] != "install" and (fails := read("fails")):
    sys.exit(fails)
"""


@cache
def _project() -> str:
    """Our Pulumi.yaml with only the settings that `make bootstrap` reads: it is parsed often."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    config = {key: each for key, each in project["config"].items() if key in SETTINGS_READ}
    assert config.keys() == SETTINGS_READ
    return yaml.safe_dump({"name": project["name"], "config": config})


class Killed(BaseException):
    """The process ends here, and nothing in it can prevent that."""


class BootstrapProject:
    """A project's folder whose stack is to be bootstrapped.

    Attributes:
        stack: its stack; its bucket and keys are its own.
        aws: the local AWS.
        proxy: the way to it, which counts calls and refuses buckets of others.
        folder: the project's.
        monkeypatch: changes the process for the test.
        capsys: what is printed in it.
    """

    def __init__(
        self,
        folder: Path,
        proxy: AwsProxy,
        stack: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.proxy, self.stack, self.folder = proxy, stack, folder
        self.aws = proxy._aws
        self.monkeypatch, self.capsys = monkeypatch, capsys
        for key, value in {
            "AWS_ENDPOINT_URL": proxy.endpoint,
            **self.aws.credentials.variables(),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
        }.items():
            monkeypatch.setenv(key, value)
        for key in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(key, raising=False)
        monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
        (folder / "Pulumi.yaml").write_text(_project(), encoding="utf-8")
        self._bin = folder / "bin"
        self._bin.mkdir()
        pulumi = self._bin / "pulumi"
        pulumi.write_text(PULUMI, encoding="utf-8")
        pulumi.chmod(0o755)

    @property
    def file(self) -> Path:
        """The stack's file."""
        return self.folder / f"Pulumi.{self.stack}.yaml"

    @property
    def bucket(self) -> str:
        """The name of the bucket, where none is set."""
        return f"indent-deploy-state-{self.aws.account}-{self.stack}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of this stack's resources."""
        return {"project": "oncall-approvals", "stack": self.stack}

    def write_settings(self, region: str = "us-west-2", **settings: str) -> None:
        """Write the stack's file."""
        config = {f"oncall-approvals:{key}": value for key, value in settings.items()}
        where = {"aws:region": region} if region else {}
        self.file.write_text(yaml.safe_dump({"config": {**where, **config}}), encoding="utf-8")

    def run(self, stack: str = "") -> int:
        """Run it, and return its exit status."""
        mask = os.umask(0)
        try:
            return bootstrap.main([stack or self.stack], self.environment(), self.folder)
        finally:
            os.umask(mask)

    def error(self) -> str:
        """Run it where it must fail, and return the last line that it prints."""
        assert self.run() == 1
        return self.capsys.readouterr().err.splitlines()[-1]

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        return {**os.environ, "PATH": str(self._bin)}

    def hold_stacks(self, *stacks: str, folder: bool = False) -> None:
        """Have these stacks in the bucket, or in a folder."""
        name = "stacks in a folder" if folder else "stacks"
        (self._bin / name).write_text(" ".join(stacks), encoding="utf-8")

    def fail_pulumi(self, words: str) -> None:
        """Make the CLI fail from now on."""
        (self._bin / "fails").write_text(words, encoding="utf-8")

    def remove_pulumi(self) -> None:
        """Remove the CLI."""
        (self._bin / "pulumi").unlink()

    def pulumi_calls(self) -> list[tuple[list[str], list[str]]]:
        """The arguments of each CLI call, with its backend and the plugin switch."""
        path = self._bin / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def written_config(self) -> dict[str, str]:
        """What the last `config set-all` wrote into the stack's file."""
        (words, _) = [each for each in self.pulumi_calls() if each[0][:2] == ["config", "set-all"]][
            -1
        ]
        pairs = [each for each in words if "=" in each]
        return dict(each.split("=", 1) for each in pairs)

    def keys(self) -> list[str]:
        """The keys that have this stack's tags."""
        kms = self.aws.client("kms")
        result = [each["KeyId"] for each in kms.list_keys()["Keys"]]
        ours = [{"TagKey": key, "TagValue": value} for key, value in self.tags.items()]
        return [
            each
            for each in result
            if all(tag in kms.list_resource_tags(KeyId=each)["Tags"] for tag in ours)
        ]

    def make_bucket(self, name: str = "", *, keeps: str = "", **tags: str) -> str:
        """Create a bucket by hand, with an object in it if `keeps` names one."""
        s3, name = self.aws.client("s3"), name or self.bucket
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        if tags:
            listed = [{"Key": key, "Value": value} for key, value in tags.items()]
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": listed})
        if keeps:
            s3.put_object(Bucket=name, Key=keeps, Body=b"of others")
        return name

    def bucket_settings(self, bucket: str) -> dict[str, Any]:
        """All settings of a bucket in AWS; None for one that is not set."""
        s3 = self.aws.client("s3")

        def ask(what: str, key: str) -> Any:  # noqa: ANN401 - whatever S3 answers
            try:
                return getattr(s3, f"get_{what}")(Bucket=bucket).get(key)
            except s3.exceptions.ClientError:
                return None

        return {
            "tags": ask("bucket_tagging", "TagSet"),
            "versioning": ask("bucket_versioning", "Status"),
            "encryption": ask("bucket_encryption", "ServerSideEncryptionConfiguration"),
            "public": ask("public_access_block", "PublicAccessBlockConfiguration"),
            "ownership": ask("bucket_ownership_controls", "OwnershipControls"),
            "policy": ask("bucket_policy", "Policy"),
            "objects": [each["Key"] for each in s3.list_objects(Bucket=bucket).get("Contents", [])],
        }


def watch_calls(monkeypatch: pytest.MonkeyPatch, look: Callable[[str, bool], None]) -> None:
    """Call `look` before and after each AWS call; it may raise `Killed`."""
    make = aws_account._client

    def client(*arguments: Any) -> Any:  # noqa: ANN401 - boto3 has no types
        made = make(*arguments)

        def before(model: Any, **_: Any) -> None:  # noqa: ANN401 - the same
            look(model.name, False)  # noqa: FBT003 - before

        def after(model: Any, **_: Any) -> None:  # noqa: ANN401 - the same
            look(model.name, True)  # noqa: FBT003 - after

        made.meta.events.register("before-call", before)
        made.meta.events.register("after-call", after)
        return made

    monkeypatch.setattr(aws_account, "_client", client)
