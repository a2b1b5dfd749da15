"""Environment and secret, read once into one validated value. No I/O.

The Pulumi program reads its stack config with the same functions, so that what the function
would refuse at start is refused at `pulumi preview`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from handler import durations
from handler.folding import unseen_in
from handler.json_fields import ShapeError
from handler.providers.registry import PROVIDERS, Provider
from handler.rules.model import (
    LONGEST_APPROVAL,
    LONGEST_GRACE,
    Policy,
    ShiftEnd,
    policy_from_settings,
)

SIGNING_KEYS = ("INDENT_WEBHOOK_SECRET", "INDENT_WEBHOOK_SECRET_PREVIOUS")
PROVIDER_KEYS = tuple(each.key for each in PROVIDERS)
SECRET_KEYS = (*SIGNING_KEYS, *PROVIDER_KEYS)
# The name that this setting once had.
OLDER_SCHEDULES = "AUTO_APPROVAL_PAGERDUTY_SCHEDULES"
SCHEDULES, POLICY = "AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_POLICY"
ROLES, LABELS = "AUTO_APPROVAL_INCIDENTIO_ROLES", "AUTO_APPROVAL_RESOURCE_LABELS"
END_WITH_SHIFT = "AUTO_APPROVAL_END_WITH_SHIFT"
LISTS = (SCHEDULES, OLDER_SCHEDULES, ROLES, LABELS)
# What a policy file says itself.
BESIDE_POLICY = (*LISTS, END_WITH_SHIFT)
DEFAULTS = {
    "AUTO_APPROVAL_DURATION": "6",
    "WEBHOOK_MAX_AGE": "300",
    **{key: value for each in PROVIDERS for key, value in each.settings.items() if value},
}
PLAIN_KEYS = (
    "AUTO_APPROVAL_DURATION",
    POLICY,
    SCHEDULES,
    OLDER_SCHEDULES,
    ROLES,
    LABELS,
    END_WITH_SHIFT,
    "AUTO_APPROVAL_DRY_RUN",
    "INCIDENTIO_APPROVE_PARTICIPANTS",
    "INCIDENTIO_APPROVE_SELF_DECLARED",
    "WEBHOOK_MAX_AGE",
    *(key for each in PROVIDERS for key in each.settings),
)
SHORTEST_SECRET, LONGEST_MAX_AGE = 16, 3600
_LONGEST_HOST, _LONGEST_LABEL = 253, 63

_T = TypeVar("_T")
_NONE: Mapping[str, str | None] = MappingProxyType({})
_SWITCHES = {
    **dict.fromkeys(("yes", "y", "on", "1", "t"), "true"),
    **dict.fromkeys(("no", "n", "off", "0", "f"), "false"),
}
_HOURS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_OCTETS, _LARGEST_OCTET = 4, 255
_DIGITS = frozenset("0123456789")
_OF_A_HOST = _DIGITS | frozenset("-.abcdefghijklmnopqrstuvwxyz")
_HEADER_SAFE = re.compile(r"[!-~]+")
_SITE_NAME = re.compile(r"[A-Za-z0-9-]+")
# What comes before a colon is the name that a password belongs to.
_EMAIL = re.compile(r"[!-9;-?A-~]+@[!-9;-?A-~]+")
# A quote, of a keyboard or an editor, or the brackets of a list or map.
_MAYBE_LITERAL = re.compile(
    "['\"`\u2018-\u201f\u2032\u2033\u2039\u203a\xab\xbb\uff02\uff07]|^[\\[{].*[\\]}]$", re.DOTALL
)


class SettingsError(ValueError):
    """A setting has a wrong value: which one, what is wrong, and how it is mended.

    The sentence never holds the value of a secret.

    Attributes:
        key: the setting's name.
        example: a right value, or empty where there can be none (secrets).
        fixes: settings, each with the value to give it, or None to take it out: doing so for any
            one of them is certain to mend this.
        problems: all that is wrong: this alone, unless several settings are.
    """

    def __init__(
        self, key: str, problem: str, example: str = "", fixes: Mapping[str, str | None] = _NONE
    ) -> None:
        super().__init__(f"{key} {problem}")
        self.key = key
        self.example = example
        self.fixes = fixes
        self.problems: tuple[SettingsError, ...] = (self,)


class WrongSettingsError(SettingsError):
    """Several settings have wrong values. The sentence begins with the names of all of them."""

    def __init__(self, problems: Iterable[SettingsError]) -> None:
        found = tuple(problems)
        keys = ", ".join(dict.fromkeys(each.key for each in found))
        super().__init__(keys, f"are wrong: {'; '.join(map(str, found))}")
        self.problems = found


class Problems(list[SettingsError]):
    """Collects what is wrong with settings, so that all of it is reported at once."""

    def read(self, parse: Callable[..., _T], *arguments: object) -> _T:
        """Parse a setting; where it is wrong, note that.

        What is returned then is None, whatever the type says: `check` comes before any use of it.
        """
        try:
            return parse(*arguments)
        except SettingsError as error:
            self.extend(error.problems)
        return None  # type: ignore[return-value] # as the docstring says

    def check(self) -> None:
        """Raise what was collected, if anything.

        Raises:
            SettingsError: for all of it.
        """
        if self:
            raise self[0] if len(self) == 1 else WrongSettingsError(self)


class Settings(NamedTuple):
    """All that a call needs to know.

    Attributes:
        webhook_secrets: the current one, then the previous.
        providers: of each provider that is on, by its id, its settings, the key among them.
    """

    webhook_secrets: tuple[str, ...]
    providers: Mapping[str, Mapping[str, str]]
    dry_run: bool
    policy: Policy

    def __repr__(self) -> str:
        """Hide the secrets, wherever the value is printed."""
        return f"Settings(policy={self.policy!r}, ...)"


def load(values: Mapping[str, str], policy: str | None = None) -> Settings:
    """Validate the plain and the secret settings together; an empty value counts as unset.

    Args:
        values: the settings.
        policy: what the file holds that `AUTO_APPROVAL_POLICY` names.

    Raises:
        SettingsError: for all wrong values.
    """
    problems = Problems()
    _check_beside(values, problems)
    read = {key: problems.read(parse_text, key, values.get(key, "")) for key in PLAIN_KEYS}
    read = {key: value or DEFAULTS.get(key, "") for key, value in read.items()}
    secrets = {key: problems.read(parse_secret, key, values.get(key, "")) for key in SECRET_KEYS}
    if not values.get("INDENT_WEBHOOK_SECRET"):
        problem = "is not set: it is the webhook's signing secret, from Indent"
        problems.append(SettingsError("INDENT_WEBHOOK_SECRET", problem))
    if not any(values.get(key) for key in PROVIDER_KEYS):
        problem = (
            f"is not set, nor is {' or '.join(PROVIDER_KEYS[1:])}: "
            "at least one provider's key is needed to see who is on duty"
        )
        problems.append(SettingsError(PROVIDER_KEYS[0], problem))
    # Also of those that are off: what is wrong with them would show when they are switched on.
    providers = {each.id: _provider(each, read, secrets[each.key], problems) for each in PROVIDERS}
    problems.read(max_age, values)  # read where it is needed; refused here with all the others
    dry_run = problems.read(parse_switch, "AUTO_APPROVAL_DRY_RUN", read["AUTO_APPROVAL_DRY_RUN"])
    loaded = _policy(read, policy, problems)
    problems.check()
    return Settings(
        webhook_secrets=tuple(secrets[key] for key in SIGNING_KEYS if secrets[key]),
        providers={each.id: providers[each.id] for each in PROVIDERS if secrets[each.key]},
        dry_run=dry_run,
        policy=loaded,
    )


def _check_beside(values: Mapping[str, str], problems: Problems) -> None:
    """Refuse settings of which one says what the other says, too."""
    given = [key for key in BESIDE_POLICY if values.get(key, "").strip()]
    if values.get(END_WITH_SHIFT, "").strip().lower() == "false":
        given.remove(END_WITH_SHIFT)
    if {SCHEDULES, OLDER_SCHEDULES} <= {*given}:
        problem = f"is set beside {SCHEDULES}, whose older name it is: leave one of them out"
        either = dict.fromkeys((OLDER_SCHEDULES, SCHEDULES))
        problems.append(SettingsError(OLDER_SCHEDULES, problem, fixes=either))
    if values.get(POLICY, "").strip():
        for key in given:
            problem = f"is set beside {key}: a policy file says that, too, so leave one of them out"
            problems.append(SettingsError(POLICY, problem, fixes=dict.fromkeys((key, POLICY))))


def _provider(
    provider: Provider, read: Mapping[str, str], key: str, problems: Problems
) -> dict[str, str]:
    settings = {provider.key: key}
    for name in provider.settings:
        settings[name] = value = read[name]
        if key and name in provider.required and not value:
            problems.append(SettingsError(name, f"is not set: {provider.key} needs it"))
        for ending, parse in _BY_ENDING.items():
            if value and name.endswith(ending):
                settings[name] = problems.read(parse, name, value)
    return settings


def _policy(read: Mapping[str, str], text: str | None, problems: Problems) -> Policy:
    def parsed(key: str, parse: Callable[[str, str], _T]) -> _T:
        return problems.read(parse, key, read[key])

    self_declared = parsed("INCIDENTIO_APPROVE_SELF_DECLARED", parse_switch)
    duration = parsed("AUTO_APPROVAL_DURATION", parse_duration)
    participants = parsed("INCIDENTIO_APPROVE_PARTICIPANTS", parse_switch)
    older, named = parsed(OLDER_SCHEDULES, parse_list), parsed(SCHEDULES, parse_list)
    roles, labels = parsed(ROLES, parse_list), parsed(LABELS, parse_labels)
    shift_end = parsed(END_WITH_SHIFT, parse_shift_end)
    if not read[POLICY]:
        return policy_from_settings(
            duration,
            named or older,
            roles,
            labels,
            participants=participants,
            self_declared=self_declared,
            shift_end=shift_end,
        )
    return problems.read(_policy_of_file, read[POLICY], text, self_declared)


def _policy_of_file(name: str, text: str | None, self_declared: bool) -> Policy:  # noqa: FBT001 - `Problems.read` passes positions
    if text is None:
        raise SettingsError(POLICY, f"is {name!r}, but that file is not here")
    from handler.rules.codec import read_policy  # noqa: PLC0415 - only where a file is named

    try:
        return read_policy(text, self_declared=self_declared)
    except ShapeError as error:
        raise SettingsError(POLICY, f"names a file that cannot be used: {error}") from None


def parse_text(key: str, value: str) -> str:
    """Trim a plain setting; refuse quotes around it, and what Pulumi makes of a list or a map."""
    text = value.strip()
    if _MAYBE_LITERAL.search(text):
        from handler.literals import check_no_literal  # noqa: PLC0415 - hardly ever needed

        check_no_literal(key, text)
    return text


def parse_secret(key: str, value: str) -> str:
    """Check a secret without ever quoting it. Empty means unset."""
    if not value:
        return ""
    if value != value.strip():
        raise SettingsError(key, "begins or ends with white space", "")
    if key in PROVIDER_KEYS:
        # It travels in a header: a line break in it would be another header.
        if not _HEADER_SAFE.fullmatch(value):
            raise SettingsError(key, "holds a character that no API key has", "")
    elif len(value) < SHORTEST_SECRET:
        problem = f"has {len(value)} characters: at least {SHORTEST_SECRET} are needed"
        raise SettingsError(key, problem, "")
    return value


def parse_duration(key: str, value: str) -> timedelta:
    """Read hours (`3`, `1.5`) or a duration with units (`1h30m`), cut down to whole seconds."""
    duration = _approval(f"{value}h" if _HOURS.fullmatch(value) else value)
    if duration is not None:
        return timedelta(seconds=duration // timedelta(seconds=1))
    from handler.duration_hints import nearest  # noqa: PLC0415 - only where it is wrong

    # No other length is proposed: whoever copies it would grant it.
    if _approval(near := nearest(value) or nearest(f"{value}h")):
        raise SettingsError(key, f"is {value!r}; did you mean {near}?", near, {key: near})
    allowed = "use hours (for example 3 or 1.5) or units (for example 90m or 1h30m)"
    raise SettingsError(key, f"is {value!r}: {allowed}, above 0 and at most 168 hours", "")


def _approval(text: str) -> timedelta | None:
    """Read a duration for which an approval may last; None for any other text."""
    duration = durations.parse_duration(text) or timedelta(0)
    return duration if timedelta(seconds=1) <= duration <= LONGEST_APPROVAL else None


def parse_list(key: str, value: str) -> tuple[str, ...]:
    """Split at commas and trim; duplicates count once. Empty means unset."""
    entries = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if value and not entries:
        # `,` read as "no list" would let every duty count.
        raise SettingsError(key, f"is {value!r}: names nothing between its commas", "DBA, API")
    if unseen := unseen_in("".join(entries)):
        problem = f"holds U+{ord(unseen):04X}, which cannot be seen: leave it out, or use an id"
        raise SettingsError(key, problem, "")
    return entries


def parse_labels(key: str, value: str) -> tuple[tuple[str, str], ...]:
    """Read `Env=Prod, Team=DB` as pairs. Empty means unset."""
    labels: dict[str, str] = {}
    for entry in parse_list(key, value):
        name, equals, wanted = (part.strip() for part in entry.partition("="))
        if not (name and equals and wanted):
            problem = f"holds {entry!r}: each entry must be a label and its value"
            raise SettingsError(key, problem, "Env=Prod, Team=DB")
        if labels.setdefault(name, wanted) != wanted:
            raise SettingsError(key, f"asks two values of the label {name!r}", "Env=Prod")
    return tuple(labels.items())


def parse_switch(key: str, value: str) -> bool:
    """Read `true` or `false`, in any case. Empty means false."""
    if value.lower() not in {"", "true", "false"}:
        meant = _SWITCHES.get(value.lower(), "")
        raise SettingsError(key, f"is {value!r}: must be true or false", meant)
    return value.lower() == "true"


def parse_shift_end(key: str, value: str) -> ShiftEnd | None:
    """Read `true`, `false` or a grace in whole seconds (`15m`). Empty means false, None."""
    if value.lower() in {"", "true", "false"}:
        return ShiftEnd() if value.lower() == "true" else None
    # A bare 0 may be meant as false.
    grace = durations.parse_duration(value) if value[-1].isalpha() else None
    nothing = timedelta(0)
    if grace is None or not nothing <= grace <= LONGEST_GRACE or grace % timedelta(seconds=1):
        allowed = "true, false, or a grace in whole seconds with its unit (15m), at most 24h"
        raise SettingsError(key, f"is {value!r}: must be {allowed}", "15m")
    return ShiftEnd(grace)


def parse_whole(key: str, value: str, least: int, most: int, example: str) -> int:
    """Read a whole number within bounds."""
    if not _WHOLE.fullmatch(value) or not least <= int(value) <= most:
        problem = f"is {value!r}: must be a whole number from {least} to {most}"
        raise SettingsError(key, problem, example)
    return int(value)


def max_age(values: Mapping[str, str]) -> timedelta:
    """Read `WEBHOOK_MAX_AGE` alone, which is needed before any secret is.

    In whole seconds, at most an hour: the longer, the longer a stolen call can be replayed.
    """
    key = "WEBHOOK_MAX_AGE"
    value = values.get(key, "").strip() or DEFAULTS[key]
    return timedelta(seconds=parse_whole(key, value, 1, LONGEST_MAX_AGE, DEFAULTS[key]))


def parse_base_url(key: str, value: str) -> str:
    """Accept https, or http on loopback: the API key travels there."""
    url = value.rstrip("/")
    parts = _address(url)
    if parts is None:
        allowed = "an https address, or http on loopback, without user, query or fragment"
        # What stands before an @ may be a password.
        said = "holds an @" if "@" in url else f"is {value!r}"
        raise SettingsError(key, f"{said}: allowed is {allowed}", DEFAULTS.get(key, ""))
    _check_host(key, value, parts, DEFAULTS.get(key, ""))
    return url


def parse_site(key: str, value: str) -> str:
    """Read a site's name (`acme`), host (`acme.atlassian.net`) or address as its address."""
    host = f"{value}.atlassian.net" if _SITE_NAME.fullmatch(value) else value
    url = (host if "://" in host else f"https://{host}").rstrip("/")
    parts = _address(url)
    if parts is None or parts.path:
        said = "holds an @" if "@" in value else f"is {value!r}"
        allowed = "a site's name, its host, or its https address without a path"
        raise SettingsError(key, f"{said}: allowed are {allowed}", "acme")
    _check_host(key, value, parts, "acme")
    return url


