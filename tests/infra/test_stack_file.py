"""The stack's config is read as the Pulumi CLI reads it (compared with CLI 3.200)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import SetupError
from infra.stack_file import read_stack_config

PROJECT = """
name: shop
config:
  SIZE: {type: string, default: "6"}
  EMPTY: {type: string, default: ""}
  REQUIRED: {type: string}
  aws:region: us-east-1
  other:key: {value: 12}
"""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"3"', "3"),
        ("3", "3"),
        ("-3", "-3"),
        ("1.5", "1.5"),
        ("1.50", "1.5"),
        ("6.0", "6"),
        ("12345678901234567890", "12345678901234567890"),
        ("true", "true"),
        ("TRUE", "true"),
        ('"true"', "true"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2026-01-01T", "2026-01-01T"),
        ('""', ""),
        ("", ""),
        ("~", ""),
        ("DBA, API", "DBA, API"),
        ('[1, "a", {x: true}]', '[1,"a",{"x":true}]'),
        ("{b: 1, a: 1.50}", '{"a":1.5,"b":1}'),
        ("{}", "{}"),
        ("[é]", '["é"]'),
    ],
)
def test_value_becomes_the_clis_string(tmp_path: Path, written: str, read: str) -> None:
    """Whatever YAML holds, the program sees a string."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n", encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  shop:K: {written}\n", encoding="utf-8")
    assert read_stack_config(tmp_path, "dev") == ({"shop:K": read}, frozenset())


def test_stack_file_goes_over_the_projects_defaults(tmp_path: Path) -> None:
    """Keys without a namespace are the project's; one without a default or a value is not there."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  SIZE: 7\n  aws:region: eu-west-1\n  shop:MORE: x\n", encoding="utf-8"
    )
    assert read_stack_config(tmp_path, "dev")[0] == {
        "shop:SIZE": "7",
        "shop:EMPTY": "",
        "shop:MORE": "x",
        "aws:region": "eu-west-1",
        "other:key": "12",
    }


@pytest.mark.parametrize("content", [None, "", "config:\n", "encryptionsalt: v1:abc\n"])
def test_stack_without_settings_has_the_defaults(tmp_path: Path, content: str | None) -> None:
    """A new stack, whose file is not there or holds no config, has those of the project."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    if content is not None:
        (tmp_path / "Pulumi.new.yaml").write_text(content, encoding="utf-8")
    config, secret_keys = read_stack_config(tmp_path, "new")
    assert config["shop:SIZE"] == "6"
    assert config["aws:region"] == "us-east-1"
    assert secret_keys == frozenset()


def test_encrypted_values_are_left_out_and_their_keys_told(tmp_path: Path) -> None:
    """The sandbox has secrets of its own, and cannot read these."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  shop:TOKEN:\n    secure: v1:abc:def\n  shop:LIKE: {secure: x, other: y}\n",
        encoding="utf-8",
    )
    config, secret_keys = read_stack_config(tmp_path, "dev")
    assert secret_keys == {"shop:TOKEN"}
    assert "shop:TOKEN" not in config
    assert config["shop:LIKE"] == '{"other":"y","secure":"x"}'


@pytest.mark.parametrize(
    "value", ["[{secure: v1:abc}]", "{a: {secure: v1:abc}}", "{a: [1, {secure: v1:abc}]}"]
)
def test_value_with_something_encrypted_in_it(tmp_path: Path, value: str) -> None:
    """`--path --secret` encrypts a part, and the CLI takes the whole for a secret."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  SIZE: {value}\n", encoding="utf-8")
    config, secret_keys = read_stack_config(tmp_path, "dev")
    assert "shop:SIZE" not in config
    assert secret_keys == {"shop:SIZE"}


@pytest.mark.parametrize("text", ["[", "a: b: c", "\x00", "[" * 400])
def test_file_that_is_not_yaml(tmp_path: Path, text: str) -> None:
    """It is named, without what it holds."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config: {text}\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"^Pulumi\.dev\.yaml can't be read"):
        read_stack_config(tmp_path, "dev")


def test_value_that_holds_itself(tmp_path: Path) -> None:
    """YAML can say so."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  SIZE: &a [*a]\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"^shop:SIZE is a list or a map that contains itself"):
        read_stack_config(tmp_path, "dev")


def test_our_own_dev_stack_names_a_region() -> None:
    """The project's own files are read the same way."""
    config, _ = read_stack_config(Path(__file__).resolve().parents[2], "dev")
    assert config["aws:region"]
    assert config["oncall-approvals:LOG_RETENTION_DAYS"]
