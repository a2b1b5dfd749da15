"""The real program, deployed to the local AWS with a test's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infra.stack_file import read_stack_config
from sandbox.local_aws.deployment import Deployment, deploy
from sandbox.local_aws.program import PROJECT

if TYPE_CHECKING:
    from sandbox.local_aws.moto_server import Aws

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-north-1"
SECRETS = {
    "INDENT_WEBHOOK_SECRET": "webhook-secret-of-the-tests",
    "INCIDENTIO_API_KEY": "incidentio-key-of-the-tests",
}


def deployed(aws: Aws, stack: str = "test", **settings: str) -> Deployment:
    """Deploy a stack with these settings, and otherwise the defaults of Pulumi.yaml."""
    config, _ = read_stack_config(ROOT, "without-a-file")
    config["aws:region"] = aws.region
    config |= {f"{PROJECT}:{key}": value for key, value in (settings | SECRETS).items()}
    return deploy(aws, config, {f"{PROJECT}:{key}" for key in SECRETS}, stack)
