"""A stack from nothing to its state in its own bucket, killed at every turn, and back; in order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.leash import KILLED
from tests.engine.moves import Moves
from tests.engine.project import Project

SECRETS = {
    "INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test",
    "INCIDENTIO_API_KEY": "key-of-a-test",
}
BUCKET = "indent-deploy-state-123456789012-dev"
KEY = "awskms://alias/oncall-state?region=us-west-2&awssdk=v2"


@pytest.fixture(scope="module")
def moves(project: Project) -> Moves:
    """Two stacks that are not deployed: dev with a key of its own, prod with a passphrase."""
    project.new_stack("prod", SECRETS)
    project.new_stack("dev", SECRETS, KMS_KEY_ALIAS="oncall-state", MEMORY_MB="256")
    return Moves(project)


@pytest.fixture(autouse=True)
def _config_is_whole(project: Project, moves: Moves) -> Any:  # noqa: ANN401 - a generator
    """After each of the tests the config holds all that was set, and can be read."""
    yield
    loaded = yaml.safe_load((project.folder / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    of_project = {key.partition(":")[2]: value for key, value in loaded["config"].items()}
    assert of_project.pop("region") == "us-west-2"
    assert of_project.pop("MEMORY_MB") == "256"
    assert of_project.pop("KMS_KEY_ALIAS") == "oncall-state"
    assert of_project.keys() == SECRETS.keys()
    assert ("secretsprovider" in loaded) == ("encryptedkey" in loaded)
    assert ("secretsprovider" in loaded) != ("encryptionsalt" in loaded)
    for place in (moves.here, moves.there(BUCKET)):
        if _resources(moves, place):
            command = ("config", "--stack", "dev", "--show-secrets", "--json")
            shown = moves.at(place, *command)
            for key, value in SECRETS.items():
                assert shown[f"oncall-approvals:{key}"]["value"] == value


def test_killed_while_it_deploys_it_says_what_is_left(moves: Moves, project: Project) -> None:
    """The bucket is made, and nobody noted it; the lock that was left is named, with the remedy."""
    moves.kill_once_the_bucket_is_made("dev")
    assert project.aws.client("s3").list_buckets()["Buckets"]
    told = moves.run("dev")
    assert told.code == 1
    assert "the stack is locked at " in told.text, told.text
    (remedy,) = re.findall(r"run `(PULUMI_BACKEND_URL='[^']+' pulumi cancel [^`]+)`", told.text)
    assert "created by " in told.text
    done = subprocess.run(
        ["/bin/sh", "-c", remedy], cwd=project.folder, env=project._environment, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-", "import *"),
        ("-", "stack change-secrets-provider at *"),
        ("-", "stack import at s3:*"),
        ("-", "preview --config-file at s3:*"),
        ("stack rm at file:*", "-"),
    ],
)
def test_killed_anywhere_else_it_goes_on(moves: Moves, before: str, after: str) -> None:
    """One after the other; each run comes further than the one before it, and is killed there."""
    told = moves.run("dev", before=before, after=after)
    assert told.code == KILLED, told.text


def test_the_end_is_a_state_in_its_own_bucket(moves: Moves, project: Project) -> None:
    """Encrypted by the key that the stack made, with nothing to change and no passphrase."""
    assert moves.run("dev").code == 0
    assert not _resources(moves, moves.here)
    there = moves.there(BUCKET)
    deployment = moves.at(there, "stack", "export", "--stack", "dev")["deployment"]
    assert deployment["secrets_providers"]["type"] == "cloud"
    assert deployment["secrets_providers"]["state"]["url"] == KEY
    assert f"secretsprovider: {KEY}" in _file(project)
    made = {each["type"] for each in deployment["resources"]}
    assert {"aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:kms/alias:Alias"} <= made
    assert "pending_operations" not in deployment
    # The stack that was selected still is, so that the next commands need not name it.
    assert moves.at(there, "stack", "output", "--json")["state_bucket"] == BUCKET
    again = moves.run("dev", PULUMI_BACKEND_URL=there, PULUMI_CONFIG_PASSPHRASE="another")
    assert again.code == 0, again.text
    assert "unchanged" in again.text
    assert f"export PULUMI_BACKEND_URL='{there}'" in again.text
    (key,) = (each["id"] for each in deployment["resources"] if each["type"] == "aws:kms/key:Key")
    assert project.aws.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    assert [each["Name"] for each in project.aws.client("s3").list_buckets()["Buckets"]] == [BUCKET]


def test_colleague_without_any_state_is_led_to_the_bucket(moves: Moves, tmp_path: Path) -> None:
    """A machine that knows nothing finds the state by the bucket's name, and makes nothing."""
    told = moves.run("dev", PULUMI_BACKEND_URL=tmp_path.as_uri())
    assert told.code == 0, told.text
    assert "deploys" not in told.text
    assert f"export PULUMI_BACKEND_URL='{moves.there(BUCKET)}'" in told.text
    assert not _resources(moves, tmp_path.as_uri())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-", "stack change-secrets-provider at *"),
        ("-", "stack import at file:*/home"),
        ("stack rm at s3:*", "-"),
    ],
)
def test_killed_on_the_way_back_it_goes_on(moves: Moves, before: str, after: str) -> None:
    """The state is in the bucket until the last step."""
    there = moves.there(BUCKET)
    told = moves.run("dev", "--back", before=before, after=after, PULUMI_BACKEND_URL=there)
    assert told.code == KILLED, told.text
    assert _resources(moves, there)


def test_the_way_back_ends_on_this_machine(moves: Moves, project: Project) -> None:
    """Encrypted by the passphrase again; the bucket and the key are still there."""
    there, home = moves.there(BUCKET), f"file://{project.folder.parent / 'home'}"
    assert moves.run("dev", "--back", PULUMI_BACKEND_URL=there).code == 0
    assert not _resources(moves, there)
    deployment = moves.at(home, "stack", "export", "--stack", "dev")["deployment"]
    assert deployment["secrets_providers"]["type"] == "passphrase"
    assert "encryptionsalt: " in _file(project)
    assert moves.run("dev", PULUMI_BACKEND_URL=home).code == 0
    assert _resources(moves, there)
    assert f"secretsprovider: {KEY}" in _file(project)


def test_passphrase_stays_where_no_key_is_wanted(moves: Moves, project: Project) -> None:
    """The other stack in one go; its file is not touched."""
    before = _file(project, "prod")
    told = moves.run("prod")
    assert told.code == 0, told.text
    there = moves.there(f"{BUCKET.removesuffix('dev')}prod")
    deployment = moves.at(there, "stack", "export", "--stack", "prod")["deployment"]
    assert deployment["secrets_providers"]["type"] == "passphrase"
    assert _file(project, "prod") == before


def test_no_secret_was_said_or_left(moves: Moves, project: Project) -> None:
    """Not by any run, not in the stacks' files, and what was tried is gone."""
    places = [*moves.heard, _file(project), _file(project, "prod")]
    for value in (*SECRETS.values(), "of a test"):
        assert not [place for place in places if value in place], value
    assert {path.name for path in (project.folder / ".bootstrap").iterdir()} == {
        "dev.lock",
        "prod.lock",
    }


def _resources(moves: Moves, place: str) -> int:
    """Tell how many things of dev a place holds."""
    stacks = {each["name"]: each for each in moves.at(place, "stack", "ls", "--json")}
    return int(stacks.get("dev", {}).get("resourceCount", 0))


def _file(project: Project, stack: str = "dev") -> str:
    return (project.folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
