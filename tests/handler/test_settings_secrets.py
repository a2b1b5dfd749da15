"""Secrets among the settings are required, long enough, clean, and never repeated."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from handler import settings
from handler.setting_parsers import SettingsError
from handler.settings import load

SIGNING = "signing-secret-1"
API_KEY = "inc_live_key"
TOKEN, OLDER_TOKEN = "t0k3n-" * 6, "0ld-t0k3n-" * 4
SLACK_URL = "https://hooks.slack.com/services/T0/B0/"
LEAST = {"INDENT_WEBHOOK_SECRET": SIGNING, "INCIDENTIO_API_KEY": API_KEY}


def refused(changes: Mapping[str, str]) -> SettingsError:
    """Give the error for these values."""
    with pytest.raises(SettingsError) as caught:
        load({**LEAST, **changes})
    return caught.value


def test_both_signing_secrets() -> None:
    """The current signing secret comes before the previous one."""
    result = load({**LEAST, "INDENT_WEBHOOK_SECRET_PREVIOUS": "an-older-secret-0"})
    assert result.webhook_secrets == (SIGNING, "an-older-secret-0")


@pytest.mark.parametrize("missing", [{}, {"INDENT_WEBHOOK_SECRET": ""}])
def test_a_caller_is_required(missing: Mapping[str, str]) -> None:
    """At least one caller must be on; previous secrets alone aren't enough."""
    rest = {
        "INDENT_WEBHOOK_SECRET_PREVIOUS": SIGNING,
        "AUTHZEN_TOKEN_PREVIOUS": TOKEN,
        "INCIDENTIO_API_KEY": API_KEY,
    }
    with pytest.raises(SettingsError) as caught:
        load({**rest, **missing})
    assert str(caught.value) == (
        "INDENT_WEBHOOK_SECRET or AUTHZEN_TOKEN or CONDUCTORONE_TENANT must be set: each switches "
        "a caller on, and at least one is needed (docs/callers.md)"
    )


@pytest.mark.parametrize("missing", [{}, {"INCIDENTIO_API_KEY": ""}])
def test_a_provider_is_required(missing: Mapping[str, str]) -> None:
    """At least one provider's key must be set."""
    with pytest.raises(SettingsError) as caught:
        load({"INDENT_WEBHOOK_SECRET": SIGNING, **missing})
    assert str(caught.value) == (
        f"{' or '.join(settings.PROVIDER_KEYS)} must be set: "
        "at least one provider's key is needed to see who is on duty"
    )


@pytest.mark.parametrize("key", ["INDENT_WEBHOOK_SECRET", "INDENT_WEBHOOK_SECRET_PREVIOUS"])
def test_at_least_sixteen_characters(key: str) -> None:
    """A signing secret needs 16 characters; the error gives only its length."""
    assert "x" * 16 in load({**LEAST, key: "x" * 16}).webhook_secrets
    error = refused({key: "qjz" * 5})
    assert str(error) == f"{key} has 15 characters: at least 16 are needed"
    assert error.example == ""


def test_callers_that_are_on() -> None:
    """Each caller is on if its secret is set; Indent's isn't needed for another caller."""
    result = load({"AUTHZEN_TOKEN": TOKEN, "INCIDENTIO_API_KEY": API_KEY})
    assert [*result.callers, *result.webhook_secrets] == ["authzen"]
    result = load({**LEAST, "AUTHZEN_TOKEN": TOKEN})
    assert result.callers == {"authzen", "indent"}


def test_both_tokens() -> None:
    """The previous token counts only beside a current one."""
    result = load({**LEAST, "AUTHZEN_TOKEN": TOKEN, "AUTHZEN_TOKEN_PREVIOUS": OLDER_TOKEN})
    assert result.authzen_tokens == (TOKEN, OLDER_TOKEN)
    result = load({**LEAST, "AUTHZEN_TOKEN_PREVIOUS": OLDER_TOKEN})
    assert [*result.callers, *result.authzen_tokens] == ["indent"]


