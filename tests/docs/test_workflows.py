"""The workflows have minimal rights, pin the actions they use, and only run make targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.stem: path for path in (ROOT / ".github/workflows").glob("*.yml")}
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))


def _read(path: Path) -> dict[Any, Any]:
    # YAML 1.1 reads the key `on` as true.
    read: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in read.items()}


DEPLOY = _read(WORKFLOWS["deploy"])["jobs"]
JOBS = [(name, job) for path in WORKFLOWS.values() for name, job in _read(path)["jobs"].items()]


def _steps() -> Iterator[dict[str, Any]]:
    for _, job in JOBS:
        yield from job["steps"]
    for action in ACTIONS:
        yield from _read(action)["runs"]["steps"]


@pytest.mark.parametrize("name", ["ci", "deploy"])
def test_no_workflow_has_rights_by_default(name: str) -> None:
    """Workflows grant no permissions, and no event gives secrets to a fork."""
    workflow = _read(WORKFLOWS[name])
    assert workflow["permissions"] == {}
    assert set(workflow["on"]) <= {"push", "pull_request", "workflow_dispatch"}
    assert workflow["on"]["push"] == {"branches": ["main"]}


def test_each_job_has_the_least_rights() -> None:
    """Jobs may read code or use OIDC; only the job that comments may write, and it runs no code."""
    rights = {name: job["permissions"] for name, job in JOBS}
    stack = {"contents": "read", "id-token": "write"}
    assert rights == {
        "checks": {"contents": "read"},
        "preview-dev": stack,
        "comment": {"pull-requests": "write"},
        "deploy-dev": stack,
        "preview-prod": stack,
        "deploy-prod": stack,
    }
    assert all("uses" not in step for step in DEPLOY["comment"]["steps"])


def test_actions_are_pinned_by_commit() -> None:
    """Other people's actions are pinned by commit; a checkout doesn't keep its token."""
    for step in _steps():
        uses = step.get("uses", "./")
        if not uses.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses), uses
        if uses.startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_steps_run_make_targets() -> None:
    """Every step runs an existing make target, except the step that posts the comment."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    runs = [step["run"] for step in _steps() if "run" in step]
    posting = [run for run in runs if "gh pr comment" in run]
    assert posting == [step["run"] for step in DEPLOY["comment"]["steps"]]
    for run in set(runs) - set(posting):
        found = re.fullmatch(r"make ([a-z-]+)( STACK=(dev|prod))?", run)
        assert found, run
        assert found[1] in targets


def test_a_pull_request_sees_dev_only() -> None:
    """Pull requests run only dev's preview, and not if they come from a fork."""
    preview = DEPLOY["preview-dev"]
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert own in preview["if"]
    assert preview["environment"] == "dev-preview"
    assert "prod" not in str(preview)
    for name in ("deploy-dev", "preview-prod"):
        assert "github.ref == 'refs/heads/main'" in DEPLOY[name]["if"]


def test_prod_comes_after_dev_and_its_own_preview() -> None:
    """Steps for prod run in prod's environments, after dev's deploy and prod's preview."""
    assert DEPLOY["preview-prod"]["needs"] == "deploy-dev"
    assert DEPLOY["deploy-prod"]["needs"] == "preview-prod"
    assert "needs.preview-prod.result == 'success'" in DEPLOY["deploy-prod"]["if"]
    for name, job in DEPLOY.items():
        of_prod = job.get("environment") in {"prod", "prod-preview"}
        assert ("prod" in str(job["steps"])) == of_prod, name
        assert name.startswith("preview-") == str(job.get("environment")).endswith("-preview"), name


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("", set()),
        ("dev", {"dev"}),
        ("dev prod", {"dev", "prod"}),
        ("prod", {"prod"}),
        ("devel", set()),
        ("dev-eu preprod", set()),
    ],
)
def test_only_named_stacks_are_deployed(variable: str, expected: set[str]) -> None:
    """A stack is deployed if `DEPLOY_STACKS` has its whole name, between spaces."""
    condition = re.compile(r"contains\((?:format\('(.+?)', )?vars\.DEPLOY_STACKS\)?, '(.+?)'\)")
    stacks = {"preview-dev": "dev", "deploy-dev": "dev", "preview-prod": "prod"}
    for name, stack in stacks.items():
        ((form, part),) = condition.findall(DEPLOY[name]["if"])
        # GitHub's `contains` ignores case.
        runs = part.lower() in (form or "{0}").format(variable).lower()
        assert runs is (stack in expected), name


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_one_deploy_at_a_time(stack: str) -> None:
    """Deploys of a stack run one after the other, and nothing cancels a running one."""
    group = {"group": f"stack-{stack}", "cancel-in-progress": False}
    sharing = [name for name, job in DEPLOY.items() if job["concurrency"] == group]
    assert sharing == [f"deploy-{stack}"]
