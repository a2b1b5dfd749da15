"""`make demo` as a process, in an environment with misleading settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox import env_file
from sandbox.demo_requests import DEMO_REQUESTS
from tests.support.documents import README
from tests.support.projects import broken_home_in, project_with_code_in

PATIENCE = 240
LEFT_OUT = "    ..."  # stands for lines that the README leaves out
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


def test_demo_prints_what_the_readme_shows_on_any_machine(tmp_path: Path) -> None:
    """The demo prints the README's lines, in order, in this environment.

    All of these settings are in the environment at once. The request from code succeeds, no secret
    is printed, and no file is left. The README has no line with a time: those wrap differently if
    a shift ends on another day.
    """
    home, folder, temporary = broken_home_in(tmp_path), tmp_path / "project", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    project_with_code_in(folder)
    everything = {name: value for machine in MACHINES.values() for name, value in machine.items()}
    demo = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(temporary),
            **{name: value.format(home=home) for name, value in everything.items()},
        },
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert (demo.returncode, demo.stderr) == (0, "")
    (block,) = re.findall(
        r"```console\n\$ make demo\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    printed = iter(demo.stdout.splitlines())
    shown = [line for line in block.splitlines() if line != LEFT_OUT]
    assert [line for line in shown if line not in printed] == []
    count = len(DEMO_REQUESTS) + 1
    assert demo.stdout.endswith(
        f"\nAll {count} answers match the settings: 10 approved, 5 left to humans, 2 refused.\n"
    )
    assert "\nSigned notices arrived for 10 of 10 approvals.\n" in demo.stdout
    assert "note:" not in demo.stdout
    assert max(map(len, demo.stdout.splitlines())) <= 80
    assert "Granted\n  The password of user 123 is reset.\n" in demo.stdout
    # Prefixes of the sandbox's two secrets and the space's tokens.
    for secret in ("wks0", "inc-", "eyJ"):
        assert secret not in demo.stdout
    assert list(temporary.iterdir()) == []
    assert not (folder / env_file.FILE).exists()
