"""A row of the table of settings, the parsers of values, and the error of a wrong one. No I/O."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from handler import durations
from handler.folding import unseen_in
from handler.hosts import host_problem, is_loopback
from handler.rules.model import LONGEST_APPROVAL, LONGEST_GRACE, ShiftEnd
from handler.typing import Any, NamedTuple, TypeVar

SHORTEST_SECRET, SHORTEST_TOKEN = 16, 32
# Standard Webhooks: the prefix of a secret, and how many bytes its base64 holds.
NOTICE_SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix
SHORTEST_NOTICE_SECRET, LONGEST_NOTICE_SECRET = 24, 64
# Where Slack's incoming webhooks are; the second is GovSlack's.
SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
SLACK_PATH = "/services/"

_T = TypeVar("_T")
_NO_FIXES: Mapping[str, str | None] = MappingProxyType({})
_SWITCHES = {
    **dict.fromkeys(("yes", "y", "on", "1", "t"), "true"),
    **dict.fromkeys(("no", "n", "off", "0", "f"), "false"),
}
_HOURS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")
_HEADER_SAFE = re.compile(r"[!-~]+")
_SITE_NAME = re.compile(r"[A-Za-z0-9-]+")
# Without a colon, which would end the user name in Basic authentication.
_EMAIL = re.compile(r"[!-9;-?A-~]+@[!-9;-?A-~]+")


class SettingsError(ValueError):
    """A setting has a wrong value: which one, what is wrong, and how to correct it.

    The sentence never contains the value of a secret.

    Attributes:
        example: a valid value; "" for secrets.
        fixes: settings, each with a new value, or None to remove it. Each of these alone is certain
            to correct the error.
        problems: this error alone, or each of several.
    """

    def __init__(
        self, key: str, problem: str, example: str = "", fixes: Mapping[str, str | None] = _NO_FIXES
    ) -> None:
        super().__init__(f"{key} {problem}")
        self.key = key
        self.example = example
        self.fixes = fixes
        self.problems: tuple[SettingsError, ...] = (self,)


class WrongSettingsError(SettingsError):
    """Several settings have wrong values. The sentence begins with all their names."""

    def __init__(self, problems: Iterable[SettingsError]) -> None:
        errors = tuple(problems)
        keys = ", ".join(dict.fromkeys(error.key for error in errors))
        super().__init__(keys, f"are wrong: {'; '.join(map(str, errors))}")
        self.problems = errors


class Problems(list[SettingsError]):
    """Collects the errors of settings, so that all are reported at once."""

    def read(self, parse: Callable[..., _T], *arguments: object) -> _T:
        """Parse a setting, and collect the error if it is wrong.

        Then it returns None, whatever the type is: call `check` before you use any value.
        """
        try:
            return parse(*arguments)
        except SettingsError as error:
            self.extend(error.problems)
        return None  # type: ignore[return-value] # as the docstring says

    def check(self) -> None:
        """Raise the collected errors, if there are any.

        Raises:
            SettingsError: for all of them.
        """
        if self:
            raise self[0] if len(self) == 1 else WrongSettingsError(self)


class Setting(NamedTuple):
    """A row of the table of settings.

    Attributes:
        name: the name of the environment variable and of the key in the stack's config.
        parse: reads its text, given the name and the text; raises `SettingsError`.
        doc: what it does, in a line of Markdown.
        default: its text if none is given.
        secret: whether it is encrypted and never quoted.
    """

    name: str
    parse: Callable[[str, str], Any]
    doc: str
    default: str = ""
    secret: bool = False

    def read(self, values: Mapping[str, str], check: Check | None = None) -> Any:  # noqa: ANN401 - each row has its own type
        """Read it from the values of all settings; an empty text counts as unset.

        `check` sees a plain setting's text first, and may give better advice about typing errors.

        Raises:
            SettingsError: the value is wrong.
        """
        text = values.get(self.name, "")
        if not self.secret:
            text = text.strip() or self.default
            if check:
                check(self, text)
        return self.parse(self.name, text)


Check = Callable[[Setting, str], None]


def parse_text(key: str, value: str) -> str:  # noqa: ARG001 - as all parsers
    """Accept any text."""
    return value


def parse_signing_secret(key: str, value: str) -> str:
    """Check a secret that signs calls, without ever quoting it. Empty means unset."""
    _check_edges(key, value)
    _check_length(key, value, SHORTEST_SECRET)
    return value


def parse_token(key: str, value: str) -> str:
    """Check a secret that callers send in a header, without quoting it. Empty means unset.

    It may not be a UUID, since ids are sent back and logged, and most ids are UUIDs.
    """
    parse_api_key(key, value)
    _check_length(key, value, SHORTEST_TOKEN)
    if [len(part) for part in value.split("-")] == [8, 4, 4, 4, 12]:
        problem = "looks like an id (a UUID): make a token with `openssl rand -hex 32`"
        raise SettingsError(key, problem)
    return value


def _check_length(key: str, value: str, least: int) -> None:
    if 0 < len(value) < least:
        raise SettingsError(key, f"has {len(value)} characters: at least {least} are needed")


def parse_api_key(key: str, value: str) -> str:
    """Check a secret that is sent in a header: a line break in it would begin another header."""
    _check_edges(key, value)
    if value and not _HEADER_SAFE.fullmatch(value):
        raise SettingsError(key, "contains a character that an API key can't have")
    return value


def _check_edges(key: str, value: str) -> None:
    if value != value.strip():
        raise SettingsError(key, "begins or ends with white space")


def parse_duration(key: str, value: str) -> timedelta:
    """Read hours (`3`, `1.5`) or a duration with units (`1h30m`), rounded down to seconds."""
    duration = _approval_duration(f"{value}h" if _HOURS.fullmatch(value) else value)
    if duration is not None:
        return timedelta(seconds=duration // timedelta(seconds=1))
    allowed = "use hours (for example 3 or 1.5) or units (for example 90m or 1h30m)"
    raise SettingsError(key, f"is {value!r}: {allowed}, above 0 and at most 168 hours")


def _approval_duration(text: str) -> timedelta | None:
    """Read a duration that an approval may have; give None for any other text."""
    duration = durations.parse_duration(text) or timedelta(0)
    return duration if timedelta(seconds=1) <= duration <= LONGEST_APPROVAL else None


def parse_list(key: str, value: str) -> tuple[str, ...]:
    """Split at commas and trim; duplicates count once. Empty means unset."""
    entries = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if value and not entries:
        # If `,` were read as no list, every duty would count.
        raise SettingsError(key, f"is {value!r}: lists nothing between its commas", "DBA, API")
    if unseen := unseen_in("".join(entries)):
        problem = f"contains U+{ord(unseen):04X}, which is invisible: remove it, or use an id"
        raise SettingsError(key, problem)
    return entries


def parse_labels(key: str, value: str) -> tuple[tuple[str, str], ...]:
    """Read `Env=Prod, Team=DB` as pairs. Empty means unset."""
    labels: dict[str, str] = {}
    for entry in parse_list(key, value):
        name, equals, wanted = (part.strip() for part in entry.partition("="))
        if not (name and equals and wanted):
            problem = f"contains {entry!r}: each entry must be LABEL=VALUE"
            raise SettingsError(key, problem, "Env=Prod, Team=DB")
        if labels.setdefault(name, wanted) != wanted:
            raise SettingsError(key, f"requires two values of the label {name!r}", "Env=Prod")
    return tuple(labels.items())


def parse_switch(key: str, value: str) -> bool:
    """Read `true` or `false`, in any case. Empty means false."""
    if value.lower() not in {"", "true", "false"}:
        meant = _SWITCHES.get(value.lower(), "")
        raise SettingsError(key, f"is {value!r}: must be true or false", meant)
    return value.lower() == "true"


def parse_shift_end(key: str, value: str) -> ShiftEnd | None:
    """Read `true`, `false` or a grace period in whole seconds (`15m`). Empty means false."""
    if value.lower() in {"", "true", "false"}:
        return ShiftEnd() if value.lower() == "true" else None
    # A 0 without a unit may mean false.
    grace = durations.parse_duration(value) if value[-1].isalpha() else None
    nothing = timedelta(0)
    if grace is None or not nothing <= grace <= LONGEST_GRACE or grace % timedelta(seconds=1):
        allowed = "true, false, or a grace period in whole seconds with its unit (15m), at most 24h"
        raise SettingsError(key, f"is {value!r}: must be {allowed}", "15m")
    return ShiftEnd(grace)


def parse_whole(key: str, value: str, *, least: int, most: int, example: str) -> int:
    """Read a whole number within bounds."""
    if not _WHOLE.fullmatch(value) or not least <= int(value) <= most:
        problem = f"is {value!r}: must be a whole number from {least} to {most}"
        raise SettingsError(key, problem, example)
    return int(value)


def parse_seconds(key: str, value: str, *, least: float, most: float, example: str) -> float:
    """Read seconds, such as `2.5`, within bounds."""
    if not _SECONDS.fullmatch(value) or not least <= float(value) <= most:
        problem = f"is {value!r}: must be a number of seconds from {least:g} to {most:g}"
        raise SettingsError(key, problem, example)
    return float(value)


def parse_public_url(key: str, value: str) -> str:
    """Read the https address of a host in the form that callers use: lower case, no port 443.

    It has no path, since each caller has its own.
    """
    if not value:
        return ""
    url = value.rstrip("/").lower()
    allowed = "the https address of a host, without a path"
    if not url.startswith("https://") or "/" in url.removeprefix("https://"):
        raise _wrong_url(key, value, allowed, "https://oncall.example.com")
    url = _check_url(key, value, url, allowed, "https://oncall.example.com")
    return url.removesuffix(":443")


def parse_base_url(key: str, value: str, *, example: str) -> str:
    """Accept https, or http on loopback: nobody may read or change what is sent there."""
    if not value:
        return ""
    return _check_url(
        key,
        value,
        value,
        "an https address, or http on loopback, without user, query or fragment",
        example,
    )


def parse_notice_url(key: str, value: str) -> str:
    """Check the address that notices are sent to, without quoting it: it may hold a token."""
    parts = _secret_url(key, value)
    if parts and parts.hostname in SLACK_HOSTS:
        raise SettingsError(key, "is a Slack webhook: set NOTIFY_SLACK_URL instead")
    return value


def parse_slack_url(key: str, value: str) -> str:
    """Check the address of a Slack incoming webhook, without quoting it: it is a secret."""
    parts = _secret_url(key, value)
    if parts and not is_loopback(parts.hostname or ""):
        is_slack = parts.scheme == "https" and parts.netloc in SLACK_HOSTS
        if not is_slack or not parts.path.startswith(SLACK_PATH) or parts.query:
            problem = (
                "isn't a Slack incoming webhook, whose address begins with "
                f"https://{SLACK_HOSTS[0]}{SLACK_PATH}"
            )
            raise SettingsError(key, problem)
    return value


def _secret_url(key: str, value: str) -> SplitResult | None:
    """Split an address whose path or query may hold a token; None if it is empty."""
    if not value:
        return None
    _check_edges(key, value)
    address, question_mark, query = value.partition("?")
    parts = _split(address)
    if parts is None or _authority_problem(parts) or set("?#@") & set(query):
        problem = "isn't an https address, or http on loopback, without user or fragment"
        raise SettingsError(key, problem)
    if question_mark and not _HEADER_SAFE.fullmatch(query):
        raise SettingsError(key, "has a character in its query that must be percent-encoded")
    return parts._replace(query=query)


def parse_notice_secret(key: str, value: str) -> str:
    """Check a secret of Standard Webhooks, without quoting it. Empty means unset."""
    _check_edges(key, value)
    try:
        bytes_ = len(notice_key(value)) if value.startswith(NOTICE_SECRET_PREFIX) else 0
    except ValueError:
        bytes_ = 0
    if value and not SHORTEST_NOTICE_SECRET <= bytes_ <= LONGEST_NOTICE_SECRET:
        problem = (
            f"isn't a secret of Standard Webhooks, which is {NOTICE_SECRET_PREFIX} and the base64 "
            f"of {SHORTEST_NOTICE_SECRET} to {LONGEST_NOTICE_SECRET} random bytes: make one with "
            f'`echo "{NOTICE_SECRET_PREFIX}$(openssl rand -base64 32)"`'
        )
        raise SettingsError(key, problem)
    return value


def notice_key(secret: str) -> bytes:
    """Give the key in a secret of Standard Webhooks.

    Raises:
        ValueError: it isn't base64.
    """
    return binascii.a2b_base64(secret.removeprefix(NOTICE_SECRET_PREFIX), strict_mode=True)


def parse_site(key: str, value: str) -> str:
    """Read a site's name (`acme`), host (`acme.atlassian.net`) or address; give its address."""
    if not value:
        return ""
    host = f"{value}.atlassian.net" if _SITE_NAME.fullmatch(value) else value
    url = host if "://" in host else f"https://{host}"
    allowed = "a site's name, its host, or its https address without a path"
    if "/" in url.rstrip("/").partition("://")[2]:
        raise _wrong_url(key, value, allowed, "acme")
    return _check_url(key, value, url, allowed, "acme")


