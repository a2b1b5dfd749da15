"""Two stacks, and updates that are interrupted or run at the same time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.local_aws.resources.awslambda import Function
from sandbox.local_aws.resources.iam import Role
from tests.engine.aws_proxy import AwsProxy, HeldCall
from tests.engine.pulumi_project import PulumiProject

SECRETS = {"prod": "wks0-the-secret-of-production", "dev": "wks0-the-secret-of-development"}
NEXT_SECRET = "wks0-the-next-secret-of-development"
INFO = {"info": True}
MAKING_FUNCTION = "POST /2015-03-31/functions/?"
CHANGING_FUNCTION = "PUT /2015-03-31/functions/.*/configuration"
# Random suffixes of names, secrets' ARNs and versions.
RANDOM = re.compile(r"-[0-9a-f]{7}\b|(?<=:secret:)[\w-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UPDATE = ("up", "--yes", "--skip-preview")


@pytest.fixture
def new_stack(
    project: PulumiProject, provider: Mapping[str, str], request: pytest.FixtureRequest
) -> str:
    """A stack that isn't deployed yet."""
    stack: str = request.param
    key, url = "INCIDENTIO_API_KEY", "INCIDENTIO_BASE_URL"
    secrets = {"INDENT_WEBHOOK_SECRET": SECRETS[stack], key: provider[key]}
    project.create_stack(stack, secrets, **{url: provider[url]})
    return stack


@pytest.mark.parametrize("new_stack", ["prod"], indirect=True)
@pytest.mark.usefixtures("new_stack")
def test_second_update_is_refused_while_one_is_at_work(
    project: PulumiProject, proxy: AwsProxy
) -> None:
    """The lock refuses the second update, and the first succeeds."""
    held = proxy.hold(MAKING_FUNCTION)
    with project.start_pulumi(*UPDATE) as first:
        held.wait_for()
        second = project.try_pulumi(*UPDATE)
        assert second.code != 0
        assert "the stack is currently locked by 1 lock(s)" in second.text
        held.release()
        assert first.wait().code == 0, first.output()
    project.run_pulumi("preview", "--expect-no-changes")


@pytest.mark.parametrize("new_stack", ["dev"], indirect=True)
@pytest.mark.usefixtures("new_stack")
def test_killed_update_says_how_to_go_on_and_is_finished_by_the_next(
    project: PulumiProject, proxy: AwsProxy
) -> None:
    """After `pulumi cancel` and `refresh` the next update completes it."""
    with _killed(project, proxy.hold(MAKING_FUNCTION)):
        pass
    refused = project.try_pulumi(*UPDATE)
    assert refused.code != 0
    assert "delete the lock file with `pulumi cancel`" in refused.text
    project.run_pulumi("cancel", "--yes")
    warned = project.run_pulumi(*UPDATE)
    assert "::approval-webhook, interrupted while creating" in warned
    assert "you can repair your stack using `pulumi refresh`" in warned
    # An interactive `pulumi refresh` asks about each resource.
    project.run_pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    project.run_pulumi("preview", "--expect-no-changes")
    recovered = _shape(project, "dev")
    project.select("prod")
    assert recovered == _shape(project, "prod")
    assert len(project.aws.client("lambda").list_functions()["Functions"]) == len(SECRETS)
    assert len(project.aws.client("iam").list_roles()["Roles"]) == len(SECRETS)
    assert len(project.aws.client("secretsmanager").list_secrets()["SecretList"]) == len(SECRETS)
    assert len(project.aws.client("logs").describe_log_groups()["logGroups"]) == len(SECRETS)


def test_stacks_share_nothing(project: PulumiProject, tmp_path: Path) -> None:
    """Each has its own URL, role, secret, bucket and log, and accepts only its own signature."""
    own = {}
    for stack, other in (("dev", "prod"), ("prod", "dev")):
        project.select(stack)
        own[stack] = {**project.outputs(), "role": project.of_type(Role.type)["id"]}
        with project.webhook(SECRETS[stack], tmp_path / stack) as webhook:
            assert webhook.call(INFO).http == 200
            assert webhook.call(INFO, secret=SECRETS[other]).http == 401
    assert own["dev"].keys() == own["prod"].keys() > {"webhook_url", "secret_arn", "state_bucket"}
    assert not set(own["dev"].values()) & set(own["prod"].values())


def test_killed_rotation_refuses_no_signature_either(
    project: PulumiProject, proxy: AwsProxy, tmp_path: Path
) -> None:
    """If a rotation stops half way, the old secret still counts."""
    project.select("dev")
    project.run_pulumi("config", "set", "--secret", "INDENT_WEBHOOK_SECRET", stdin=NEXT_SECRET)
    project.run_pulumi(
        "config", "set", "--secret", "INDENT_WEBHOOK_SECRET_PREVIOUS", stdin=SECRETS["dev"]
    )
    function = project.of_type(Function.type)
    with (
        _killed(project, proxy.hold(CHANGING_FUNCTION)),
        project.webhook(SECRETS["dev"], tmp_path / "killed", function) as webhook,
    ):
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=NEXT_SECRET).http == 401
    project.run_pulumi("cancel", "--yes")
    project.run_pulumi("refresh", "--yes", "--skip-preview")
    project.run_pulumi(*UPDATE)
    project.run_pulumi("preview", "--expect-no-changes")
    with project.webhook(NEXT_SECRET, tmp_path / "finished") as webhook:
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=SECRETS["dev"]).http == 200


def test_destroying_one_leaves_the_other(project: PulumiProject, tmp_path: Path) -> None:
    """After `dev` is destroyed, `prod` answers and has no drift."""
    project.select("dev")
    project.run_pulumi("destroy", "--yes", "--skip-preview", "--exclude-protected")
    project.select("prod")
    project.run_pulumi("preview", "--expect-no-changes")
    project.run_pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    (function,) = project.aws.client("lambda").list_functions()["Functions"]
    assert function["FunctionName"] == project.outputs()["function_name"]
    with project.webhook(SECRETS["prod"], tmp_path / "log") as webhook:
        assert webhook.call(INFO).http == 200


@contextmanager
def _killed(project: PulumiProject, held: HeldCall) -> Iterator[None]:
    """Kill an update when it makes this call, which is lost."""
    with project.start_pulumi(*UPDATE) as update:
        held.wait_for()
        update.kill()
        held.release(reaches_aws=False)
        assert update.wait().code == 137
    yield


def _shape(project: PulumiProject, stack: str) -> dict[str, Any]:
    """The state without what differs between stacks: names, ids, random suffixes."""
    deployment = project.deployment()
    assert not deployment.get("pending_operations")
    return {
        _alike(resource["urn"], stack): [
            _alike(resource.get(key), stack) for key in ("parent", "protect", "retainOnDelete")
        ]
        + [
            sorted(_alike(resource.get("dependencies", []), stack)),
            _alike(resource["inputs"], stack),
        ]
        for resource in deployment["resources"]
        if resource["type"].startswith("aws:")
    }


def _alike(value: Any, stack: str) -> Any:  # noqa: ANN401 - any property
    if isinstance(value, str):
        return RANDOM.sub("*", re.sub(rf"\b{stack}\b", "STACK", value))
    if isinstance(value, list):
        return [_alike(item, stack) for item in value]
    if isinstance(value, dict):
        # Secrets are encrypted again each time; after a refresh the code has only a hash.
        return {
            key: "*" if key in {"ciphertext", "assets"} else _alike(item, stack)
            for key, item in value.items()
        }
    return value
