"""Parsers for arguments: people, resources, labels, durations and times."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from handler import emails
from handler.callers import CALLERS
from handler.durations import parse_duration, parse_instant
from handler.request import ACCESS, Request, Resource
from infra.stack_file import is_stack_name
from policy.duration_hints import typed_duration

_WITH_NAMES = tuple(entry.name for entry in CALLERS if entry.maps_names)
_NO_SECONDS = re.compile(r"([0-9-]{10}[Tt][0-9]{2}:[0-9]{2})([Zz+-].*)")


def _unicode(text: str) -> str:
    """Refuse bytes that are not UTF-8, since JSON cannot hold them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} isn't text in UTF-8") from None
    return text


def email(text: str) -> str:
    """Read an e-mail address."""
    _unicode(text)
    if "@" not in text.strip("@ "):
        raise argparse.ArgumentTypeError(
            f"{text!r} isn't an e-mail address, for example jane@example.com"
        )
    return emails.normal(text)


class Requester(NamedTuple):
    """A requester: an e-mail in normal form, or else a name by which a caller knows them."""

    email: str = ""
    caller: str = ""
    name: str = ""


def requester(text: str) -> Requester:
    """Read an e-mail address, or `CALLER:NAME`; a name with an @ is an address there as well."""
    caller, _, name = _unicode(text).partition(":")
    is_callers = caller in _WITH_NAMES and bool(name.strip())
    if is_callers and not emails.has_at(name):
        return Requester(caller=caller, name=name)
    try:
        return Requester(email(name if is_callers else text))
    except argparse.ArgumentTypeError as error:
        example = f"{_WITH_NAMES[0]}:jane"
        raise argparse.ArgumentTypeError(
            f"{error}, nor a caller's name for somebody, for example {example}"
        ) from None


def resource(text: str) -> tuple[str, str]:
    """Read `KIND:ID`; the id may contain more colons."""
    kind, _, id_ = _unicode(text).partition(":")
    if not (kind.strip() and id_.strip()):
        raise argparse.ArgumentTypeError(
            f"{text!r} isn't KIND:ID, for example postgres.v1.Role:db-1"
        )
    return kind, id_


def label(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`."""
    name, equals, value = _unicode(text).partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} isn't NAME=VALUE, for example Env=Prod")
    return name, value


def action(text: str) -> str:
    """Read the name of an action."""
    if not _unicode(text).strip():
        raise argparse.ArgumentTypeError(
            f"{text!r} isn't the name of an action, for example deploy"
        )
    return text


def stack(text: str) -> str:
    """Read the name of a stack."""
    # Anything else could name a file other than Pulumi.NAME.yaml.
    if not is_stack_name(text):
        problem = "isn't a valid stack name: use letters, digits, -, _ and ., for example dev"
        raise argparse.ArgumentTypeError(f"{text!r} {problem}")
    return text


def file(text: str) -> str:
    """Read the name of a file; an empty one would be the folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' isn't the name of a file")
    return text


def policy(text: str) -> Path:
    """Read the name of a policy file."""
    return Path(file(text))


def duration(text: str) -> timedelta:
    """Read a duration of a second or more."""
    try:
        return typed_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def moment(text: str) -> datetime | timedelta:
    """Read an instant, or how far ahead it is (`+2h`)."""
    if text.startswith("+"):
        ahead = parse_duration(text[1:])
        if ahead is not None and ahead >= timedelta(0):
            return ahead
    read = parse_instant(_NO_SECONDS.sub(r"\1:00\2", text))
    if read is None:
        example = "2026-03-04T14:00Z or +2h"
        raise argparse.ArgumentTypeError(
            f"{text!r} isn't a time with a zone, for example {example}"
        )
    return read


def request(
    requester: str,
    resources: list[tuple[str, str]],
    labels: list[tuple[str, str]],
    requested_duration: timedelta | None = None,
    *,
    action: str = ACCESS,
) -> Request:
    """Make a request as the access system would; each resource has all labels."""
    return Request(
        Resource(email=requester),
        tuple(Resource(kind, id_, labels=dict(labels)) for kind, id_ in resources),
        requested_duration,
        action=action,
    )
