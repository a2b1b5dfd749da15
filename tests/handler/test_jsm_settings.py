"""The settings of JSM Operations: site and account, without injection."""

from __future__ import annotations

import pytest

from handler.http import Client
from handler.providers import jsm
from handler.setting_parsers import SettingsError
from handler.settings import load
from tests.handler.accounts import BOT, TOKEN
from tests.handler.conftest import SetClock

GOOD = {
    "INDENT_WEBHOOK_SECRET": "wks0-current-secret-00",
    "JSM_SITE": "acme",
    "JSM_EMAIL": BOT,
    "JSM_API_TOKEN": TOKEN,
}


def _refused(**changes: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load({**GOOD, **changes})
    assert TOKEN not in str(caught.value)
    return caught.value


def test_the_settings_of_a_site() -> None:
    """A site has two hosts: its own, and Atlassian's, which can be replaced."""
    assert load(GOOD).providers == {
        "jsm": {
            "JSM_SITE": "https://acme.atlassian.net",
            "JSM_EMAIL": BOT,
            "JSM_API_TOKEN": TOKEN,
            "JSM_BASE_URL": "https://api.atlassian.com",
        }
    }
    other = load({**GOOD, "JSM_BASE_URL": "https://proxy.acme.example/jsm/"}).providers["jsm"]
    assert other["JSM_BASE_URL"] == "https://proxy.acme.example/jsm"


@pytest.mark.parametrize(
    ("value", "site"),
    [
        ("acme", "https://acme.atlassian.net"),
        (" Acme-2 ", "https://Acme-2.atlassian.net"),
        ("acme.atlassian.net", "https://acme.atlassian.net"),
        ("acme.atlassian.net/", "https://acme.atlassian.net"),
        ("help.acme.example", "https://help.acme.example"),
        ("https://acme.atlassian.net", "https://acme.atlassian.net"),
        ("https://acme.atlassian.net/", "https://acme.atlassian.net"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_a_site(value: str, site: str) -> None:
    """JSM_SITE may be a name, a host or a URL; plain HTTP works on this machine only."""
    assert load({**GOOD, "JSM_SITE": value}).providers["jsm"]["JSM_SITE"] == site


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://acme.atlassian.net", "is 'http://acme.atlassian.net'"),
        ("https://acme.atlassian.net/jira", "is 'https://acme.atlassian.net/jira'"),
        ("acme.atlassian.net/jira/your-work", "is 'acme.atlassian.net/jira/your-work'"),
        ("acme corp", "is 'acme corp'"),
        ("acme?x=1", "is 'acme?x=1'"),
        ("acme#", "is 'acme#'"),
        ("acme\r\nHost: evil", r"is 'acme\r\nHost: evil'"),
        ("ftp://acme.atlassian.net", "is 'ftp://acme.atlassian.net'"),
        ("https://", "is 'https://'"),
        ("bot:pa55@acme.atlassian.net", "contains an @"),
        ("https://bot:pa55@acme.atlassian.net", "contains an @"),
    ],
)
def test_wrong_sites(value: str, expected: str) -> None:
    """Other values are refused, and not quoted if they may have a password."""
    error = _refused(JSM_SITE=value)
    assert (error.key, error.example) == ("JSM_SITE", "acme")
    assert str(error) == (
        f"JSM_SITE {expected}: use a site's name, its host, or its https address without a path"
    )


@pytest.mark.parametrize(
    "value",
    [
        "bot",
        "@acme.example",
        "bot@",
        "bot:x@acme.example",
        "bot@acme.example:443",
        "bot@x@acme.example",
        "b ot@acme.example",
        "bot@acme.example\r\nX-Evil: 1",
        "bot@acme.example\x00",
        "böt@acme.example",
        "Bot <bot@acme.example>x",
    ],
)
def test_wrong_accounts(value: str) -> None:
    """An e-mail that could inject another name, password or header is refused."""
    error = _refused(JSM_EMAIL=value)
    assert str(error) == "JSM_EMAIL isn't an account's e-mail address"
    assert error.example == "bot@example.com"


@pytest.mark.parametrize("missing", ["JSM_SITE", "JSM_EMAIL"])
def test_the_token_needs_a_site_and_an_account(missing: str) -> None:
    """A token without site or account is refused, and the error names the missing one."""
    assert str(_refused(**{missing: " "})) == f"{missing} is not set: JSM_API_TOKEN needs it"


@pytest.mark.parametrize("value", ["to ken-0123456789", "token\r\nX-Evil: 1", "tok\u00e9n"])
def test_a_token_with_invalid_characters(value: str) -> None:
    """A token with characters that a header can't have is refused, without quoting it."""
    error = _refused(JSM_API_TOKEN=value)
    assert str(error) == "JSM_API_TOKEN contains a character that an API key can't have"


def test_the_header_is_one_line(client: Client, set_clock: SetClock) -> None:
    """The header is one line, however long e-mail and token are."""
    settings = {**GOOD, "JSM_BASE_URL": "", "JSM_API_TOKEN": "x" * 500}
    (header,) = jsm.CLIENT(client, set_clock.clock, settings)._headers.values()
    assert header.startswith("Basic ")
    assert "\n" not in header