@pytest.mark.parametrize("key", settings.AUTHZEN_KEYS)
def test_a_token_is_long_enough(key: str) -> None:
    """A token needs at least 32 characters, and only ones allowed in a header."""
    assert load({**LEAST, "AUTHZEN_TOKEN": TOKEN, key: "x" * 32})
    assert str(refused({key: "x" * 31})) == f"{key} has 31 characters: at least 32 are needed"
    assert (
        str(refused({key: f"{TOKEN} {TOKEN}"}))
        == f"{key} contains a character that an API key can't have"
    )


@pytest.mark.parametrize("key", settings.AUTHZEN_KEYS)
def test_a_token_is_no_uuid(key: str) -> None:
    """A caller's `X-Request-ID` may be a UUID, and is sent back before the tokens are known."""
    token = "3f2b8a54-90c1-4d7e-8a36-5b1c0d9e7f32"
    message = str(refused({"AUTHZEN_TOKEN": TOKEN, key: token}))
    assert message.startswith(f"{key} looks like an id (a UUID): ")
    assert token not in message
    assert load({**LEAST, "AUTHZEN_TOKEN": TOKEN, key: token.replace("-", "_")})


def secret_for(key: str, text: str) -> str:
    """Give a valid secret that contains this text, possibly encoded."""
    if key in settings.NOTIFY_KEYS:
        return f"whsec_{base64.b64encode(text.encode()[:64]).decode()}"
    urls = {"NOTIFY_URL": "https://n8n.example.com/hook/", "NOTIFY_SLACK_URL": SLACK_URL}
    return f"{urls.get(key, '')}{text}"


PAIRS = [
    (key, other)
    for number, key in enumerate(settings.SECRET_KEYS)
    for other in settings.SECRET_KEYS[number + 1 :]
]


@pytest.mark.parametrize(("key", "other"), PAIRS)
def test_no_secret_is_set_twice(key: str, other: str) -> None:
    """Two settings must not share a secret; the error names both keys but not the value."""
    value = secret_for(key, "qjz-" * 10)
    rest = {name: secret_for(name, f"{name}-{'x' * 32}") for name in settings.SECRET_KEYS}
    plain = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.example"}
    assert load({**rest, **plain})
    with pytest.raises(SettingsError) as caught:
        load({**rest, **plain, key: value, other: value})
    # A notice's address or secret is also wrong in form.
    error = caught.value.problems[0]
    assert str(error) == f"{other} is the same secret as {key}: each of the two needs its own"
    assert "qjz" not in f"{caught.value!r} {error!r} {vars(error)}"
    has_form = {key, other} & {"NOTIFY_URL", "NOTIFY_SLACK_URL", *settings.NOTIFY_KEYS}
    assert len(caught.value.problems) == 1 or has_form
    is_previous = other == f"{key}_PREVIOUS"
    assert error.fixes == ({other: None} if is_previous else {})


def test_one_secret_for_all_settings() -> None:
    """If all settings share one secret, each is reported once."""
    values = dict.fromkeys(settings.SECRET_KEYS, "qjz-" * 10)
    with pytest.raises(SettingsError) as caught:
        load({**values, "JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.example"})
    keys = [problem.key for problem in caught.value.problems if "the same" in str(problem)]
    assert keys == [*settings.SECRET_KEYS[1:]]


def test_a_signing_secret_may_hold_anything() -> None:
    """A signing secret may have any characters, since it isn't sent in a header."""
    secret = "sch\u00f6n \u2705 with\nbreaks"
    assert load({**LEAST, "INDENT_WEBHOOK_SECRET": secret}).webhook_secrets == (secret,)


@pytest.mark.parametrize("key", settings.SECRET_KEYS)
@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\t", "\r\n{}", "\u00a0{}"])
def test_no_white_space_around(key: str, around: str) -> None:
    """White space around a secret is refused, as a copying mistake."""
    error = refused({key: around.format("qjzqjzqjzqjzqjzqjz")})
    assert str(error) == f"{key} begins or ends with white space"


