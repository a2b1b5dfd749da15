"""Reading what is typed: people, resources, labels, durations and times."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from pathlib import Path

from handler import emails
from handler.durations import parse_duration, parse_instant
from handler.request import ACCESS, Request, Resource
from infra.stack_file import is_stack_name
from policy.duration_hints import typed_duration

_NO_SECONDS = re.compile(r"([0-9-]{10}[Tt][0-9]{2}:[0-9]{2})([Zz+-].*)")


def _unicode(text: str) -> str:
    """Refuse what no JSON can hold: bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} isn't text in UTF-8") from None
    return text


def email(text: str) -> str:
    """Read an e-mail address."""
    _unicode(text)
    if "@" not in text.strip("@ "):
        raise argparse.ArgumentTypeError(f"{text!r} is no e-mail address")
    return emails.normal(text)


def resource(text: str) -> tuple[str, str]:
    """Read `KIND:ID`; the id may hold more colons."""
    kind, _, id_ = _unicode(text).partition(":")
    if not (kind.strip() and id_.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is no KIND:ID, such as postgres.v1.Role:db-1")
    return kind, id_


def label(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`."""
    name, equals, value = _unicode(text).partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE, such as Env=Prod")
    return name, value


def action(text: str) -> str:
    """Read the name of an action."""
    if not _unicode(text).strip():
        raise argparse.ArgumentTypeError(f"{text!r} isn't the name of an action, such as deploy")
    return text


def stack(text: str) -> str:
    """Read the name of a stack."""
    # Anything else could name another file than Pulumi.NAME.yaml.
    if not is_stack_name(text):
        problem = "isn't a valid name of a stack: use letters, digits, -, _ and ., for example dev"
        raise argparse.ArgumentTypeError(f"{text!r} {problem}")
    return text


def file(text: str) -> str:
    """Read the name of a file; an empty one would mean a folder."""
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
    """Read an instant, or how far it lies ahead (`+2h`)."""
    if text.startswith("+"):
        ahead = parse_duration(text[1:])
        if ahead is not None and ahead >= timedelta(0):
            return ahead
    read = parse_instant(_NO_SECONDS.sub(r"\1:00\2", text))
    if read is None:
        example = "2026-03-04T14:00Z or +2h"
        raise argparse.ArgumentTypeError(f"{text!r} is no time with its zone, such as {example}")
    return read


def for_a_policy(parser: argparse.ArgumentParser, *, asks: bool = True) -> None:
    """Add what says by which policy, and in which form the answer comes."""
    parser.add_argument(
        "--policy", type=policy, metavar="FILE", help="by this policy file, whatever else is set"
    )
    parser.add_argument(
        "--stack",
        type=stack,
        metavar="NAME",
        help="by the plain settings of Pulumi.NAME.yaml, not one's own",
    )
    parser.set_defaults(asks=asks)
    for_scripts(parser)


def for_labels(parser: argparse.ArgumentParser, help_: str) -> None:
    """Add the option that gives labels of what is requested."""
    parser.add_argument(
        "--label", action="append", default=[], type=label, metavar="NAME=VALUE", help=help_
    )


def for_an_action(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what is to be done with what is requested."""
    parser.add_argument(
        "--action",
        default=ACCESS,
        type=action,
        metavar="ACTION",
        help=f"what to do with it; {ACCESS} if left out",
    )


def for_scripts(parser: argparse.ArgumentParser) -> None:
    """Add the switch that makes the answer JSON."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for a script")


def request(
    who: str,
    resources: list[tuple[str, str]],
    labels: list[tuple[str, str]],
    asked: timedelta | None = None,
    *,
    action: str = ACCESS,
) -> Request:
    """Make a request as the access system would: the labels are on each resource."""
    carried = dict(labels)
    return Request(
        Resource(email=who),
        tuple(Resource(kind, id_, labels=carried) for kind, id_ in resources),
        asked,
        action=action,
    )
