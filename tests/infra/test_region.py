"""The stack's region: what can't be one, what may not be one, and what lacks function URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_aws
import pytest

from handler.setting_parsers import SettingsError
from infra.region import REGIONS, WITHOUT_FUNCTION_URLS, parse_region, region_of
from tests.infra.program import NARROWED, SECRETS, read

if TYPE_CHECKING:
    from tests.infra.program import Program


def test_regions_are_those_of_the_provider() -> None:
    """Each that is known to the version that deploys."""
    assert {each.value for each in pulumi_aws.Region} == REGIONS
    assert WITHOUT_FUNCTION_URLS < REGIONS


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("'eu-west-1'", "eu-west-1"),
        ('"eu-west-1"', "eu-west-1"),
        ("us west 2", "us-west-2"),
        ("US-EAST-1", "us-east-1"),
        ("eu_central_1", "eu-central-1"),
        ("eu-west-1a", "eu-west-1"),
        ("eu-west-1 ", "eu-west-1"),
        ("\u201cus-east-2\u201d", "us-east-2"),
    ],
)
def test_region_that_is_meant(value: str, meant: str) -> None:
    """What is certain is given as the command."""
    with pytest.raises(SettingsError) as refused:
        parse_region(value)
    assert str(refused.value) == f"aws:region is {value!r}, which isn't a region"
    assert refused.value.fixes == {"aws:region": meant}


@pytest.mark.parametrize(
    ("value", "example"),
    [("eu-west", "eu-west-1"), ("Ireland", "eu-west-1"), ("eu-west-", "eu-west-1")],
)
def test_region_that_cannot_be_one(value: str, example: str) -> None:
    """What is near is an example."""
    with pytest.raises(SettingsError) as refused:
        parse_region(value)
    assert (refused.value.example, dict(refused.value.fixes)) == (example, {})


def test_region_that_is_not_set() -> None:
    """Neither by the stack nor by the environment; a variable that is wrong is named."""
    with pytest.raises(SettingsError, match=r"^aws:region is not set$"):
        parse_region(*region_of({}, {}))
    with pytest.raises(SettingsError, match=r"is 'x' \(from AWS_REGION\), which isn't a region"):
        parse_region(*region_of({"aws:region": " "}, {"AWS_REGION": "x"}))
    both = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    assert region_of({"aws:region": "us-east-1"}, both)[0] == "us-east-1"
    assert region_of({}, both)[0] == "eu-west-1"


@pytest.mark.parametrize("value", ["", "'eu-west-1'", "us west 2"])
def test_wrong_region_is_one_sentence(
    program: Program, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is registered or asked."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(pulumi.RunError, match=r"^aws:region is [^\n]*--stack dev`$"):
        program.run({"aws:region": value})
    assert program.mocks.requests == []


def test_region_that_is_encrypted_is_not_quoted(program: Program) -> None:
    """Somebody meant it to be a secret."""
    with pytest.raises(pulumi.RunError) as refused:
        program.run({}, {**SECRETS, "aws:region": "hunter2"})
    assert str(refused.value) == (
        "aws:region is set with --secret but is not a secret; "
        "run `pulumi config set --plaintext aws:region --stack dev`"
    )


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("eu-west-1", ""),
        ("us-gov-west-1", ""),
        ("eu-west-9", "is 'eu-west-9', which isn't a region that this version knows; if"),
        ("xx-nowhere-1", "is 'xx-nowhere-1', which isn't a region that this version"),
        ("il-central-1", "is 'il-central-1', which had no Lambda function URLs when this"),
    ],
)
def test_region_that_is_doubtful(value: str, note: str) -> None:
    """A new one may be right, and function URLs come to more of them."""
    notes = read({"aws:region": value, **NARROWED}).warnings
    assert [each.partition(" ")[2][: len(note)] for each in notes] == ([note] if note else [])