@pytest.mark.parametrize(
    "value", ["qjz qjz", "qjz\r\nX-Evil: 1", "qjz\x00", "qjz\u00fc", "qjz\x7f", "qjz\u2705"]
)
def test_an_api_key_travels_in_a_header(value: str) -> None:
    """An API key may have only visible ASCII, so it can't inject a header."""
    error = refused({"INCIDENTIO_API_KEY": value})
    assert str(error) == "INCIDENTIO_API_KEY contains a character that an API key can't have"
    assert (
        load({**LEAST, "INCIDENTIO_API_KEY": "!x~"}).providers["incidentio"]["INCIDENTIO_API_KEY"]
        == "!x~"
    )


@pytest.mark.parametrize("key", settings.SECRET_KEYS)
@pytest.mark.parametrize("value", ["qjz", "qjz\n", "\tqjz" * 9, "qjz \u00fc"])
def test_a_wrong_secret_is_never_quoted(key: str, value: str) -> None:
    """The error for a wrong secret never quotes it."""
    if key in settings.PROVIDER_KEYS and value == "qjz":
        value = "qjz qjz"
    error = refused({key: value})
    assert "qjz" not in f"{error} {error!r} {vars(error)} {error.__cause__} {error.__context__}"


def test_settings_do_not_print_secrets() -> None:
    """Printing the settings in any way shows no secret."""
    result = load({**LEAST, "INDENT_WEBHOOK_SECRET_PREVIOUS": "an-older-secret-0"})
    for printed in (repr(result), str(result), f"{result}", f"{[result]}", "%s" % (result,)):  # noqa: UP031 - each way to print
        assert "Settings(policy=Policy(" in printed
        for secret in (SIGNING, API_KEY, "an-older-secret-0"):
            assert secret not in printed


def test_errors_of_other_settings_have_no_secrets() -> None:
    """An error about another key has no secret in it."""
    error = refused({"WEBHOOK_MAX_AGE": "x"})
    assert SIGNING not in repr(vars(error)) + repr(error)


NOTIFY_SECRET = secret_for("NOTIFY_SECRET", "n" * 24)
NOTICES = {"NOTIFY_URL": "https://n8n.example.com/hook/1?key=x", "NOTIFY_SECRET": NOTIFY_SECRET}


def test_where_notices_are_sent() -> None:
    """Notices go to either address or both, signed with both secrets."""
    assert load(LEAST).notices is None
    assert load({**LEAST, "NOTIFY_SECRET": NOTIFY_SECRET}).notices is None
    slack = load({**LEAST, "NOTIFY_SLACK_URL": f"{SLACK_URL}x"}).notices
    assert slack == ("", (), f"{SLACK_URL}x")
    older = secret_for("NOTIFY_SECRET", "o" * 64)
    both = {**NOTICES, "NOTIFY_SECRET_PREVIOUS": older, "NOTIFY_SLACK_URL": f"{SLACK_URL}x"}
    notices = load({**LEAST, **both}).notices
    assert notices == (NOTICES["NOTIFY_URL"], (NOTIFY_SECRET, older), f"{SLACK_URL}x")
    for secret in both.values():
        assert secret not in f"{notices} {notices!r} {[notices]}"


@pytest.mark.parametrize(
    "url",
    [
        "https://n8n.example.com",
        "https://n8n.example.com/hook/1",
        "https://prod-1.example.com:443/workflows/a/paths/invoke?sig=a-b_c%2F&sp=/x",
        "http://127.0.0.1:8080/hook",
        "http://localhost/hook?a",
    ],
)
def test_notice_urls(url: str) -> None:
    """NOTIFY_URL may be any https URL, or one on this machine; its query may be a token."""
    notices = load({**LEAST, **NOTICES, "NOTIFY_URL": url}).notices
    assert notices
    assert notices.url == url


@pytest.mark.parametrize(
    "url",
    [
        "qjz",
        "http://n8n.example.com/qjz",
        "ftp://n8n.example.com/qjz",
        "https://bot:qjz@n8n.example.com/",
        "https://n8n.example.com/#qjz",
        "https://n8n.example.com/?qjz#x",
        "https://n8n.example.com/?x=y@qjz",
        "https://n8n.example.com/?a?qjz",
        "https://n8n.example.com/q jz",
        "https://n8n.example.com:x/qjz",
        "https://n8n.example.com:0/qjz",
        "https://[v1.qjz]/",
        "https://n8n.1234/qjz",
        "https:///qjz",
    ],
)
def test_wrong_notice_urls(url: str) -> None:
    """Insecure and malformed notice URLs are refused, and never quoted."""
    error = refused({**NOTICES, "NOTIFY_URL": url})
    problem = "isn't an https address, or http on loopback, without user or fragment"
    assert str(error) == f"NOTIFY_URL {problem}"
    assert "qjz" not in f"{error!r} {vars(error)} {error.__cause__} {error.__context__}"