def parse_tenant(key: str, value: str) -> str:
    """Read the name of a tenant of ConductorOne, which is one label of a host name."""
    name = value.lower()
    if name and ("." in name or host_problem(f"{name}.conductor.one")):
        problem = f"is {value!r}: must be the first part of <tenant>.conductor.one"
        raise SettingsError(key, problem, "acme")
    return name


def _check_url(key: str, value: str, url: str, allowed: str, example: str) -> str:
    """Give an address that a key may be sent to, without a slash at its end."""
    url = url.rstrip("/")
    parts = _split(url)
    if parts is None:
        raise _wrong_url(key, value, allowed, example)
    if problem := _authority_problem(parts):
        raise SettingsError(key, f"is {value!r}, whose {problem}", example)
    return url


def _authority_problem(parts: SplitResult) -> str:
    """Say what is wrong with the host or port of an address; "" if nothing is."""
    host = parts.hostname or ""
    if parts.port == 0:
        return "port is 0, where nothing can listen"
    if "[" in parts.netloc and ":" not in host:
        return "host isn't an IPv6 address, which is what brackets are for"
    return host_problem(host)


def _wrong_url(key: str, value: str, allowed: str, example: str) -> SettingsError:
    # The text before an @ may be a password.
    quoted = "contains an @" if "@" in value else f"is {value!r}"
    return SettingsError(key, f"{quoted}: use {allowed}", example)


def _split(url: str) -> SplitResult | None:
    """Split an address, whatever its host; give None if a key may not be sent to it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    plain = bool(host) and not set("?#@") & set(url) and _HEADER_SAFE.fullmatch(url)
    return parts if secure and plain else None


def parse_email(key: str, value: str) -> str:
    """Check an e-mail that is sent with a password, without ever quoting it."""
    if value and not _EMAIL.fullmatch(value):
        raise SettingsError(key, "isn't an account's e-mail address", "bot@example.com")
    return value
