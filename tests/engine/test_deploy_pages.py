"""The commands of README and docs/deploy.md, from nothing to a webhook to nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sandbox.demo_data import JANE, OMAR
from sandbox.local_aws.moto_server import Aws
from tests.engine.aws_proxy import AwsProxy
from tests.engine.runbook_project import RunbookProject
from tests.support.documents import DEPLOY, README, read_sections

PASSPHRASE = "of a test"
BOOTSTRAP = """eval "$(make -s bootstrap STACK=dev | tee /dev/stderr | grep '^  export ')"\n"""
TOKEN_IS_RIGHT = "the token is the deployed one"
CHECK = ".venv/bin/oncall check --stack dev --caller authzen\n"
PAGES = {README: read_sections(README), DEPLOY: read_sections(DEPLOY)}
# These sections show output that needs a schedule of that name.
DOUBLE = (("'DBA, API'", "Production"), ("eu-west-1", "us-west-2"))

pytestmark = pytest.mark.skipif(shutil.which("aws") is None, reason="no AWS CLI on PATH")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, proxy: AwsProxy) -> RunbookProject:
    """A copy of the project in a shell with AWS credentials and no stack."""
    project = RunbookProject(tmp_path_factory.mktemp("pages"), aws, proxy.endpoint)
    project.forget("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")
    return project


def _blocks(page: Path, *titles: str) -> list[str]:
    blocks = [block for title in titles for block in PAGES[page][title].blocks]
    for shown, at_the_double in DOUBLE:
        blocks = [block.replace(shown, at_the_double) for block in blocks]
    return blocks


def _deploy(
    project: RunbookProject, blocks: Sequence[str], provider: Mapping[str, str], typed: str
) -> str:
    """Run blocks in one shell, and use the same backend in later ones."""
    url = provider["INCIDENTIO_BASE_URL"]
    base_url = f"pulumi config set INCIDENTIO_BASE_URL {url} --stack dev\n"
    script = "".join(blocks).replace("make deploy", f"{base_url}make deploy", 1)
    output = project.run_scripts([f'{script}echo "state at $PULUMI_BACKEND_URL"\n'], stdin=typed)
    project.set_backend(output.rpartition("state at ")[2].partition("\n")[0])
    project.remember(
        PULUMI_CONFIG_PASSPHRASE=PASSPHRASE, INCIDENTIO_API_KEY=provider["INCIDENTIO_API_KEY"]
    )
    return output


def _whom_it_would_let_in(project: RunbookProject, *blocks: str) -> str:
    """Run blocks with valid keys. In dry run `who` ends with 1."""
    result = project.try_script("".join(blocks))
    assert result.code == 1, result.text
    assert "INCIDENTIO_API_KEY works" in result.text
    return result.text


def test_readme(project: RunbookProject, provider: Mapping[str, str], tmp_path: Path) -> None:
    """After typing two secrets, one block deploys a webhook that answers, in dry run."""
    key = provider["INCIDENTIO_API_KEY"]
    output = _deploy(project, _blocks(README, "Deploy it"), provider, f"{PASSPHRASE}\n{key}\n")
    assert project.outputs()["webhook_url"] in output
    assert key not in output
    project.run_scripts([*_blocks(README, "Narrow it"), "make deploy STACK=dev"])
    variables = project.variables()
    assert variables["AUTO_APPROVAL_DRY_RUN"] == "true"
    assert variables["AUTO_APPROVAL_INCIDENTIO_ROLES"] == "Incident Lead"
    assert variables["AUTO_APPROVAL_SCHEDULES"] == "Production"
    (confirm,) = _blocks(README, "Confirm it")
    before, check, _ = confirm.partition(CHECK)
    output = _whom_it_would_let_in(project, before)
    assert JANE in output
    assert OMAR in output
    assert TOKEN_IS_RIGHT in project.run_script_while_served(check, tmp_path / "log")
    (explain,) = _blocks(README, "Operate it")
    assert project.try_script(explain).code == 1


def test_roll_out(project: RunbookProject) -> None:
    """The dry run's report works, then the dry run ends."""
    project.run_scripts(_blocks(DEPLOY, "Roll it out"))
    assert project.variables()["AUTO_APPROVAL_DRY_RUN"] == "false"


def test_upgrade(project: RunbookProject, tmp_path: Path) -> None:
    """Upgrading to the same release changes nothing."""
    (upgrade,) = _blocks(DEPLOY, "Upgrade")
    assert "unchanged" in project.run_script_while_served(upgrade, tmp_path / "log")


def test_deploy_page(project: RunbookProject, provider: Mapping[str, str], tmp_path: Path) -> None:
    """After removing everything, the page's steps lead to the same result."""
    project.run_scripts(["\n".join(PAGES[DEPLOY]["Remove everything"].blocks[:3])])
    project.forget("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "INCIDENTIO_API_KEY")
    *before, bootstrap, printed = _blocks(DEPLOY, "Make the place for the state")
    assert (bootstrap, printed.count("export ")) == ("make bootstrap STACK=dev\n", 2)
    steps = [
        *(*before, BOOTSTRAP),
        *_blocks(DEPLOY, "Set the secrets and settings", "Deploy in dry run"),
    ]
    key = provider["INCIDENTIO_API_KEY"]
    _deploy(project, steps, provider, f"{PASSPHRASE}\n{key}")
    assert JANE in _whom_it_would_let_in(project, *_blocks(DEPLOY, "See whom it would let in"))
    output = project.run_scripts(_blocks(DEPLOY, "Connect the caller"))
    assert project.outputs()["webhook_url"] in output
    (check,) = _blocks(DEPLOY, "Confirm that it works")
    assert TOKEN_IS_RIGHT in project.run_script_while_served(check, tmp_path / "log")
