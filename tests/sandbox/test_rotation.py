"""New secrets for what is deployed: as `pulumi up` brings them, without a refused call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.webhook_client import send
from sandbox.stack import Sandbox, new_secret
from tests.projects import project_in


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose secrets are changed."""
    with Sandbox(project_in(tmp_path_factory.mktemp("project"))) as one:
        yield one


def status(sandbox: Sandbox, secret: str) -> int:
    """The HTTP status of a call that is signed with it."""
    return send(sandbox.url, secret, {"info": True}).http


def test_no_call_is_refused(running: Sandbox) -> None:
    """Both secrets count while the former one is given, the new one alone after that."""
    old, new, url = running.webhook_secret, new_secret(), running.url
    assert (status(running, old), status(running, new)) == (200, 401)
    running.rotate(new, previous=old)
    assert (status(running, old), status(running, new)) == (200, 200)
    running.rotate(new)
    assert (status(running, old), status(running, new)) == (401, 200)
    assert running.url == url
    assert running.variables()["INDENT_WEBHOOK_SECRET"] == new


def test_it_is_a_version_of_the_same_secret(running: Sandbox) -> None:
    """The function reads that version; of the secrets, its environment holds none."""
    before = running.deployment
    old, new = running.webhook_secret, new_secret()
    running.rotate(new, previous=old)
    after, lambda_ = running.deployment, running.aws.client("lambda")
    assert [(each.type, each.name) for each in after.resources] == [
        (each.type, each.name) for each in before.resources
    ]
    variables = lambda_.get_function_configuration(FunctionName=after.function.config.name)[
        "Environment"
    ]["Variables"]
    assert variables == after.function.config.environment
    changed = {
        key for key in variables if variables[key] != before.function.config.environment[key]
    }
    assert changed == {"HANDLER_SECRET_VERSION"}
    assert not {old, new} & set(variables.values())
    stored = running.aws.client("secretsmanager").get_secret_value(
        SecretId=variables["HANDLER_SECRET_ARN"], VersionId=variables["HANDLER_SECRET_VERSION"]
    )
    values = json.loads(stored["SecretString"])
    assert values["INDENT_WEBHOOK_SECRET"] == new
    assert values["INDENT_WEBHOOK_SECRET_PREVIOUS"] == old
    assert {"INCIDENTIO_API_KEY", "PAGERDUTY_KEY"} < values.keys()
    assert running.settings.webhook_secrets == (new, old)
    assert new not in repr(after)


def test_variables_of_the_children_alone(tmp_path: Path) -> None:
    """What a sandbox is given beside them reaches the function; its deployment knows nothing."""
    wrong = {"AUTO_APPROVAL_DRY_RUN": "perhaps"}
    with Sandbox(project_in(tmp_path), variables=wrong) as one:
        assert status(one, one.webhook_secret) == 500
        deployed = one.deployment.function.config.environment
        assert deployed["AUTO_APPROVAL_DRY_RUN"] == "false"
