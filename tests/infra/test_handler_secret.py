"""The secret, and that nothing secret is anywhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.config import StackConfig
from infra.handler_secret import HandlerSecretArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.program import Registration
    from tests.infra.program import Program

SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
ENVELOPE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
ALL_SECRETS = {
    "INDENT_WEBHOOK_SECRET": "webhook-secret-of-the-tests",
    "INDENT_WEBHOOK_SECRET_PREVIOUS": "previous-secret-of-the-tests",
    "INCIDENTIO_API_KEY": "incidentio-key-of-the-tests",
}


def test_secret_is_autonamed_and_can_be_recovered_for_a_week(
    registered: Mapping[str, Registration],
) -> None:
    """No name is given, so that a deleted secret does not block the next deployment."""
    assert registered[SECRET].inputs == {
        "description": "Signing secret and provider keys of the approval webhook.",
        "recoveryWindowInDays": 7,
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


@pytest.mark.parametrize(
    ("secrets", "stored"),
    [
        (
            {"INDENT_WEBHOOK_SECRET": "w" * 16, "INCIDENTIO_API_KEY": "k"},
            '{"INCIDENTIO_API_KEY": "k", "INDENT_WEBHOOK_SECRET": "wwwwwwwwwwwwwwww"}',
        ),
        (
            {
                "INDENT_WEBHOOK_SECRET": "w" * 16,
                "INCIDENTIO_API_KEY": "k",
                "INDENT_WEBHOOK_SECRET_PREVIOUS": "",
            },
            '{"INCIDENTIO_API_KEY": "k", "INDENT_WEBHOOK_SECRET": "wwwwwwwwwwwwwwww"}',
        ),
        (ALL_SECRETS, json.dumps(ALL_SECRETS, sort_keys=True)),
    ],
    ids=["required ones", "an empty one is left out", "all"],
)
def test_value_is_one_json_object_of_the_set_keys_marked_secret(
    program: Program, secrets: dict[str, str], stored: str
) -> None:
    """The value arrives in Pulumi's secret envelope, with sorted keys, and only those set."""
    (version,) = (
        made for made in program.run(secrets=secrets).registrations if made.type == VERSION
    )
    assert version.inputs == {
        "secretId": "handler-secret-id",
        "secretString": {**ENVELOPE, "value": stored},
    }


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_no_secret_value_is_anywhere_else(program: Program, preview: bool) -> None:  # noqa: FBT001
    """No input but the enveloped one, no output and no note holds a secret value."""
    run = program.run(secrets=ALL_SECRETS, preview=preview)
    everything: list[Any] = [dict(run.outputs), dict(run.component_outputs), run.notes]
    for resource in run.registrations:
        inputs = dict(resource.inputs)
        if resource.type == VERSION:
            envelope = inputs.pop("secretString")
            assert envelope.keys() == {*ENVELOPE, "value"}
        everything.append(inputs)
    text = json.dumps(everything, default=lambda archive: vars(archive.assets["handler/app.py"]))
    assert "handler-secret-id" in text
    for value in ALL_SECRETS.values():
        assert value not in text


def test_config_and_arguments_hide_the_values() -> None:
    """The values are in no repr, so no traceback or log line can hold them."""
    config = StackConfig(
        function_settings={},
        secrets=ALL_SECRETS,
        state_bucket=None,
        log_retention_days=1,
        memory_mb=128,
        reserved_concurrency=None,
        alarm_email=None,
        callers=(),
        providers=(),
    )
    args = HandlerSecretArgs(values=ALL_SECRETS, tags={})
    assert "of-the-tests" not in f"{config!r} {args!r}"
    assert "INCIDENTIO_API_KEY" in repr(args)
