"""The function's log: from a file, standard input, or a log group of CloudWatch."""

from __future__ import annotations

import argparse
import gzip
import io
import re
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import IO

from auditlog.reader import Log, read_log
from auditlog.report import is_since
from cli.context import Context
from cli.errors import CommandError
from cli.target import find_log_group
from policy.terminal import counted

STANDARD_INPUT = "-"
# No approval lasts longer (`LONGEST_APPROVAL`).
WEEK = timedelta(days=7)
# Hundreds of thousands of decisions.
MOST_BYTES = 1024**3
_NOT_UTF_8 = re.compile(r"[\udc80-\udcff]")
# From CreateLogGroup, in the API reference of CloudWatch Logs.
_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")
_CREDENTIALS = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (`aws sso login`)"
_REGION = "export AWS_REGION, for example eu-west-1, or give --stack NAME instead of --log-group"
_HOW = "get them with `aws logs tail LOG_GROUP --since 7d > week.log`"
_GZIP = b"\x1f\x8b"
# By the first bytes of a file.
_PACKED = {
    _GZIP: "packed with gzip twice: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or export CSV",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
}
# Where PowerShell redirects the output of a command.
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def log_of(args: argparse.Namespace, context: Context) -> Log:
    """Read the log that the options name: a file, a log group, or else that of a stack.

    Raises:
        CommandError: it cannot be read.
    """
    now = context.clock.now()
    try:
        since = now - (args.since or WEEK)
    except OverflowError:
        raise CommandError("--since goes back too far") from None
    if args.file is not None:
        log = log_of_file(args.file, context)
        if args.since is None:
            return log
        return log._replace(records=[record for record in log.records if is_since(record, since)])
    if args.log_group is not None:
        return log_of_group(args.log_group, since, now, context.environment)
    group, region = find_log_group(args.stack, context)
    return log_of_group(group, since, now, context.environment, region)


def log_of_file(name: str, context: Context) -> Log:
    """Read the records of a file, or of standard input (`-`).

    Raises:
        CommandError: it cannot be read, or has no line of the function's log.
    """
    title = title_of(name)
    try:
        if name == STANDARD_INPUT:
            text = _text(_unpacked(context.stdin.buffer, title), title)
        else:
            with (context.folder / name).open("rb") as file:
                text = _text(_unpacked(file, title), title)
    except OSError as error:
        raise CommandError(f"{title} cannot be read: {error.strerror}") from None
    except ValueError:
        raise CommandError(f"{title} cannot be read: it isn't the name of a file") from None
    log = read_log(text)
    if log.records or log.unreadable:
        return log
    if _NOT_UTF_8.search(text):
        raise CommandError(f"{title} cannot be read: it isn't text in UTF-8")
    why = f": {log.gaps[0]}" if log.gaps else f"; {_HOW}"
    raise CommandError(f"{title} has no line of the function's log{why}")


def _unpacked(file: IO[bytes], title: str) -> bytes:
    data = file.read(MOST_BYTES + 1)
    if data.startswith(_GZIP):
        try:
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(MOST_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            problem = "its gzip data is damaged or cut off"
            raise CommandError(f"{title} cannot be read: {problem}") from None
    if len(data) > MOST_BYTES:
        raise CommandError(f"{title} has more than {MOST_BYTES // 2**20} MiB: split it")
    for magic, what in _PACKED.items():
        if data.startswith(magic):
            raise CommandError(f"{title} is {what}")
    return data


def _text(data: bytes, title: str) -> str:
    if not data.startswith(_UTF_16):
        # A byte that is not UTF-8 makes only its own line unreadable.
        return data.decode(errors="surrogateescape")
    try:
        return data.decode("utf-16")
    except UnicodeError:
        raise CommandError(f"{title} cannot be read: it isn't text in UTF-16") from None


def title_of(name: str) -> str:
    """Give the name of a file in messages."""
    return "stdin" if name == STANDARD_INPUT else name


def remarks(log: Log) -> list[str]:
    """Say how many lines could not be read, and what else is missing, if anything."""
    gaps = [f"part of the log is missing: {gap}" for gap in log.gaps]
    if log.unreadable:
        lines = counted(log.unreadable, "line")
        gaps.insert(0, f"{lines} could not be read: cut off, damaged, or in an older form")
    return gaps


def log_of_group(
    name: str, since: datetime, until: datetime, environment: Mapping[str, str], region: str = ""
) -> Log:
    """Read the records of a log group; without a region, in that of the environment.

    Raises:
        CommandError: AWS cannot be reached, or refuses.
    """
    if not _GROUP.fullmatch(name):
        raise CommandError(f"--log-group is {name!r}: it isn't a valid name of a log group")
    # Slow to load, and only needed here.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
    )

    region = region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    try:
        pages = (
            boto3.session.Session(region_name=region or None)
            .client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=name,
                startTime=_milliseconds(since),
                endTime=_milliseconds(until),
            )
        )
        return read_log("\n".join(event["message"] for page in pages for event in page["events"]))
    except ClientError as error:
        code = error.response["Error"].get("Code", "an error")
        raise CommandError(f"the log group {name} cannot be read: AWS answers {code}") from None
    except NoCredentialsError:
        raise CommandError(f"AWS credentials are missing: {_CREDENTIALS}") from None
    except NoRegionError:
        raise CommandError(f"no AWS region is set: {_REGION}") from None
    except BotoCoreError as error:
        raise CommandError(f"the log group {name} cannot be read: {error}") from None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
