"""The sandbox on a machine whose settings are another's: none of them gets in, as real children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.program import ROOT
from tests.projects import project_in, project_with_code_in

PATIENCE = 120
REGION = "eu-central-1"
# Deploys, asks once as somebody on duty, and says what came and where.
ASKS_ONCE = """
from pathlib import Path
from policy.calling import request_event, send
from sandbox.cast import JANE, put_all_on_stage
from sandbox.running import Sandbox

with Sandbox(Path()) as sandbox:
    put_all_on_stage(sandbox.doubles)
    event = request_event(JANE, ["prod-db"])
    answer = send(sandbox.url, sandbox.webhook_secret, {"events": [event]})
    print(len(answer.claims), sandbox.deployment.function.config.arn.split(":")[3])
    print(sandbox.aws.client("s3").meta.region_name)
"""
NO_WAY_OUT = "http://127.0.0.1:9"
MACHINES: Mapping[str, Mapping[str, str]] = {
    "a profile that is not there": {"AWS_PROFILE": "company-sso", "AWS_DEFAULT_PROFILE": "x"},
    "files named": {
        "AWS_CONFIG_FILE": "{home}/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": "{home}/.aws/config",
        "BOTO_CONFIG": "{home}/.aws/config",
        "AWS_DATA_PATH": "{home}",
        "AWS_PROFILE": "default",
    },
    "another account": {
        "AWS_REGION": "us-gov-west-1",
        "AWS_DEFAULT_REGION": "nowhere",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/none",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": NO_WAY_OUT,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": NO_WAY_OUT,
    },
    "another AWS": {
        "AWS_ENDPOINT_URL": NO_WAY_OUT,
        "AWS_ENDPOINT_URL_S3": NO_WAY_OUT,
        "AWS_ENDPOINT_URL_LAMBDA": NO_WAY_OUT,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "no truth",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_S3_USE_ARN_REGION": "no truth",
        "AWS_STS_REGIONAL_ENDPOINTS": "no truth",
    },
    "another way to ask": {
        "AWS_MAX_ATTEMPTS": "none",
        "AWS_RETRY_MODE": "none",
        "AWS_DEFAULTS_MODE": "none",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "never",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "never",
        "AWS_CA_BUNDLE": "/none",
        "REQUESTS_CA_BUNDLE": " ",
        "CURL_CA_BUNDLE": "/none",
        "AWS_CSM_ENABLED": "true",
        "AWS_CSM_PORT": "none",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "no truth",
        "AWS_AUTH_SCHEME_PREFERENCE": "none",
        "HTTP_PROXY": NO_WAY_OUT,
        "http_proxy": NO_WAY_OUT,
        "HTTPS_PROXY": NO_WAY_OUT,
        "ALL_PROXY": NO_WAY_OUT,
    },
    "another place": {"LC_ALL": "C", "TZ": "No/Where", "PYTHONWARNINGS": "error"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose AWS files cannot be read."""
    folder = tmp_path / "home" / ".aws"
    folder.mkdir(parents=True)
    for name in ("config", "credentials"):
        (folder / name).write_text("[profile\nregion\n", encoding="utf-8")
    (folder / "models").mkdir()
    (folder / "models" / "endpoints.json").write_text("{", encoding="utf-8")
    return folder.parent


def child(folder: Path, variables: Mapping[str, str], home: Path, *arguments: str) -> str:
    """What a child of these variables prints, which has to end well and warn of nothing."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            **{name: value.format(home=home) for name, value in variables.items()},
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_broken_files_of_the_home_change_nothing(tmp_path: Path, home: Path) -> None:
    """The stack is deployed to its own region, and somebody on duty is approved."""
    project_in(tmp_path, region=REGION)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{ASKS_ONCE}"
    said = child(tmp_path, {"HOME": "{home}"}, home, "-c", code)
    assert said.split() == ["1", REGION, REGION]


def test_no_setting_of_the_machine_changes_the_demo(tmp_path: Path, home: Path) -> None:
    """The command itself, with the example's request from code in it, under everything at once."""
    folder = tmp_path / "project"
    folder.mkdir()
    project_with_code_in(folder)
    everything = {name: value for each in MACHINES.values() for name, value in each.items()}
    said = child(folder, everything, home, "-m", "sandbox", "demo")
    assert said.endswith(
        "14 of 14 came out as the stack's settings say: 8 approved, 4 left to humans, 2 refused.\n"
    )