def _address(url: str) -> SplitResult | None:
    """Take an address apart that a key may travel to, whatever its host; None of another."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    plain = bool(host) and not set("?#@") & set(url) and _HEADER_SAFE.fullmatch(url)
    return parts if secure and plain else None


def _check_host(key: str, value: str, parts: SplitResult, example: str) -> None:
    problem = host_problem(parts.hostname or "")
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        problem = "host isn't an IPv6 address, which is what brackets are for"
    if parts.port == 0:
        problem = "port is 0, where nothing can listen"
    if problem:
        raise SettingsError(key, f"is {value!r}, whose {problem}", example)


def host_problem(host: str) -> str:
    """Say why nothing in the Internet can be called so, or "" where something can.

    Letters of other scripts are written as DNS has them (`xn--...`).
    """
    labels = host.lower().split(".")
    if ":" in host:
        problem = "" if _is_ipv6(host) else "host isn't an IPv6 address"
    elif not all(labels):
        problem = "host name begins or ends with a dot, or has two in a row"
    elif set(labels[-1]) <= _DIGITS or labels[-1].startswith("0x"):
        # Which is how every reader tells an address from a name.
        problem = "" if _is_ipv4(host) else "host isn't an IPv4 address"
    elif len(host) > _LONGEST_HOST:
        problem = f"host name has more than {_LONGEST_HOST} characters"
    elif any(len(each) > _LONGEST_LABEL for each in labels):
        problem = f"host name has more than {_LONGEST_LABEL} characters between two dots"
    elif not set(host.lower()) <= _OF_A_HOST:
        problem = "host name holds something other than letters, digits, hyphens and dots"
    elif any(each[0] == "-" or each[-1] == "-" for each in labels):
        problem = "host name begins or ends with a hyphen, or has one beside a dot"
    else:
        problem = ""
    return problem


def _is_ipv4(host: str) -> bool:
    """Whether it is an address in its one usual form: some read a leading 0 as octal."""
    octets = host.split(".")
    return len(octets) == _OCTETS and all(
        each and set(each) <= _DIGITS and each == str(int(each[:4])) and int(each) <= _LARGEST_OCTET
        for each in octets
    )


def _is_ipv6(host: str) -> bool:
    from ipaddress import IPv6Address  # noqa: PLC0415 - slow to load, and rare

    try:
        return not IPv6Address(host).scope_id  # a scope means something on one machine only
    except ValueError:
        return False


def parse_email(key: str, value: str) -> str:
    """Check an e-mail that travels before a password, without ever quoting it."""
    if not _EMAIL.fullmatch(value):
        raise SettingsError(key, "is not the e-mail of an account", "bot@example.com")
    return value


_BY_ENDING = {"_BASE_URL": parse_base_url, "_SITE": parse_site, "_EMAIL": parse_email}


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, without asking a resolver."""
    return host in {"localhost", "127.0.0.1", "::1"} or (host.startswith("127.") and _is_ipv4(host))
