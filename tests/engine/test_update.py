"""A stack's life with the real engine: created, changed, drifted and destroyed, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import JANE, OMAR, SCHEDULE
from sandbox.local_aws.resources import RESOURCES
from sandbox.local_aws.resources.awslambda import Function
from tests.e2e.webhook_calls import duration_of, request_of
from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import PulumiProject, changes_in

SECRET = "wks0-the-first-secret-of-a-test"
NEXT_SECRET = "wks0-the-second-secret-of-a-test"
INFO = {"info": True}


@pytest.fixture(scope="module")
def secrets(provider: Mapping[str, str]) -> dict[str, str]:
    """The secrets of the stack."""
    key = "INCIDENTIO_API_KEY"
    return {"INDENT_WEBHOOK_SECRET": SECRET, key: provider[key]}


@pytest.fixture(scope="module")
def _stack(project: PulumiProject, provider: Mapping[str, str], secrets: dict[str, str]) -> None:
    url = "INCIDENTIO_BASE_URL"
    plain = {url: provider[url], "ALARM_EMAIL": "oncall@example.com"}
    project.create_stack("dev", secrets, **plain)
    project.run_pulumi("preview", "--diff")
    project.run_pulumi("up", "--yes", "--diff")


@pytest.fixture(autouse=True)
def _deployed(_stack: None) -> None:
    """Deploy the stack before the tests."""


def test_url_answers_a_signed_request(project: PulumiProject, tmp_path: Path) -> None:
    """The function approves a person on call, and the output is its URL."""
    outputs = project.outputs()
    functions = project.aws.client("lambda")
    url_config = functions.get_function_url_config(FunctionName=outputs["function_name"])
    assert outputs["webhook_url"] == f"{url_config['FunctionUrl'].rstrip('/')}/"
    with project.webhook(SECRET, tmp_path / "log") as webhook:
        (claim,) = webhook.ask(request_of(JANE))
        assert duration_of(claim) == "6h0m0s"
        assert webhook.call(INFO, secret="wks0-anything-else-at-all").http == 401


def test_undisturbed_stack_has_no_changes(project: PulumiProject) -> None:
    """A preview finds no changes, and a refresh no drift."""
    project.run_pulumi("preview", "--expect-no-changes")
    project.run_pulumi("refresh", "--yes", "--expect-no-changes")


def test_drift_is_found_and_mended(project: PulumiProject) -> None:
    """A refresh finds a manual change, and the next update reverts it."""
    name = project.outputs()["function_name"]
    functions = project.aws.client("lambda")
    s3, bucket = project.aws.client("s3"), project.outputs()["state_bucket"]
    functions.update_function_configuration(FunctionName=name, MemorySize=1024)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert project.try_pulumi("refresh", "--preview-only", "--expect-no-changes").code != 0
    project.run_pulumi("refresh", "--yes", "--skip-preview")
    assert changes_in(project.preview()) == {
        ("update", Function.type),
        ("update", "aws:s3/bucketVersioning:BucketVersioning"),
    }
    project.run_pulumi("up", "--yes", "--skip-preview")
    assert functions.get_function_configuration(FunctionName=name)["MemorySize"] == 512
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    project.run_pulumi("preview", "--expect-no-changes")


def test_settings_change_the_function_alone_and_in_place(
    project: PulumiProject, proxy: AwsProxy, tmp_path: Path
) -> None:
    """Only the function changes; the named schedule approves for 3 hours."""
    before = project.outputs()
    settings = {"AUTO_APPROVAL_DURATION": "3", "AUTO_APPROVAL_SCHEDULES": SCHEDULE}
    for key, value in settings.items():
        project.run_pulumi("config", "set", key, value)
    assert changes_in(project.preview()) == {("update", Function.type)}
    changes: list[str] = []
    with proxy.observed(changes.append):
        project.run_pulumi("up", "--yes", "--skip-preview")
    assert changes
    path = f"/functions/{before['function_name']}/"
    assert not [change for change in changes if path not in change]
    assert project.outputs() == before
    with project.webhook(SECRET, tmp_path / "log") as webhook:
        (claim,) = webhook.ask(request_of(OMAR))
        assert webhook.ask(request_of(JANE)) == []
    assert duration_of(claim) == "3h0m0s"


def test_new_secret_refuses_no_signature_on_its_way(
    project: PulumiProject, proxy: AwsProxy, tmp_path: Path
) -> None:
    """With a previous secret set, the old one counts throughout the update."""
    project.run_pulumi("config", "set", "--secret", "INDENT_WEBHOOK_SECRET", stdin=NEXT_SECRET)
    project.run_pulumi("config", "set", "--secret", "INDENT_WEBHOOK_SECRET_PREVIOUS", stdin=SECRET)
    assert {http for *_, http in _seen_while_updating(project, proxy, SECRET, tmp_path)} == {200}
    with project.webhook(NEXT_SECRET, tmp_path / "new") as new:
        assert new.call(INFO).http == 200
        assert new.call(INFO, secret=SECRET).http == 200
        assert new.call(INFO, secret="wks0-anything-else-at-all").http == 401


def test_old_secret_goes_without_a_refusal_of_the_new(
    project: PulumiProject, proxy: AwsProxy, tmp_path: Path
) -> None:
    """Without a previous one, the new secret counts throughout; the old stops."""
    project.run_pulumi("config", "rm", "INDENT_WEBHOOK_SECRET_PREVIOUS")
    assert {http for *_, http in _seen_while_updating(project, proxy, NEXT_SECRET, tmp_path)} == {
        200
    }
    with project.webhook(NEXT_SECRET, tmp_path / "new") as new:
        assert new.call(INFO).http == 200
        assert new.call(INFO, secret=SECRET).http == 401
    project.run_pulumi("preview", "--expect-no-changes")


def _seen_while_updating(
    project: PulumiProject, proxy: AwsProxy, secret: str, tmp_path: Path
) -> list[tuple[str, str, int]]:
    """Call both versions of the function after each change: running ones, and new ones."""
    statuses: list[tuple[str, str, int]] = []
    function = project.of_type(Function.type)
    with project.webhook(secret, tmp_path / "warm", function) as warm:
        # Running calls end normally: the old function still reads its version of the secret.
        statuses.append(("before", "warm", warm.call(INFO).http))

        def look(change: str) -> None:
            with project.webhook(secret, tmp_path / "cold", function) as cold:
                statuses.append((change, "warm", warm.call(INFO).http))
                statuses.append((change, "cold", cold.call(INFO).http))

        with proxy.observed(look):
            project.run_pulumi("up", "--yes", "--diff", "--skip-preview")
        statuses.append(("after", "warm", warm.call(INFO).http))
    changes = {change for change, *_ in statuses}
    assert "PutSecretValue" in changes
    assert any(change.endswith("/configuration") for change in changes)
    return statuses


def test_no_secret_is_in_plaintext(project: PulumiProject, secrets: dict[str, str]) -> None:
    """State, history, stack file, outputs, CLI output and function have no secret in plaintext."""
    function = project.aws.client("lambda").get_function_configuration(
        FunctionName=project.outputs()["function_name"]
    )
    exported = project.run_pulumi("stack", "export")
    project.run_pulumi("config")
    project.run_pulumi("config", "--json")
    state = project.folder.parent / "state"
    places = {
        **{str(file): file.read_text("utf-8") for file in state.rglob("*") if file.is_file()},
        "the exported state": exported,
        "the CLI's words": "\n".join(project.transcript),
        "the stack file": (project.folder / "Pulumi.dev.yaml").read_text("utf-8"),
        "the function": json.dumps(function, default=str),
    }
    assert all(
        "HANDLER_SECRET_VERSION" in places[place]
        for place in ("the function", "the exported state")
    )
    hidden = {**secrets, "the next INDENT_WEBHOOK_SECRET": NEXT_SECRET}
    # Only names, so that a failure doesn't print a secret.
    leaks = [(key, name) for key in hidden for name, text in places.items() if hidden[key] in text]
    assert leaks == []


def test_destroy_leaves_the_state_bucket_whole(project: PulumiProject) -> None:
    """Destroy refuses protected resources and says how to continue; the rest goes."""
    bucket = project.outputs()["state_bucket"]
    refused = project.try_pulumi("destroy", "--yes")
    assert refused.code != 0
    assert "protect" in refused.text
    assert "pulumi state unprotect" in refused.text
    project.run_pulumi("destroy", "--yes", "--exclude-protected")
    types = {
        resource["type"] for resource in project.state() if resource["type"].startswith("aws:")
    }
    assert types == {kind for kind in RESOURCES if kind.startswith("aws:s3/")}
    s3 = project.aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Sid"]) == ("Deny", "DenyInsecureTransport")
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert project.aws.client("lambda").list_functions()["Functions"] == []
    assert project.aws.client("iam").list_roles()["Roles"] == []
    assert project.aws.client("logs").describe_metric_filters()["metricFilters"] == []
    assert project.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert project.aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert project.aws.client("sns").list_topics()["Topics"] == []
    assert project.aws.client("secretsmanager").list_secrets()["SecretList"] == []


def test_destroy_leaves_the_audit_trail(project: PulumiProject) -> None:
    """The log group is kept with its retention, outside the stack."""
    (group,) = project.aws.client("logs").describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 365
    assert "aws:cloudwatch/logGroup:LogGroup" not in {
        resource["type"] for resource in project.state()
    }


def test_destroyed_stack_is_made_again(project: PulumiProject) -> None:
    """Deploying again works beside the old log."""
    project.run_pulumi("up", "--yes")
    groups = project.aws.client("logs").describe_log_groups()["logGroups"]
    assert len(groups) == 2
    assert project.outputs()["log_group"] in {log_group["logGroupName"] for log_group in groups}
