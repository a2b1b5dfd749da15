"""What the program says of a wrong config: one sentence, before it registers anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from handler.settings import PLAIN_KEYS, PROVIDER_KEYS, SECRET_KEYS
from infra.settings import PROGRAM_SETTINGS
from tests.infra.program import Program

PROGRAM_KEYS = [row.name for row in PROGRAM_SETTINGS]
GOOD = {"INDENT_WEBHOOK_SECRET": "webhook-secret-16", "INCIDENTIO_API_KEY": "key"}
DURATION = (
    "AUTO_APPROVAL_DURATION is {!r}: use hours (for example 3 or 1.5) or units (for example 90m or "
    "1h30m), above 0 and at most 168 hours; "
    "run `pulumi config set AUTO_APPROVAL_DURATION --stack dev`"
)
URL = (
    "INCIDENTIO_BASE_URL is {!r}: allowed is an https address, or http on loopback, without user, "
    "query or fragment; for example, run `pulumi config set INCIDENTIO_BASE_URL "
    "https://api.incident.io --stack dev`"
)
ALLOWED = "must be 3 to 63 lower-case letters, digits, dots and hyphens, by S3's naming rules"
BUCKET = (
    "STATE_BUCKET is {!r}: must be 3 to 63 lower-case letters, digits, dots and hyphens, by "
    "S3's naming rules; for example, run `pulumi config set STATE_BUCKET "
    "my-company-pulumi-state --stack dev`"
)
ALIAS = (
    "KMS_KEY_ALIAS is {!r}: must be up to 250 letters, digits, /, _ and -, without alias/ and "
    "not aws/ before them; for example, run `pulumi config set KMS_KEY_ALIAS oncall-state "
    "--stack dev`"
)
SWITCH = (
    "{0} is {1!r}: must be true or false; for example, run `pulumi config set {0} true --stack dev`"
)
WHOLE = (
    "{0} is {1!r}: must be a whole number from {2} to {3}; "
    "for example, run `pulumi config set {0} {4} --stack dev`"
)
RETENTION = (
    "LOG_RETENTION_DAYS is {!r}: must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, "
    "400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653; "
    "for example, run `pulumi config set LOG_RETENTION_DAYS 365 --stack dev`"
)
END_WITH_SHIFT = (
    "AUTO_APPROVAL_END_WITH_SHIFT is {!r}: must be true, false, or a grace in whole seconds with "
    "its unit (15m), at most 24h; for example, run `pulumi config set "
    "AUTO_APPROVAL_END_WITH_SHIFT 15m --stack dev`"
)
SWITCHES = (
    "AUTO_APPROVAL_DRY_RUN",
    "INCIDENTIO_APPROVE_PARTICIPANTS",
    "INCIDENTIO_APPROVE_SELF_DECLARED",
)
WRONG_VALUES = [
    *[
        ("AUTO_APPROVAL_DURATION", value, DURATION.format(value))
        for value in ("0", "-3", "169", "3 months", "six", "0.0001", "168h1s")
    ],
    *[
        (
            "AUTO_APPROVAL_DURATION",
            value,
            (
                f"AUTO_APPROVAL_DURATION is {value!r}; did you mean {near}? "
                f"Run `pulumi config set AUTO_APPROVAL_DURATION {near} --stack dev`"
            ),
        )
        for value, near in (("3h30", "3h30m"), ("1,5", "1h30m"), ("30m1h", "1h30m"))
    ],
    *[
        (key, value, f"{key} is {value!r}: names nothing between its commas; {mend}")
        for key in ("AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES")
        for value in (",", ", ,")
        for mend in (f"for example, run `pulumi config set {key} 'DBA, API' --stack dev`",)
    ],
    (
        "AUTO_APPROVAL_RESOURCE_LABELS",
        "Env",
        (
            "AUTO_APPROVAL_RESOURCE_LABELS holds 'Env': each entry must be a label and its value; "
            "for example, run `pulumi config set AUTO_APPROVAL_RESOURCE_LABELS 'Env=Prod, "
            "Team=DB' --stack dev`"
        ),
    ),
    (
        "AUTO_APPROVAL_RESOURCE_LABELS",
        "Env=a, Env=b",
        (
            "AUTO_APPROVAL_RESOURCE_LABELS asks two values of the label 'Env'; "
            "for example, run `pulumi config set AUTO_APPROVAL_RESOURCE_LABELS Env=Prod --stack "
            "dev`"
        ),
    ),
    *[(key, value, SWITCH.format(key, value)) for key in SWITCHES for value in ("yes", "1")],
    *[
        ("AUTO_APPROVAL_END_WITH_SHIFT", value, END_WITH_SHIFT.format(value))
        for value in ("yes", "0", "15", "-15m", "25h", "1d1h", "500ms", "24h0m1s")
    ],
    *[
        ("INCIDENTIO_BASE_URL", value, URL.format(value))
        for value in ("http://api.incident.io", "api.incident.io", "https://x?y")
    ],
    (
        "INCIDENTIO_BASE_URL",
        "https://u:p@x",
        URL.format("").replace("is ''", "holds an @"),  # what stands before it may be a password
    ),
    *[
        ("WEBHOOK_MAX_AGE", value, WHOLE.format("WEBHOOK_MAX_AGE", value, 1, 3600, 300))
        for value in ("0", "3601", "5m", "-1")
    ],
    *[
        ("MEMORY_MB", value, WHOLE.format("MEMORY_MB", value, 128, 10240, 512))
        for value in ("127", "10241", "512 MB", "1e3", "-512")
    ],
    *[
        (
            "RESERVED_CONCURRENCY",
            value,
            WHOLE.format("RESERVED_CONCURRENCY", value, 0, 1000, 10),
        )
        for value in ("-1", "1001", "none", "1.0")
    ],
    *[
        ("LOG_RETENTION_DAYS", value, RETENTION.format(value))
        for value in ("0", "10", "366", "a year", "-1")
    ],
    *[
        ("STATE_BUCKET", value, BUCKET.format(value))
        for value in ("ab", "a" * 64, "My-Bucket", "my_bucket", "-bucket", "bucket-", "a..b")
    ],
    *[
        ("KMS_KEY_ALIAS", value, ALIAS.format(value))
        for value in (
            "alias/oncall",
            "aws/s3",
            "aws",
            "/oncall",
            "on call",
            "a?region=x",
            "a" * 251,
        )
    ],
    *[("STATE_BUCKET", value, BUCKET.format(value)) for value in ("192.168.5.4", "s3://bucket")],
    *[
        (
            "STATE_BUCKET",
            value,
            BUCKET.format(value).replace(ALLOWED, f"S3 reserves names that {part}"),
        )
        for value, part in (
            ("xn--bucket", "begin with xn--"),
            ("bucket-s3alias", "end with -s3alias"),
            ("bucket-an", "end with -an"),
        )
    ],
]
EMAIL = (
    "ALARM_EMAIL is {!r}: must be one e-mail address; "
    "for example, run `pulumi config set ALARM_EMAIL oncall@example.com --stack dev`"
)
REPOSITORY = (
    "DEPLOY_REPOSITORY is {!r}: must be OWNER/REPO, or OWNER@OWNERID/REPO@REPOID where GitHub's "
    "tokens hold the ids, too; for example, run `pulumi config set DEPLOY_REPOSITORY "
    "acme/oncall-approvals --stack dev`"
)
WRONG_VALUES += [
    ("DEPLOY_REPOSITORY", value, REPOSITORY.format(value))
    for value in (
        *("acme", "acme/", "/oncall", "acme/oncall/x", "acme oncall", "acme/on call", "a\tb/c"),
        *("*/oncall", "acme/*", "acme/onc?ll", "acme/oncall:environment:prod", "acme:x/oncall"),
        *("https://github.com/acme/oncall", "github.com/acme/oncall", "repo:acme/oncall"),
        *("acme@1/oncall", "acme/oncall@1", "acme@/oncall@", "acme@a/oncall@b", "acme@01/oncall@1"),
        *("acme@1/oncall@0", "@1/@2", "acme/..", "acme/.", "acme@1/..@2", "-acme/oncall"),
        *("${aws:username}/oncall", "acme/oncall,acme/other", "ácme/oncall", "acme/oncall\nx"),
        *(f"{'a' * 40}/oncall", f"acme/{'a' * 101}", "acme/٣", "acme@٣/oncall@٣"),
    )
]
WRONG_VALUES += [
    ("ALARM_EMAIL", value, EMAIL.format(value))
    for value in ("oncall", "a@x.io, b@x.io", "a@b@x.io", "On call <a@x.io>", "a@localhost")
]
WRONG_KEYS: list[tuple[str, dict[str, str], dict[str, str], str]] = [
    (
        "lower case",
        {"auto_approval_duration": "3"},
        GOOD,
        (
            "auto_approval_duration is not a setting of oncall-approvals; the nearest is "
            "AUTO_APPROVAL_DURATION; run `pulumi config rm auto_approval_duration --stack dev`, "
            "then `pulumi config set AUTO_APPROVAL_DURATION --stack dev`"
        ),
    ),
    (
        "misspelt secret",
        {"INDENT_WEBHOK_SECRET": "misplaced-secret-16"},
        GOOD,
        (
            "INDENT_WEBHOK_SECRET is not a setting of oncall-approvals; the nearest is "
            "INDENT_WEBHOOK_SECRET; run `pulumi config rm INDENT_WEBHOK_SECRET --stack dev`, "
            "then `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "encrypted and misspelt",
        {},
        {**GOOD, "memory-mb": "512"},
        (
            "memory-mb is not a setting of oncall-approvals; the nearest is MEMORY_MB; "
            "run `pulumi config rm memory-mb --stack dev`, then `pulumi config set MEMORY_MB "
            "--stack dev`"
        ),
    ),
    (
        "nothing like it",
        {"the colour": "red"},
        GOOD,
        (
            "the colour is not a setting of oncall-approvals; run `pulumi config rm 'the colour' "
            "--stack dev`"
        ),
    ),
    *[
        (
            f"{key} in plain text",
            {key: "plain-secret-of-16"},
            {other: value for other, value in GOOD.items() if other != key},
            (
                f"{key} is a secret, but is set in plain text; run `pulumi config set --secret "
                f"{key} --stack dev`"
            ),
        )
        for key in SECRET_KEYS
        if key != "JSM_API_TOKEN"
    ],
    (
        "JSM_API_TOKEN in plain text",
        {"JSM_API_TOKEN": "plain-secret-of-16", "JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.io"},
        GOOD,
        (
            "JSM_API_TOKEN is a secret, but is set in plain text; "
            "run `pulumi config set --secret JSM_API_TOKEN --stack dev`"
        ),
    ),
    *[
        (
            f"{key} encrypted",
            {},
            {**GOOD, key: "encrypted value"},
            (
                f"{key} is set with --secret, but is not a secret: AWS keeps it in plain text; "
                f"run `pulumi config set --plaintext {key} --stack dev`"
            ),
        )
        for key in (*PLAIN_KEYS, *PROGRAM_KEYS)
    ],
    (
        "no webhook secret",
        {},
        {"INCIDENTIO_API_KEY": "key"},
        (
            "INDENT_WEBHOOK_SECRET is not set: it is the webhook's signing secret, from Indent; "
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "no provider key",
        {},
        {"INDENT_WEBHOOK_SECRET": "webhook-secret-16"},
        (
            f"INCIDENTIO_API_KEY is not set, nor is {' or '.join(PROVIDER_KEYS[1:])}: at least one "
            "provider's key is needed to see who is on duty; "
            "run `pulumi config set --secret INCIDENTIO_API_KEY --stack dev`"
        ),
    ),
    (
        "short webhook secret",
        {},
        {**GOOD, "INDENT_WEBHOOK_SECRET": "short-secret"},
        (
            "INDENT_WEBHOOK_SECRET has 12 characters: at least 16 are needed; "
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "short previous secret",
        {},
        {**GOOD, "INDENT_WEBHOOK_SECRET_PREVIOUS": "short-secret"},
        (
            "INDENT_WEBHOOK_SECRET_PREVIOUS has 12 characters: at least 16 are needed; "
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET_PREVIOUS --stack dev`"
        ),
    ),
    (
        "key with a space",
        {},
        {**GOOD, "INCIDENTIO_API_KEY": "short secret"},
        (
            "INCIDENTIO_API_KEY holds a character that no API key has; "
            "run `pulumi config set --secret INCIDENTIO_API_KEY --stack dev`"
        ),
    ),
]


def refusal(program: Program, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - of `run`
    """Run the program, which must refuse before it registers or asks anything."""
    with pytest.raises(pulumi.RunError) as refused:
        program.run(*args, **kwargs)
    assert type(refused.value) is pulumi.RunError
    assert program.mocks.requests == []
    return str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"), WRONG_VALUES, ids=[f"{row[0]}={row[1]}" for row in WRONG_VALUES]
)
def test_wrong_value_is_refused_with_what_mends_it(
    program: Program, key: str, value: str, sentence: str
) -> None:
    """A wrong value registers nothing; the sentence names key, value and what mends it."""
    assert refusal(program, {key: value}, GOOD) == sentence


@pytest.mark.parametrize(
    ("plain", "secrets", "sentence"),
    [row[1:] for row in WRONG_KEYS],
    ids=[row[0] for row in WRONG_KEYS],
)
def test_wrong_or_missing_key_is_refused_with_what_mends_it(
    program: Program, plain: dict[str, str], secrets: dict[str, str], sentence: str
) -> None:
    """The same for keys; a secret's value, and that of a key we do not know, is never quoted."""
    said = refusal(program, plain, secrets)
    assert said == sentence
    for value in (*plain.values(), *secrets.values()):
        assert value == "key" or value not in said


