"""What CI runs, from `make` to the program: the roles allow each call that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.local_aws.moto_server import Aws
from tests.engine.bootstraps import Bootstraps
from tests.engine.gate import Gate
from tests.engine.noted import Noted, policy_in, refused

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "one-key"}
BUCKET = "indent-deploy-state-123456789012-keyed"
KEY = "aws:kms/key:Key"
STATE = {"s3:ListBucket", "s3:GetObject", "s3:GetBucketTagging"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, gate: Gate) -> Bootstraps:
    """A copy of the project with its Makefile."""
    return Bootstraps(tmp_path_factory.mktemp("engine"), aws, gate.endpoint)


@pytest.fixture(scope="module")
def noted(project: Bootstraps, gate: Gate) -> Noted:
    """A stack with a bucket and a key of its own, which a person has bootstrapped and deployed."""
    noted = Noted(project, gate)
    project.writes("keyed", KMS_KEY_ALIAS="oncall-state", DEPLOY_REPOSITORY="acme/oncall")
    said = project.bootstrap("keyed")
    assert said.code == 0, said.text
    project.sets("keyed", SECRETS, ALARM_EMAIL="oncall@example.com")
    said = project.made("deploy", "keyed")
    assert said.code == 0, said.text
    return noted


def test_roles_allow_what_ci_runs(project: Bootstraps, noted: Noted) -> None:
    """Both targets, the check of the backend and the proof of the adopted bucket included."""
    (key,) = (each["outputs"]["arn"] for each in project.state() if each["type"] == KEY)
    code = project.folder / "handler" / "clock.py"
    code.write_text(Path(code).read_text("utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    project.sets("keyed", {"PAGERDUTY_KEY": "another-key"}, AUTO_APPROVAL_DURATION="3")

    def make(target: str) -> None:
        said = project.made(target, "keyed")
        assert said.code == 0, said.text
        assert "A person has to deploy this" not in said.text

    calls = noted.during(BUCKET, lambda: make("preview-comment"), key)
    assert {call.action for call in calls} == {*STATE, "kms:Decrypt"}
    assert refused(calls, [policy_in(project, "deploy-role-preview-rights")]) == set()
    calls = noted.during(BUCKET, lambda: make("deploy"), key)
    assert {*STATE, "s3:PutObject", "kms:Decrypt", "lambda:UpdateFunctionCode"} <= {
        call.action for call in calls
    }
    assert refused(calls, [policy_in(project, "deploy-role-rights")]) == set()
