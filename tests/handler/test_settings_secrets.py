"""The secrets among the settings: required, long enough, clean, and never repeated."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from handler import settings
from handler.setting_parsers import SettingsError
from handler.settings import load

SIGNING = "signing-secret-1"
API_KEY = "inc_live_key"
TOKEN, OLDER_TOKEN = "t0k3n-" * 6, "0ld-t0k3n-" * 4
LEAST = {"INDENT_WEBHOOK_SECRET": SIGNING, "INCIDENTIO_API_KEY": API_KEY}


def refused(changes: Mapping[str, str]) -> SettingsError:
    """The error that these values give."""
    with pytest.raises(SettingsError) as caught:
        load({**LEAST, **changes})
    return caught.value


def test_both_signing_secrets() -> None:
    """The current one first."""
    result = load({**LEAST, "INDENT_WEBHOOK_SECRET_PREVIOUS": "an-older-secret-0"})
    assert result.webhook_secrets == (SIGNING, "an-older-secret-0")


@pytest.mark.parametrize("missing", [{}, {"INDENT_WEBHOOK_SECRET": ""}])
def test_a_caller_is_required(missing: Mapping[str, str]) -> None:
    """The previous secrets alone are not enough."""
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
    """Without any, nobody would ever be approved."""
    with pytest.raises(SettingsError) as caught:
        load({"INDENT_WEBHOOK_SECRET": SIGNING, **missing})
    assert str(caught.value) == (
        f"{' or '.join(settings.PROVIDER_KEYS)} must be set: "
        "at least one provider's key is needed to see who is on duty"
    )


@pytest.mark.parametrize("key", ["INDENT_WEBHOOK_SECRET", "INDENT_WEBHOOK_SECRET_PREVIOUS"])
def test_at_least_sixteen_characters(key: str) -> None:
    """What can be guessed signs nothing; only its length is told."""
    assert "x" * 16 in load({**LEAST, key: "x" * 16}).webhook_secrets
    error = refused({key: "qjz" * 5})
    assert str(error) == f"{key} has 15 characters: at least 16 are needed"
    assert error.example == ""


def test_callers_that_are_on() -> None:
    """Each by its own secret; Indent's is not needed where another caller is on."""
    result = load({"AUTHZEN_TOKEN": TOKEN, "INCIDENTIO_API_KEY": API_KEY})
    assert [*result.callers, *result.webhook_secrets] == ["authzen"]
    result = load({**LEAST, "AUTHZEN_TOKEN": TOKEN})
    assert result.callers == {"authzen", "indent"}


def test_both_tokens() -> None:
    """The previous one counts beside the current one only."""
    result = load({**LEAST, "AUTHZEN_TOKEN": TOKEN, "AUTHZEN_TOKEN_PREVIOUS": OLDER_TOKEN})
    assert result.authzen_tokens == (TOKEN, OLDER_TOKEN)
    result = load({**LEAST, "AUTHZEN_TOKEN_PREVIOUS": OLDER_TOKEN})
    assert [*result.callers, *result.authzen_tokens] == ["indent"]


@pytest.mark.parametrize("key", settings.AUTHZEN_KEYS)
def test_a_token_is_not_guessed(key: str) -> None:
    """It has at least 32 characters, each of which a header may hold."""
    assert load({**LEAST, "AUTHZEN_TOKEN": TOKEN, key: "x" * 32})
    assert str(refused({key: "x" * 31})) == f"{key} has 31 characters: at least 32 are needed"
    assert (
        str(refused({key: f"{TOKEN} {TOKEN}"}))
        == f"{key} contains a character that an API key can't have"
    )


PAIRS = [
    (key, other)
    for number, key in enumerate(settings.SECRET_KEYS)
    for other in settings.SECRET_KEYS[number + 1 :]
]


@pytest.mark.parametrize(("key", "other"), PAIRS)
def test_no_secret_is_set_twice(key: str, other: str) -> None:
    """Whoever knows one of the two could use it as the other; both keys are named, no value."""
    value = "qjz-" * 10
    rest = {name: f"{name}-{'x' * 32}" for name in settings.SECRET_KEYS}
    plain = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.example"}
    assert load({**rest, **plain})
    with pytest.raises(SettingsError) as caught:
        load({**rest, **plain, key: value, other: value})
    error = caught.value
    assert str(error) == f"{other} is the same secret as {key}: each of the two needs its own"
    assert "qjz" not in f"{error!r} {vars(error)}"
    is_previous = other == f"{key}_PREVIOUS"
    assert error.fixes == ({other: None} if is_previous else {})


def test_one_secret_that_is_set_everywhere() -> None:
    """Each place is named once."""
    values = dict.fromkeys(settings.SECRET_KEYS, "qjz-" * 10)
    with pytest.raises(SettingsError) as caught:
        load({**values, "JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.example"})
    assert [problem.key for problem in caught.value.problems] == [*settings.SECRET_KEYS[1:]]


def test_a_signing_secret_may_hold_anything() -> None:
    """It is opaque: it travels in no header."""
    secret = "sch\u00f6n \u2705 with\nbreaks"
    assert load({**LEAST, "INDENT_WEBHOOK_SECRET": secret}).webhook_secrets == (secret,)


@pytest.mark.parametrize("key", settings.SECRET_KEYS)
@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\t", "\r\n{}", "\u00a0{}"])
def test_no_white_space_around(key: str, around: str) -> None:
    """It would be a copying mistake, and every signature wrong."""
    error = refused({key: around.format("qjzqjzqjzqjzqjzqjz")})
    assert str(error) == f"{key} begins or ends with white space"


@pytest.mark.parametrize(
    "value", ["qjz qjz", "qjz\r\nX-Evil: 1", "qjz\x00", "qjz\u00fc", "qjz\x7f", "qjz\u2705"]
)
def test_an_api_key_travels_in_a_header(value: str) -> None:
    """Visible ASCII only: a line break in it would be another header."""
    error = refused({"INCIDENTIO_API_KEY": value})
    assert str(error) == "INCIDENTIO_API_KEY contains a character that an API key can't have"
    assert (
        load({**LEAST, "INCIDENTIO_API_KEY": "!x~"}).providers["incidentio"]["INCIDENTIO_API_KEY"]
        == "!x~"
    )


@pytest.mark.parametrize("key", settings.SECRET_KEYS)
@pytest.mark.parametrize("value", ["qjz", "qjz\n", "\tqjz" * 9, "qjz \u00fc"])
def test_a_wrong_secret_is_never_quoted(key: str, value: str) -> None:
    """Neither in the sentence nor anywhere else in the error."""
    if key in settings.PROVIDER_KEYS and value == "qjz":
        value = "qjz qjz"
    error = refused({key: value})
    assert "qjz" not in f"{error} {error!r} {vars(error)} {error.__cause__} {error.__context__}"


def test_settings_do_not_print_secrets() -> None:
    """Wherever they are printed, by whatever way."""
    result = load({**LEAST, "INDENT_WEBHOOK_SECRET_PREVIOUS": "an-older-secret-0"})
    for printed in (repr(result), str(result), f"{result}", f"{[result]}", "%s" % (result,)):  # noqa: UP031 - each way to print
        assert "Settings(policy=Policy(" in printed
        for secret in (SIGNING, API_KEY, "an-older-secret-0"):
            assert secret not in printed


def test_another_wrong_setting_does_not_tell_secrets() -> None:
    """An error about one key holds no other value."""
    error = refused({"WEBHOOK_MAX_AGE": "x"})
    assert SIGNING not in repr(vars(error)) + repr(error)
