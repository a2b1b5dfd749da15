"""The secret that the function reads when it starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import secretsmanager

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSecretArgs:
    """The contents of the secret.

    Attributes:
        values: the secret settings that are set, in plain text.
        tags: of the secret.
    """

    values: Mapping[str, str]
    tags: Mapping[str, str]

    def __repr__(self) -> str:
        """Hide the values when the arguments are printed."""
        return f"HandlerSecretArgs(keys={sorted(self.values)})"


class HandlerSecret(pulumi.ComponentResource):
    """A Secrets Manager secret with a JSON object of the secret settings.

    Pulumi chooses its name: a deleted secret keeps its name for 7 days, in which it can be
    recovered, so a fixed name would block the next deployment that long.

    Attributes:
        arn: of the secret, the same for all versions.
        version_id: of the current version, so that a changed value changes the function.
    """

    arn: pulumi.Output[str]
    version_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: HandlerSecretArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:HandlerSecret", name, None, opts)
        secret = secretsmanager.Secret(
            name,
            description="Signing secret and provider keys of the approval webhook.",
            recovery_window_in_days=7,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        version = secretsmanager.SecretVersion(
            f"{name}-version",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(json.dumps(dict(args.values), sort_keys=True)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = secret.arn
        self.version_id = version.version_id
        self.register_outputs({"arn": self.arn, "version_id": self.version_id})
