"""The program's own settings, a value at a time: what each may be, and what is said of another."""

from __future__ import annotations

import pytest

from handler.setting_parsers import SettingsError
from infra.settings import (
    BY_NAME,
    PROGRAM_SETTINGS,
    STATE_BUCKET,
    check_default_bucket,
    is_bucket_name,
)
from policy.remedies import in_stack, report

WHOLE = "must be a whole number from {} to {}; for example, run `pulumi config set {} {}"
RETENTIONS = (
    "1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, "
    "3288, 3653"
)
EXAMPLE = "for example, run `pulumi config set {} {}"
# By key: values that are wrong, and what is said of them behind "KEY is VALUE".
WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "MEMORY_MB": (
        ("127", "10241", "512 MB", "1e3", "-512"),
        f": {WHOLE.format(128, 10240, 'MEMORY_MB', 512)}",
    ),
    "RESERVED_CONCURRENCY": (
        ("-1", "1001", "none", "1.0"),
        f": {WHOLE.format(0, 1000, 'RESERVED_CONCURRENCY', 10)}",
    ),
    "ENDPOINT": (
        ("http", "HTTP-API", "rest-api", "https://example.com"),
        f": must be function-url or http-api; {EXAMPLE.format('ENDPOINT', 'http-api')}",
    ),
    "THROTTLE_RATE": (
        ("0", "10001", "1.5", "10/s"),
        f": {WHOLE.format(1, 10000, 'THROTTLE_RATE', 10)}",
    ),
    "THROTTLE_BURST": (
        ("0", "5001", "-1"),
        f": {WHOLE.format(1, 5000, 'THROTTLE_BURST', 50)}",
    ),
    "LOG_RETENTION_DAYS": (
        ("0", "10", "366", "a year", "-1"),
        f": must be one of {RETENTIONS}; {EXAMPLE.format('LOG_RETENTION_DAYS', 365)}",
    ),
    "STATE_BUCKET": (
        (
            *("ab", "a" * 64, "My-Bucket", "my_bucket", "-bucket", "bucket-", "a..b"),
            *("192.168.5.4", "s3://bucket"),
        ),
        (
            ": must be 3 to 63 lower-case letters, digits, dots and hyphens (S3's naming rules); "
            f"{EXAMPLE.format('STATE_BUCKET', 'my-company-pulumi-state')}"
        ),
    ),
    "KMS_KEY_ALIAS": (
        ("alias/oncall", "aws/s3", "aws", "/oncall", "on call", "a?region=x", "a" * 251),
        (
            ": must be up to 250 letters, digits, /, _ and -, and must not begin "
            f"with alias/ or aws/; {EXAMPLE.format('KMS_KEY_ALIAS', 'oncall-state')}"
        ),
    ),
    "KMS_KEY_ID": (
        ("alias/oncall",),
        (", which isn't a key id; `make bootstrap` sets it; run `pulumi config rm KMS_KEY_ID"),
    ),
    "STATE_BUCKET_MANAGED": (
        ("yes",),
        ": must be true or false; for example, run `pulumi config set STATE_BUCKET_MANAGED true",
    ),
    "ALARM_EMAIL": (
        (
            *("oncall", "a@x.io, b@x.io", "a@b@x.io", "On call <a@x.io>", "a@localhost"),
            *(f"{'l' * 65}@example.com", f"l@{'d' * 63}.{'d' * 63}.{'d' * 63}.{'d' * 57}.com"),
            *("\u00f6n.call@example.com", "on..call@example.com", ".oncall@example.com"),
            *("oncall@-example.com", "oncall@example..com", "on call@example.com"),
        ),
        f": must be one e-mail address; {EXAMPLE.format('ALARM_EMAIL', 'oncall@example.com')}",
    ),
    "DEPLOY_REPOSITORY": (
        (
            *("acme", "acme/", "/oncall", "acme/oncall/x", "acme oncall", "acme/on call"),
            *("a\tb/c", "*/oncall", "acme/*", "acme/onc?ll", "acme/oncall:environment:prod"),
            *("acme:x/oncall", "https://github.com/acme/oncall", "github.com/acme/oncall"),
            *("repo:acme/oncall", "acme@1/oncall", "acme/oncall@1", "acme@/oncall@"),
            *("acme@a/oncall@b", "acme@01/oncall@1", "acme@1/oncall@0", "@1/@2", "acme/.."),
            *("acme/.", "acme@1/..@2", "-acme/oncall", "${aws:username}/oncall"),
            *("acme/oncall,acme/other", "\u00e1cme/oncall", "acme/oncall\nx"),
            *(
                f"{'a' * 40}/oncall",
                f"acme/{'a' * 101}",
                "acme/\u0663",
                "acme@\u0663/oncall@\u0663",
            ),
        ),
        (
            ": must be OWNER/REPO, or OWNER@OWNERID/REPO@REPOID if GitHub's tokens contain "
            f"the ids; {EXAMPLE.format('DEPLOY_REPOSITORY', 'acme/oncall-approvals')}"
        ),
    ),
}
# By key: texts, and what they are read as.
RIGHT: dict[str, dict[str, object]] = {
    "MEMORY_MB": {"": 512, "128": 128, " 1769 ": 1769, "10240": 10240},
    "RESERVED_CONCURRENCY": {"": None, "0": 0, "1000": 1000},
    "ENDPOINT": {"": "function-url", "function-url": "function-url", " http-api ": "http-api"},
    "THROTTLE_RATE": {"": 10, "1": 1, "10000": 10000},
    "THROTTLE_BURST": {"": 50, "1": 1, "5000": 5000},
    "LOG_RETENTION_DAYS": {"": 365, "1": 1, "3653": 3653},
    "STATE_BUCKET": {
        **dict.fromkeys(("", " ")),
        **{name: name for name in ("abc", "a" * 63, "my-bucket.2", "1.2.3")},
    },
    "STATE_BUCKET_MANAGED": {"": None, "true": True, "False": False},
    "KMS_KEY_ALIAS": {"": None, "oncall/state_1-x": "oncall/state_1-x", "a" * 250: "a" * 250},
    "KMS_KEY_ID": {"": None, "38cdb1d1-718d-455c": "38cdb1d1-718d-455c"},
    "KMS_KEY_MANAGED": {"": None, "true": True},
    "ALARM_EMAIL": {
        "": None,
        **{
            email: email
            for email in (
                *(f"{'l' * 64}@example.com", "on.call+aws@example.com"),
                f"l@{'d' * 63}.{'d' * 63}.{'d' * 63}.{'d' * 56}.com",
            )
        },
    },
    "DEPLOY_REPOSITORY": {
        "": None,
        **{
            name: name
            for name in (
                *("acme/oncall", "a/b", "Acme-1/on.call_2", "acme@1/oncall@23", "o_corp/x"),
                f"a/{'.' * 3}",
            )
        },
    },
}