@pytest.mark.parametrize("stack", ["Prod", "eu_west", "s" * 31])
def test_stack_name_that_no_bucket_may_have_is_refused(program: Program, stack: str) -> None:
    """The default name is checked before the account is known; STATE_BUCKET is the way out."""
    assert refusal(program, stack=stack) == (
        f"STATE_BUCKET is not set, and stack name {stack!r} can't be part of a bucket's name; "
        "for example, run `pulumi config set STATE_BUCKET my-company-pulumi-state --stack "
        f"{stack}`"
    )
    assert program.run({"STATE_BUCKET": "ours"}, stack=stack).outputs["state_bucket"] == "ours"


def test_stack_of_another_ones_previews_gets_no_role(program: Program) -> None:
    """Whoever previews `dev` runs in the environment `dev-preview`."""
    assert refusal(program, {"DEPLOY_REPOSITORY": "acme/oncall"}, GOOD, stack="dev-preview") == (
        "DEPLOY_REPOSITORY is set for stack 'dev-preview', but GitHub's environment of that name "
        "is for previews of 'dev'; rename the stack, or run `pulumi config rm DEPLOY_REPOSITORY "
        "--stack dev-preview`"
    )


def test_settings_that_lambda_would_refuse_are_refused_before(program: Program) -> None:
    """A function's environment holds 4 KB: the sentence names the setting that takes the most."""
    schedules = ", ".join(f"Schedule number {number}" for number in range(200))
    said = refusal(program, {"AUTO_APPROVAL_SCHEDULES": schedules}, GOOD)
    assert said.startswith("AUTO_APPROVAL_SCHEDULES takes ")
    assert "of the 3800 bytes" in said
    assert said.endswith(
        "; shorten it, or write a policy file, which is no part of the environment"
    )


