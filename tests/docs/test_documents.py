"""The tests, limits and settings that the documents name exist, with these values."""

from __future__ import annotations

import ast
import re
from datetime import timedelta

import pytest

from handler.audit import MOST_LINE_BYTES
from handler.callers.base import (
    BUDGET_SECONDS,
    MOST_BODY_BYTES,
    MOST_CHARACTERS,
    MOST_LABELS,
    MOST_REASON,
    MOST_RESOURCES,
)
from handler.callers.conductorone import TOKEN_SECONDS
from handler.http import MAX_BODY_BYTES
from handler.notices import MOST_SECONDS, RESERVED_SECONDS
from handler.rules.model import LONGEST_APPROVAL, LONGEST_GRACE
from handler.settings import BESIDE_POLICY
from infra.settings import BY_NAME, DEPLOY_REPOSITORY
from tests.support.documents import ROOT, read_sections

SECURITY = ROOT / "docs/security.md"
MIB = 1024 * 1024
NAMED_TESTS = re.findall(r"`(tests/[\w/.]+)::(\w+)`", SECURITY.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED_TESTS}))
def test_the_threat_model_names_existing_tests(file: str) -> None:
    """Each test that docs/security.md names exists in the file that it names."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {name for path, name in NAMED_TESTS if path == file} <= functions


def test_each_threat_names_a_test() -> None:
    """Each row of the table of threats names the test that proves the defence."""
    lines = read_sections(SECURITY)["Threats"].text.splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 15
    assert all("::test_" in row for row in rows)


def test_limits_match_the_code() -> None:
    """Each limit in docs/security.md is the value of the code's constant."""
    limits = read_sections(SECURITY)["Limits"].text
    webhook = (ROOT / "infra/approval_webhook.py").read_text(encoding="utf-8")
    (timeout,) = re.findall(r"^TIMEOUT_SECONDS = (\d+)$", webhook, re.MULTILINE)
    for row in (
        f"| resources in a call | {MOST_RESOURCES} |",
        f"| labels in a call | {MOST_LABELS:,} |",
        f"| characters of names and labels in a call | {MOST_CHARACTERS:,} |",
        f"| size of a call | {MOST_BODY_BYTES // MIB} MiB |",
        f"| time for a decision | {BUDGET_SECONDS:.0f} s, cold start included",
        f"| time for notices | {MOST_SECONDS} s, and until {RESERVED_SECONDS} s before the",
        f"| time of the function | {timeout} s |",
        f"| one page of a provider's answer | {MAX_BODY_BYTES // MIB} MiB |",
        f"| access | {LONGEST_APPROVAL // timedelta(hours=1)} hours |",
        f"| grace after a shift | {LONGEST_GRACE // timedelta(hours=1)} hours |",
        f"| {BY_NAME['WEBHOOK_MAX_AGE'].default} s (`WEBHOOK_MAX_AGE`, at most 3,600 s) |",
        f"| age of ConductorOne's token | {TOKEN_SECONDS // 60} minutes |",
        f"| reason in an answer | {MOST_REASON} characters |",
        f"| a line of the log | {MOST_LINE_BYTES:,} bytes |",
    ):
        assert row in limits
    kept = BY_NAME["LOG_RETENTION_DAYS"].default
    data = read_sections(SECURITY)["Personal data"].text
    assert f"`LOG_RETENTION_DAYS`, {kept} by default" in data


DEPLOY_ROLE = (ROOT / "docs/deploy-from-ci.md").read_text(encoding="utf-8")


def test_policy_page_removes_what_a_policy_replaces() -> None:
    """The commands of "Start" remove every setting that may not stand beside a policy file."""
    switch = read_sections(ROOT / "docs/policy.md")["Start"].blocks[-1]
    (removed,) = re.findall(r"pulumi config rm-all (.*) --stack dev\n", switch.replace("\\\n", ""))
    assert tuple(removed.split()) == BESIDE_POLICY


def test_deploy_role_page_matches_the_program() -> None:
    """docs/deploy-from-ci.md names the real setting, its two forms, outputs and variables."""
    assert f"pulumi config set {DEPLOY_REPOSITORY} acme/oncall-approvals" in DEPLOY_ROLE
    forms = re.findall(r"`(acme[\w@-]*/[\w@-]+)`", DEPLOY_ROLE)
    assert len({BY_NAME[DEPLOY_REPOSITORY].read({DEPLOY_REPOSITORY: form}) for form in forms}) == 2
    program = (ROOT / "infra/__main__.py").read_text(encoding="utf-8")
    outputs = re.findall(r"pulumi stack output (\w+)", DEPLOY_ROLE)
    assert outputs == ["deploy_role_arn", "preview_role_arn"]
    assert all(f'pulumi.export("{output}"' in program for output in outputs)
    workflow = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    for variable in ("DEPLOY_STACKS", "AWS_DEPLOY_ROLE_ARN", "PULUMI_BACKEND_URL", "AWS_REGION"):
        assert f"`{variable}`" in DEPLOY_ROLE
        assert f"vars.{variable}" in workflow


def test_page_names_every_environment_of_the_workflow() -> None:
    """GitHub creates an environment that is missing, without any protection rules."""
    workflow = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    environments = set(re.findall(r"^    environment: (\S+)$", workflow, re.MULTILINE))
    assert environments == {"dev", "dev-preview", "prod", "prod-preview"}
    assert all(f"`{name}`" in DEPLOY_ROLE for name in environments)
