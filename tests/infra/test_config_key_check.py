"""Keys that nothing reads, of any namespace: which setting is meant by them."""

from __future__ import annotations

import re

import pulumi_aws
import pytest

from handler.settings import SECRET_KEYS
from infra.config_key_check import AWS_KEYS, SYNONYMS, wrong_keys
from infra.region import REGION
from infra.settings import KEYS
from infra.stack_file import REDIRECTING_KEYS
from sandbox.local_aws.program import PROJECT

HUMP = re.compile("_([a-z0-9])")


def sentence(key: str, value: str) -> str:
    """Say what is wrong with a key, which is the project's if it has no namespace."""
    whole = key if ":" in key else f"{PROJECT}:{key}"
    (error,) = wrong_keys({whole: value}, lambda _: False, PROJECT, "dev")
    return f"{error}; {error.remedy}"


def test_keys_of_the_provider_are_known() -> None:
    """Those of the version that deploys; and each that leads elsewhere is refused as such."""
    names = {each for each in dir(type(pulumi_aws.config)) if not each.startswith("_")}
    of_sdk = {HUMP.sub(lambda result: result[1].upper(), each) for each in names}
    assert of_sdk <= AWS_KEYS
    assert {each.removeprefix("aws:") for each in REDIRECTING_KEYS} <= AWS_KEYS


def test_what_is_meant_is_a_setting() -> None:
    """And what means one is none itself."""
    assert {*SYNONYMS.values()} <= {*KEYS, REGION}
    assert not {*SYNONYMS} & {*KEYS}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("PAGERDUTY_SCHEDULES", "AUTO_APPROVAL_SCHEDULES"),
        ("AUTO_APPROVAL_OPSGENIE_SCHEDULES", "AUTO_APPROVAL_SCHEDULES"),
        ("schedules", "AUTO_APPROVAL_SCHEDULES"),
        ("autoApprovalDuration", "AUTO_APPROVAL_DURATION"),
        ("auto-approval-duration", "AUTO_APPROVAL_DURATION"),
        ("AUTO_APPROVAL_DURATON", "AUTO_APPROVAL_DURATION"),
        ("DURATION", "AUTO_APPROVAL_DURATION"),
        ("INCIDENTIO_ROLES", "AUTO_APPROVAL_INCIDENTIO_ROLES"),
        ("PAGERDUTY_API_KEY", "PAGERDUTY_KEY"),
        ("PAGERDUTY_TOKEN", "PAGERDUTY_KEY"),
        ("INCIDENTIO_KEY", "INCIDENTIO_API_KEY"),
        ("OPSGENIE_API_KEY", "OPSGENIE_KEY"),
        ("JSM_TOKEN", "JSM_API_TOKEN"),
        ("OPSGENIE_URL", "OPSGENIE_BASE_URL"),
        ("WEBHOOK_SECRET", "INDENT_WEBHOOK_SECRET"),
        ("MEMORY", "MEMORY_MB"),
        ("GITHUB_REPOSITORY", "DEPLOY_REPOSITORY"),
        ("ALERT_EMAIL", "ALARM_EMAIL"),
        ("AWS_REGION", REGION),
        ("region", REGION),
        ("aws:regoin", REGION),
        ("aws:Region", REGION),
        ("AWS:region", REGION),
        ("aws:config:regoin", REGION),
        ("aws:MEMORY_MB", "MEMORY_MB"),
        ("oncall-approval:MEMORY_MB", "MEMORY_MB"),
        ("oncall_approvals:MEMORY", "MEMORY_MB"),
        ("approvals:MEMORY_MB", "MEMORY_MB"),
    ],
)
def test_key_that_means_another(key: str, meant: str) -> None:
    """The two commands that mend it; the value, which may be a secret, is not said."""
    output = sentence(key, "hunter2")
    option = "--secret " if meant in SECRET_KEYS else ""
    assert re.match(rf"{key} is not a setting of [a-z -]+; did you mean {meant}\?; ", output)
    assert output.endswith(
        f"; run `pulumi config rm {key} --stack dev`, "
        f"then `pulumi config set {option}{meant} --stack dev`"
    )


def test_region_of_our_own_is_moved() -> None:
    """Where it is one, the command is whole."""
    assert "then `pulumi config set aws:region eu-west-1 --st" in sentence("region", "eu-west-1")


@pytest.mark.parametrize("key", ["pulumi:tags", "policy-pack:strict", "gcp:region", "acme:colour"])
def test_keys_of_others_are_left_alone(key: str) -> None:
    """They may be of whatever runs beside us."""
    assert [*wrong_keys({key: "x"}, lambda _: False, PROJECT, "dev")] == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("colour", "colour is not a setting of oncall-approvals; run `pulumi config rm colour"),
        ("aws:colour", "aws:colour is not a setting of the aws provider; run `pulumi config rm"),
        ("profile", "run `pulumi config rm profile --stack dev`, and export AWS_PROFILE instead"),
    ],
)
def test_key_that_means_nothing(key: str, expected: str) -> None:
    """It is to be taken out."""
    assert expected in sentence(key, "x")
