"""Reports of wrong settings: one sentence, or a heading and a line each, with the remedy."""

from __future__ import annotations

import pytest

from handler.setting_parsers import SettingsError, WrongSettingsError
from policy.remedies import ConfigError, config_set, in_file, in_stack, report

AGE, DRY = "WEBHOOK_MAX_AGE", "AUTO_APPROVAL_DRY_RUN"


@pytest.mark.parametrize(
    ("error", "stack", "file"),
    [
        (
            SettingsError(AGE, "is '0'", "300"),
            f"for example, run `pulumi config set {AGE} 300 --stack dev`",
            f"for example, write `shop:{AGE}: 300` under `config:` in Pulumi.dev.yaml",
        ),
        (
            SettingsError(AGE, "is \"'5'\"", fixes={AGE: "5"}),
            f"run `pulumi config set {AGE} 5 --stack dev`",
            f"write `shop:{AGE}: 5` under `config:` in Pulumi.dev.yaml",
        ),
        (
            SettingsError(AGE, "is set beside", fixes={AGE: None, DRY: None}),
            f"run `pulumi config rm {AGE} --stack dev` or `pulumi config rm {DRY} --stack dev`",
            f"remove {AGE} or remove {DRY} in Pulumi.dev.yaml",
        ),
        (
            SettingsError("PAGERDUTY_KEY", "is not set"),
            "run `pulumi config set --secret PAGERDUTY_KEY --stack dev`",
            "change PAGERDUTY_KEY in Pulumi.dev.yaml",
        ),
        (
            SettingsError("aws:region", "is not set", "eu-west-1"),
            "for example, run `pulumi config set aws:region eu-west-1 --stack dev`",
            "for example, write `aws:region: eu-west-1` under `config:` in Pulumi.dev.yaml",
        ),
    ],
)
def test_remedy(error: SettingsError, stack: str, file: str) -> None:
    """The remedy is a command, or without a stack a line in its file."""
    assert in_stack(error, "dev") == stack
    assert in_file(error, "dev", "shop") == file


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("-5", "`pulumi config set --stack dev -- KEY -5`"),
        ("it's", """`pulumi config set KEY 'it'"'"'s' --stack dev`"""),
        ("$(touch x)", "`pulumi config set KEY '$(touch x)' --stack dev`"),
    ],
)
def test_command_can_be_pasted(value: str, command: str) -> None:
    """The command quotes the value for the shell, and the CLI doesn't read it as an option."""
    assert config_set("KEY", "dev", value) == command


def test_report() -> None:
    """One problem is a sentence; several are lines under a heading, without duplicates."""
    one = ConfigError("A", "is 'x\ny'", "mend it")
    assert report("Pulumi.dev.yaml", one, str) == r"A is 'x\ny'; mend it"
    asking = ConfigError("B", "is '3h30'; did you mean 3h30m?", "run `it`")
    several = WrongSettingsError([one, asking, one])
    assert report("Pulumi.dev.yaml", several, str).splitlines() == [
        "Pulumi.dev.yaml has 2 problems:",
        r"- A is 'x\ny'; mend it",
        "- B is '3h30'; did you mean 3h30m? Run `it`",
    ]
