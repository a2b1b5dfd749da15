"""The documents name what there is: tests, settings and outputs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from infra.settings import BY_NAME, DEPLOY_REPOSITORY

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/[\w/.]+)::(\w+)`", (ROOT / "docs/security.md").read_text())


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    """Each test that the threat model names is there, as a function or a method."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_threat_names_a_test() -> None:
    """No row of the threat model claims a defence that nothing shows."""
    lines = (ROOT / "docs/security.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 15
    assert all("::test_" in row for row in rows)


DEPLOY_ROLE = (ROOT / "docs/deploy-from-ci.md").read_text(encoding="utf-8")


def test_how_to_use_the_role_is_as_the_program_has_it() -> None:
    """The setting, both forms of the repository, both outputs, and the workflow's variables."""
    assert f"pulumi config set {DEPLOY_REPOSITORY} acme/oncall-approvals" in DEPLOY_ROLE
    forms = re.findall(r"`(acme[\w@-]*/[\w@-]+)`", DEPLOY_ROLE)
    assert len({BY_NAME[DEPLOY_REPOSITORY].read({DEPLOY_REPOSITORY: form}) for form in forms}) == 2
    program = (ROOT / "infra/__main__.py").read_text(encoding="utf-8")
    outputs = re.findall(r"pulumi stack output (\w+)", DEPLOY_ROLE)
    assert outputs == ["deploy_role_arn", "preview_role_arn"]
    assert all(f'pulumi.export("{each}"' in program for each in outputs)
    workflow = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    for variable in ("DEPLOY_STACKS", "AWS_DEPLOY_ROLE_ARN", "PULUMI_BACKEND_URL", "AWS_REGION"):
        assert f"`{variable}`" in DEPLOY_ROLE
        assert f"vars.{variable}" in workflow


def test_each_environment_of_the_workflow_is_to_be_created() -> None:
    """None is left for GitHub to make without rules."""
    workflow = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    environments = set(re.findall(r"^    environment: (\S+)$", workflow, re.MULTILINE))
    assert environments == {"dev", "dev-preview", "prod", "prod-preview"}
    assert all(f"`{each}`" in DEPLOY_ROLE for each in environments)
