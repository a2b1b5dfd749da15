"""Host names and addresses: which are valid, and which mean this machine. No I/O."""

from __future__ import annotations

from ipaddress import IPv6Address  # urllib.parse has loaded it anyway

_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_OCTETS, _LARGEST_OCTET = 4, 255
_DIGITS = frozenset("0123456789")
_NAME_CHARACTERS = _DIGITS | frozenset("-.abcdefghijklmnopqrstuvwxyz")


def host_problem(host: str) -> str:
    """Say why no host in the Internet can have this name; "" if one can.

    Letters of other scripts have to be in the form that DNS uses (`xn--...`).
    """
    labels = host.lower().split(".")
    if ":" in host:
        problem = "" if _is_ipv6(host) else "host isn't an IPv6 address"
    elif not all(labels):
        problem = "host name begins or ends with a dot, or has two in a row"
    elif set(labels[-1]) <= _DIGITS or labels[-1].startswith("0x"):
        # If the last label is a number, every reader takes the host for an address.
        problem = "" if _is_ipv4(host) else "host isn't an IPv4 address"
    elif len(host) > _LONGEST_NAME:
        problem = f"host name has more than {_LONGEST_NAME} characters"
    elif any(len(label) > _LONGEST_LABEL for label in labels):
        problem = f"host name has more than {_LONGEST_LABEL} characters between two dots"
    elif not set(host.lower()) <= _NAME_CHARACTERS:
        problem = "host name contains something other than letters, digits, hyphens and dots"
    elif any(label[0] == "-" or label[-1] == "-" for label in labels):
        problem = "host name begins or ends with a hyphen, or has one beside a dot"
    else:
        problem = ""
    return problem


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine. No resolver is asked."""
    return host in {"localhost", "127.0.0.1", "::1"} or (host.startswith("127.") and _is_ipv4(host))


def _is_ipv4(host: str) -> bool:
    """Whether it is an address in its usual form: some readers take a leading 0 for octal."""
    octets = host.split(".")
    return len(octets) == _OCTETS and all(
        octet
        and set(octet) <= _DIGITS
        and octet == str(int(octet[:4]))
        and int(octet) <= _LARGEST_OCTET
        for octet in octets
    )


def _is_ipv6(host: str) -> bool:
    try:
        return not IPv6Address(host).scope_id  # a scope means something on one machine only
    except ValueError:
        return False
