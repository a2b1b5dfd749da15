"""AWS Signature Version 4, compared with AWS's published vectors and with botocore."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.aws_secret import Credentials, sign
from tests.handler.strategies import STEADY

# The example key of AWS's documentation, which its test suite signs with.
EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP"
    "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT"
    "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz"
    "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
THEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SUITE_HOST = "example.amazonaws.com"
FORM = "application/x-www-form-urlencoded"

# AWS's "Signature Version 4 test suite": those of its requests that are for "/" without a query and
# bear no header twice. Published in awslabs/aws-c-auth (tests/aws-signing-test-suite/v4) and, under
# the same names, in aws/aws-sdk-js-v3 (packages/signature-v4/src/suite.fixture.ts).
SUITE = [
    (
        "get-vanilla",
        {},
        "",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-header-value-order",
        {"My-Header1": "value4,value1,value3,value2"},
        "",
        "host;my-header1;x-amz-date",
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    ),
    (
        "get-header-value-trim",
        {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
        "",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-vanilla",
        {},
        "",
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "post-header-key-sort",
        {"My-Header1": "value1"},
        "",
        "host;my-header1;x-amz-date",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    (
        "post-header-value-case",
        {"My-Header1": "VALUE1"},
        "",
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "post-x-www-form-urlencoded",
        {"Content-Type": FORM},
        "Param1=value1",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    (
        "post-x-www-form-urlencoded-parameters",
        {"Content-Type": f"{FORM}; charset=utf8"},
        "Param1=value1",
        "content-type;host;x-amz-date",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
    (
        "post-sts-header-before",
        {},
        "",
        "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
]

# Headers that botocore changes or doesn't sign.
SPECIAL = {
    *("host", "date", "authorization", "expect", "transfer-encoding", "user-agent"),
    *("connection", "x-amzn-trace-id", "x-amz-date", "x-amz-security-token"),
    "x-amz-content-sha256",
}
TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
NAMES = TOKENS.filter(lambda name: name.lower() not in SPECIAL)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5, unique_by=lambda pair: pair[0].lower())
WORDS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=14)
KEYS = st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=40)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2098, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the bounds hold in every zone


@pytest.mark.parametrize(("name", "headers", "body", "names", "signature"), SUITE)
def test_published_vector(
    name: str, headers: dict[str, str], body: str, names: str, signature: str
) -> None:
    """Date, scope, header names and signature equal AWS's published ones."""
    signed = sign(
        name.partition("-")[0].upper(),
        {"Host": SUITE_HOST, **headers},
        body.encode(),
        credentials=EXAMPLE._replace(token=TOKEN if "-sts-" in name else ""),
        region="us-east-1",
        service="service",
        now=THEN,
    )
    assert signed["X-Amz-Date"] == "20150830T123600Z"
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


@settings(STEADY, max_examples=200)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    headers=HEADERS,
    body=st.binary(max_size=200),
    credentials=st.builds(Credentials, KEYS, KEYS, st.one_of(st.just(""), KEYS)),
    region=WORDS,
    service=WORDS,
    now=MOMENTS,
)
def test_the_same_as_botocore(
    method: str,
    headers: list[tuple[str, str]],
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> None:
    """For any request, botocore's signer adds the same headers."""
    given_headers = {"Host": f"{service}.example.test:8443", **dict(headers)}
    by_botocore = AWSRequest(
        method, f"https://{service}.example.test:8443/", headers=given_headers, data=body
    )
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    with pytest.MonkeyPatch.context() as patch:
        # botocore takes no clock; this function is where its signers read the time.
        utc = now.astimezone(UTC).replace(tzinfo=None)
        patch.setattr("botocore.auth.get_current_datetime", lambda: utc)
        SigV4Auth(keys, service, region).add_auth(by_botocore)
    ours = sign(
        method,
        given_headers,
        body,
        credentials=credentials,
        region=region,
        service=service,
        now=now,
    )
    assert ours == dict(by_botocore.headers.items())