def test_all_that_is_wrong_is_told_at_once(program: Program, tmp_path: Path) -> None:
    """A heading, and a line for each: settings of all kinds, keys, secrets, the policy's file."""
    plain = {
        "AUTO_APPROVAL_DURATION": "soon",
        "AUTO_APPROVAL_POLICY": "policy/none.yaml",
        "AUTO_APPROVAL_SCHEDULES": "'DBA'",
        "MEMORY_MB": "1",
        "LOG_RETENTION_DAYS": "2",
        "ALARM_EMAIL": "nobody",
        "colour": "crimson",
        "aws:region": "us west 2",
        "aws:profile": "acme",
        "PAGERDUTY_BASE_URL": "api.eu.pagerduty.com",
        "DEPLOY_REPOSITORY": "acme",
        "STATE_BUCKET": "x-an",
    }
    secrets = {"INDENT_WEBHOOK_SECRET": "short-secret", "WEBHOOK_MAX_AGE": "hunter2"}
    said = refusal(program, plain, secrets, root=tmp_path)
    title, *lines = said.splitlines()
    # No provider's key, and the policy beside the schedules.
    assert title == f"Pulumi.dev.yaml has {len(plain) + len(secrets) + 2} problems:"
    assert {line.split()[1] for line in lines} == {*plain, *secrets, "INCIDENTIO_API_KEY"}
    assert all(line.startswith("- ") for line in lines)
    for secret in ("short-secret", "hunter2", "crimson"):
        assert secret not in said


@pytest.mark.parametrize("key", [*PLAIN_KEYS, *PROGRAM_KEYS])
def test_encrypted_value_of_a_plain_setting_is_not_quoted(program: Program, key: str) -> None:
    """Somebody meant it to be a secret."""
    said = refusal(program, {}, {**GOOD, key: "'hunter2'"})
    assert "hunter2" not in said
    assert f"{key} is set with --secret" in said


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [("AUTO_APPROVAL_DRY_RUN", "0", "false"), ("STATE_BUCKET", "'a-b'", "a-b")],
)
def test_remedy_is_not_what_approves_more(
    program: Program, key: str, value: str, meant: str
) -> None:
    """An example is like what was written; who wrote 0 is not told to write true."""
    said = refusal(program, {key: value}, GOOD)
    assert f"`pulumi config set {key} {meant} --stack dev`" in said
