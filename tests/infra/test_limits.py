"""What AWS would refuse in the middle of an update: names, texts and sizes at their limits."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from handler.providers.registry import PROVIDERS
from infra.config import MOST_ENVIRONMENT_BYTES, MOST_SECRET_BYTES
from tests.infra.program import NARROWED, SECRETS, Program, environment_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.local_aws.program import ProgramRun
    from tests.infra.program import Program

# Pulumi's longest, with all that it allows.
STACK = f"Prod_EU.x-{'s' * 90}"
ALL = {
    "STATE_BUCKET": "b" * 63,
    "ALARM_EMAIL": f"{'l' * 64}@{'d' * 60}.example.com",
    "KMS_KEY_ALIAS": "k" * 250,
    "DEPLOY_REPOSITORY": f"{'o' * 39}@{'1' * 19}/{'r' * 100}@{'2' * 19}",
    "JSM_SITE": "acme",
    "JSM_EMAIL": "bot@acme.example",
}
KEYS = {**SECRETS, **{each.key: f"key-of-{each.id}" for each in PROVIDERS}}
# By type and input: how long AWS lets it be, and of what (each service's API reference).
LIMITS = {
    ("Bucket", "bucket"): (63, r"[a-z0-9.-]+"),
    ("Alias", "name"): (256, r"alias/[a-zA-Z0-9/_-]+"),
    ("MetricAlarm", "name"): (255, r"[ -~]+"),
    ("MetricAlarm", "alarmDescription"): (1024, r"[ -~]+"),
    ("MetricAlarm", "namespace"): (255, r"[A-Za-z0-9.\-_/#:]+"),
    ("Dashboard", "dashboardName"): (255, r"[A-Za-z0-9_-]+"),
    ("Topic", "displayName"): (100, r"[ -~]+"),
    ("TopicSubscription", "endpoint"): (320, r"[ -~]+"),
    ("Role", "description"): (1000, r"[\t\n\r -~¡-ÿ]+"),
    ("Role", "assumeRolePolicy"): (2048, r"[\s!-~]+"),
    ("Policy", "description"): (1000, r"[ -~]+"),
    ("Policy", "policy"): (6144, r"[\s!-~]+"),
    # Less what the ARNs of an AWS are longer than those of the tests.
    ("RolePolicy", "policy"): (10240 - 1000, r"[\s!-~]+"),
    ("Function", "description"): (256, r"[ -~]+"),
    ("Secret", "description"): (2048, r"[ -~]+"),
    ("Key", "description"): (8192, r"[ -~]+"),
    ("Key", "policy"): (32768, r"[\s!-~]+"),
    ("TopicPolicy", "policy"): (30720, r"[\s!-~]+"),
}
TAG = re.compile(r"[A-Za-z0-9 _.:/=+@-]*")


@pytest.fixture(scope="module")
def longest() -> ProgramRun:
    """Run the program with every resource and the longest names."""
    return Program().run(ALL, KEYS, stack=STACK)


def inputs(run: ProgramRun) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each resource of AWS: its type's last word, and its inputs."""
    for each in run.registrations:
        if each.type.startswith("aws:"):
            yield each.type.rpartition(":")[2], dict(each.inputs)


def test_longest_names_are_within_the_limits(longest: ProgramRun) -> None:
    """Each text that the program passes to AWS."""
    seen = set()
    for kind, given in inputs(longest):
        for name, value in given.items():
            if (kind, name) in LIMITS and isinstance(value, str):
                most, allowed = LIMITS[kind, name]
                # IAM counts no white space.
                text = (
                    json.dumps(json.loads(value), separators=(",", ":"))
                    if "olicy" in name
                    else value
                )
                assert len(text) <= most, (kind, name, len(text))
                assert re.fullmatch(allowed, value), (kind, name, value)
                seen.add((kind, name))
    assert seen == LIMITS.keys()


def test_tags_are_within_the_limits(longest: ProgramRun) -> None:
    """Those of every service: at most 50, of 128 and 256 characters, without the prefix `aws:`."""
    tagged = [given["tags"] for _, given in inputs(longest) if "tags" in given]
    assert tagged
    for tags in tagged:
        assert len(tags) <= 50
        for key, value in tags.items():
            assert 1 <= len(key) <= 128
            assert len(value) <= 256
            assert TAG.fullmatch(key + value)
            assert not key.lower().startswith("aws:")


def test_names_that_are_not_given_are_pulumis(longest: ProgramRun) -> None:
    """It cuts those to what the service takes; they begin with a logical name, which is short."""
    given = {kind for kind, each in inputs(longest) if "name" in each or "bucket" in each}
    assert given <= {
        *("Bucket", "Alias", "MetricAlarm", "LogMetricFilter"),
        *(kind for kind, _ in inputs(longest) if kind.startswith("Bucket")),
    }
    assert max(len(each.name) for each in longest.registrations) <= 45


def of_bytes(size: int, **others: str) -> str:
    """Make a list of schedules with which the settings take so many bytes, as JSON."""
    empty = json.dumps({**others, "AUTO_APPROVAL_SCHEDULES": ""}, separators=(",", ":"))
    return "x" * (size - len(empty))


def test_environment_of_a_function(program: Program) -> None:
    """All settings together just fit, or the error names the longest one."""
    ours = {key: value for key, value in environment_of(program.run()).items() if "_" in key}
    ours = {key: ours[key] for key in ours if not key.startswith(("HANDLER_", "MALLOC_"))}
    fits = of_bytes(MOST_ENVIRONMENT_BYTES, **ours)
    run = program.run({"AUTO_APPROVAL_SCHEDULES": fits})
    secret = "secret:handler-secret-0123456-AbCdEf"
    arn = f"arn:aws-us-gov:secretsmanager:ap-southeast-1:123456789012:{secret}"
    real = {"HANDLER_SECRET_ARN": arn, "HANDLER_SECRET_VERSION": f"terraform-{'0' * 36}"}
    assert len(json.dumps({**environment_of(run), **real})) <= 4096
    with pytest.raises(pulumi.RunError, match=r"^AUTO_APPROVAL_SCHEDULES has"):
        program.run({"AUTO_APPROVAL_SCHEDULES": f"{fits}x"})


def test_environment_is_measured_in_bytes(program: Program) -> None:
    """A letter may take several."""
    with pytest.raises(pulumi.RunError, match=r"^AUTO_APPROVAL_SCHEDULES has"):
        program.run({"AUTO_APPROVAL_SCHEDULES": "ü" * (MOST_ENVIRONMENT_BYTES // 2)})


def test_size_of_the_secret(program: Program) -> None:
    """All secrets together just fit, or the error names the longest one and quotes none."""
    empty = len(json.dumps({**SECRETS, "PAGERDUTY_KEY": ""}))
    most = "k" * (MOST_SECRET_BYTES - empty)
    program.run(secrets={**SECRETS, "PAGERDUTY_KEY": most})
    with pytest.raises(pulumi.RunError) as refused:
        program.run(secrets={**SECRETS, "PAGERDUTY_KEY": f"{most}k"})
    assert str(refused.value).startswith("PAGERDUTY_KEY has ")
    assert "kk" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "noted"), [("0", False), ("900", False), ("901", True), ("1000", True)]
)
def test_concurrency_that_an_account_may_not_have(value: str, *, noted: bool) -> None:
    """AWS keeps 100 unreserved, of 1000 in a usual account and of 10 in some new ones."""
    notes = read({"RESERVED_CONCURRENCY": value, **NARROWED}).warnings
    assert [note.partition(":")[0] for note in notes] == [
        f"RESERVED_CONCURRENCY is {value}"
    ] * noted