def test_every_setting_is_tested() -> None:
    """With right values, and wrong ones."""
    keys = {row.name for row in PROGRAM_SETTINGS}
    assert keys == RIGHT.keys()
    assert keys == WRONG.keys() | {"KMS_KEY_MANAGED"}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [(key, text, value) for key, values in RIGHT.items() for text, value in values.items()],
)
def test_right_value(key: str, text: str, value: object) -> None:
    """Blanks around it are no part of it; an empty one is the default."""
    assert BY_NAME[key].read({key: text}) == value


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key, (texts, _) in WRONG.items() for text in texts]
)
def test_wrong_value(key: str, text: str) -> None:
    """The sentence names the key, the value and what mends it."""
    with pytest.raises(SettingsError) as refused:
        BY_NAME[key].read({key: text})
    sentence = report("", refused.value, lambda problem: in_stack(problem, "dev"))
    assert sentence == f"{key} is {text!r}{WRONG[key][1]} --stack dev`"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("xn--bucket", "begin with xn--"),
        ("bucket-s3alias", "end with -s3alias"),
        ("bucket-an", "end with -an"),
    ],
)
def test_bucket_name_that_s3_reserves(name: str, problem: str) -> None:
    """The part that it reserves is named."""
    with pytest.raises(SettingsError, match=f"is '{name}': S3 reserves names that {problem}"):
        BY_NAME[STATE_BUCKET].read({STATE_BUCKET: name})


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("abc", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("state-123456789012-us-east-1-an", False),
        ("state-an2", True),
        ("an", False),
        ("sthree-state", False),
        ("sthree-configurator", False),
        ("amzn-s3-demo-state", False),
        ("state--ol-s3", False),
        ("state.mrap", False),
        ("state--x-s3", False),
        ("state--table-s3", False),
        ("sthreestate", True),
        ("state-x-s3", True),
    ],
)
def test_bucket_names(name: str, *, good: bool) -> None:
    """S3 user guide, "Bucket naming rules"."""
    assert is_bucket_name(name) is good


@pytest.mark.parametrize("stack", ["prod-an", "x-s3alias", "prod--x-s3", "Prod", "a_b", "s" * 31])
def test_stack_that_leads_to_a_bad_bucket_name(stack: str) -> None:
    """The default name ends with the stack's, which may have 30 characters."""
    check_default_bucket(STATE_BUCKET, "s" * 30)
    with pytest.raises(SettingsError, match=f"stack's name '{stack}' can't be part of a bucket's"):
        check_default_bucket(STATE_BUCKET, stack)
