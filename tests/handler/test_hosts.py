"""Which hosts a URL in the settings may have."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult

import pytest

from handler import setting_parsers
from handler.setting_parsers import SettingsError
from handler.settings import PLAIN_KEYS, PROVIDER_KEYS, load

ALL = {
    "INDENT_WEBHOOK_SECRET": "signing-secret-0123456789",
    **{key: f"k3y-of-{key}" for key in PROVIDER_KEYS},
    "JSM_SITE": "acme",
    "JSM_EMAIL": "bot@acme.example",
}


def refused(changes: Mapping[str, str]) -> SettingsError:
    """Give the error for these values, with every provider on."""
    with pytest.raises(SettingsError) as caught:
        load({**ALL, **changes})
    return caught.value


NOT_HOSTS = {
    "host name begins or ends with a dot, or has two in a row": (
        *("api..pagerduty.com", ".pagerduty.com", "api.pagerduty.com.", "...", "1..2.3"),
    ),
    "host name has more than 63 characters between two dots": (f"{'a' * 64}.example",),
    "host name has more than 253 characters": (".".join(["a" * 60] * 4 + ["a" * 10]),),
    "host name contains something other than letters, digits, hyphens and dots": (
        *("api_eu.example", "api!.example", "*.example", "a%20b", "api,eu.example"),
    ),
    "host name begins or ends with a hyphen, or has one beside a dot": (
        *("-api.example", "api-", "api.-eu.example", "api-.example", "-"),
    ),
    "host isn't an IPv4 address": (
        *("256.1.1.1", "1.2.3", "1.2.3.4.5", "127.1", "0x7f.0.0.1", "1.0x7f", "010.0.0.1", "1"),
        *("1.2.3.99999", "api.example.1"),
    ),
    "host isn't an IPv6 address": ("[::g]", "[1:2:3]", "[fe80::1%25eth0]"),
    "port is 0, where nothing can listen": ("api.example:0",),
}


@pytest.mark.parametrize(
    ("host", "problem"), [(host, problem) for problem, all_ in NOT_HOSTS.items() for host in all_]
)
def test_invalid_hosts(host: str, problem: str) -> None:
    """An invalid host is refused when settings are read, for every URL setting."""
    address = f"https://{host}/v2"
    for key in (key for key in PLAIN_KEYS if key.endswith("_BASE_URL")):
        error = refused({key: address})
        assert error.key == key
        if "[" not in host:  # some Python versions refuse these first
            assert str(error) == f"{key} is {address!r}, whose {problem}"
            assert error.example.startswith("https://")
    if "." in host:  # otherwise it's a site's name
        assert refused({"JSM_SITE": host}).key == "JSM_SITE"


@pytest.mark.parametrize(
    "host",
    [
        *("intranet", "api.eu.pagerduty.com", "xn--bcher-kva.example", "1e100.net", "a--b.example"),
        *("1.example", "255.255.255.255", "8.8.8.8", "[2001:db8::1]", "[::ffff:1.2.3.4]"),
        *(f"{'a' * 63}.example", ".".join(["a" * 60] * 4 + ["a" * 9]), "API.Example", "a:65535"),
    ],
)
def test_valid_hosts(host: str) -> None:
    """A valid host is accepted unchanged."""
    result = load({**ALL, "INCIDENTIO_BASE_URL": f"https://{host}"})
    assert result.providers["incidentio"]["INCIDENTIO_BASE_URL"] == f"https://{host}"


@pytest.mark.parametrize("host", ["[::g]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[127.0.0.1]"])
def test_brackets_are_for_ipv6(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets must hold an IPv6 address, even if the Python version doesn't check it."""
    lenient = SplitResult("https", host, "", "", "")
    monkeypatch.setattr(setting_parsers, "urlsplit", lambda _url: lenient)
    assert "IPv6 address" in str(refused({"INCIDENTIO_BASE_URL": "https://x"}))
