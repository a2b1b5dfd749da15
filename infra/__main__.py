"""The Pulumi program: reads the stack's config and wires the components."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pulumi

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # The CLI puts infra/ there, not the project's root.

from handler.providers.registry import BY_ID
from infra.approval_webhook import ApprovalWebhook, ApprovalWebhookArgs
from infra.archive import handler_archive
from infra.config import read_config
from infra.deploy_role import DeployRole, DeployRoleArgs
from infra.handler_secret import HandlerSecret, HandlerSecretArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.program_exit import exit_on_refusal
from infra.state_bucket import StateBucket, StateBucketArgs, prove_adoptable
from infra.state_key import StateKey, StateKeyArgs, key_arn_of

# The folder of Pulumi.yaml: ROOT on disk, but any folder in the sandbox.
project = Path(pulumi.get_root_directory() or ROOT)
tags = {"project": pulumi.get_project(), "stack": pulumi.get_stack()}
with exit_on_refusal():
    config = read_config(project, os.environ)
    for warning in config.warnings:
        pulumi.log.warn(warning)
    if config.state_bucket and config.state_bucket_managed:
        prove_adoptable(config.state_bucket, tags)

state_bucket: pulumi.Input[str] = config.state_bucket or ""
if config.state_bucket_managed is not False:
    adopted = bool(config.state_bucket_managed)
    bucket = StateBucketArgs(bucket=config.state_bucket, tags=tags, adopted=adopted)
    state_bucket = StateBucket("state", bucket).bucket
key_arn: pulumi.Output[str] | None = None
if config.state_key_alias and config.state_key_managed is not False:
    key = config.state_key_id if config.state_key_managed else None
    key_arn = StateKey(
        "state-key", StateKeyArgs(alias=config.state_key_alias, tags=tags, adopted=key)
    ).arn
secret = HandlerSecret("handler-secret", HandlerSecretArgs(values=config.secrets, tags=tags))
webhook = ApprovalWebhook(
    "approval-webhook",
    ApprovalWebhookArgs(
        code=handler_archive(ROOT, config.policy),
        settings=config.function_settings,
        secret=secret,
        callers=config.callers,
        memory_mb=config.memory_mb,
        reserved_concurrency=config.reserved_concurrency,
        throttling=config.throttling,
        log_retention_days=config.log_retention_days,
        bounded=config.deploy_repository is not None,
        tags=tags,
    ),
)
monitoring = Monitoring(
    "monitoring",
    MonitoringArgs(
        function_name=webhook.function_name,
        log_group=webhook.log_group,
        http_api=webhook.http_api,
        providers=[BY_ID[id_] for id_ in config.providers],
        notices=config.notices,
        alarm_email=config.alarm_email,
        ready_for_all=config.deploy_repository is not None,
        tags=tags,
    ),
)

pulumi.export("webhook_url", webhook.url)
pulumi.export("state_bucket", state_bucket)
pulumi.export("function_name", webhook.function_name)
pulumi.export("log_group", webhook.log_group)
pulumi.export("secret_arn", secret.arn)
if webhook.http_api:
    pulumi.export("access_log", webhook.http_api.access_log)
if config.deploy_repository:
    if config.state_key_id and key_arn is None:
        key_arn = key_arn_of(config.state_key_id, monitoring.alarm_arns[0])
    role = DeployRole(
        "deploy-role",
        DeployRoleArgs(
            repository=config.deploy_repository,
            state_bucket=state_bucket,
            state_key_arn=key_arn,
            secret=secret,
            webhook=webhook,
            monitoring=monitoring,
            tags=tags,
        ),
    )
    pulumi.export("deploy_role_arn", role.arn)
    pulumi.export("preview_role_arn", role.preview_arn)