def test_a_query_is_percent_encoded() -> None:
    """The query of a notice URL must be percent-encoded."""
    error = refused({**NOTICES, "NOTIFY_URL": "https://n8n.example.com/?qjz=\u00fc"})
    problem = "has a character in its query that must be percent-encoded"
    assert str(error) == f"NOTIFY_URL {problem}"


@pytest.mark.parametrize("host", ["hooks.slack.com", "HOOKS.slack.com", "hooks.slack-gov.com"])
def test_slack_has_a_setting_of_its_own(host: str) -> None:
    """A Slack URL is refused in NOTIFY_URL, since Slack needs another format."""
    error = refused({**NOTICES, "NOTIFY_URL": f"https://{host}/services/T0/B0/qjz"})
    assert str(error) == "NOTIFY_URL is a Slack webhook: set NOTIFY_SLACK_URL instead"


@pytest.mark.parametrize(
    ("url", "is_valid"),
    [
        (f"{SLACK_URL}x", True),
        ("https://hooks.slack-gov.com/services/T0/B0/x", True),
        ("http://127.0.0.1:8080/anything", True),
        ("https://hooks.slack.com/triggers/T0/1/x", False),  # a workflow's, with other fields
        ("https://hooks.slack.com/workflows/T0/A0/1/x", False),
        ("https://hooks.slack.com", False),
        ("https://hooks.slack.com:444/services/T0/B0/x", False),
        ("https://hooks.slack.com.example.com/services/T0/B0/x", False),
        (f"{SLACK_URL}x?to=y", False),
        ("https://discord.com/api/webhooks/1/x/slack", False),
    ],
)
def test_slack_urls(url: str, *, is_valid: bool) -> None:
    """NOTIFY_SLACK_URL must be an incoming webhook's URL."""
    if is_valid:
        notices = load({**LEAST, "NOTIFY_SLACK_URL": url}).notices
        assert notices
        assert notices.slack_url == url
        return
    assert str(refused({"NOTIFY_SLACK_URL": url})) == (
        "NOTIFY_SLACK_URL isn't a Slack incoming webhook, whose address begins with "
        "https://hooks.slack.com/services/"
    )


HOW = 'make one with `echo "whsec_$(openssl rand -base64 32)"`'


@pytest.mark.parametrize("key", settings.NOTIFY_KEYS)
@pytest.mark.parametrize(
    "value",
    [
        "whsec_",
        "n" * 32,
        secret_for("NOTIFY_SECRET", "n" * 23),
        f"{NOTIFY_SECRET[:-4]}==",
        f"whsec_{base64.b64encode(b'n' * 65).decode()}",
        f"whsec_{NOTIFY_SECRET}",
        "whsec_\u00fc" * 8,
        "whpk_" + NOTIFY_SECRET[6:],
        "whsec_" + "-_" * 20,
    ],
)
def test_wrong_notice_secrets(key: str, value: str) -> None:
    """A notice secret must have Standard Webhooks' form; the error shows how to make one."""
    assert str(refused({**NOTICES, key: value})) == (
        f"{key} isn't a secret of Standard Webhooks, which is whsec_ and the base64 of 24 to 64 "
        f"random bytes: {HOW}"
    )


def test_no_notice_goes_unsigned() -> None:
    """NOTIFY_URL needs NOTIFY_SECRET, so that no notice is unsigned."""
    error = refused({"NOTIFY_URL": NOTICES["NOTIFY_URL"], "NOTIFY_SECRET_PREVIOUS": NOTIFY_SECRET})
    assert str(error) == f"NOTIFY_SECRET is not set: NOTIFY_URL needs it; {HOW}"
