"""The function's log: out of a file, standard input, or a log group of CloudWatch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ops.errors import CommandError
from ops.world import World
from policy.log_lines import Log, read_log

STANDARD_INPUT = "-"
# Of CreateLogGroup, in the API reference of CloudWatch Logs.
_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")
_NOT_UTF_8 = re.compile(r"[\udc80-\udcff]")
_CREDENTIALS = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (`aws sso login`)"


def log_of_file(name: str, world: World) -> Log:
    """Read the records of a file, or of standard input; `-` is that.

    Raises:
        CommandError: it cannot be read, or holds no line of the function's.
    """
    try:
        # A byte that is not UTF-8 makes its own line unreadable, and no other.
        if name == STANDARD_INPUT:
            if reconfigure := getattr(world.stdin, "reconfigure", None):
                reconfigure(encoding="utf-8", errors="surrogateescape")
            text = world.stdin.read()
        else:
            path = world.folder / Path(name)
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError:
        raise CommandError(f"{name} cannot be read: it isn't the name of a file") from None
    log = read_log(text.split("\n"))
    if not (log.records or log.unreadable):
        said = "holds no line of the function's log"
        if _NOT_UTF_8.search(text):
            said = "cannot be read: it isn't text in UTF-8"
        raise CommandError(f"{name} {said}")
    return log


def unreadable(log: Log) -> str:
    """Say how many lines could not be read."""
    lines = "1 line" if log.unreadable == 1 else f"{log.unreadable} lines"
    return f"{lines} could not be read: cut off, damaged, or of an older form"


def log_of_group(
    name: str, since: datetime, until: datetime, environment: Mapping[str, str]
) -> Log:
    """Read the records of a log group, page by page.

    Raises:
        CommandError: AWS cannot be asked, or refuses.
    """
    if not _GROUP.fullmatch(name):
        raise CommandError(f"--log-group is {name!r}: it isn't a valid name of a log group")
    # Slow to load, and of use here only.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415

    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    try:
        pages = (
            boto3.session.Session(region_name=region)
            .client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=name,
                startTime=_milliseconds(since),
                endTime=_milliseconds(until),
            )
        )
        return read_log(each["message"] for page in pages for each in page["events"])
    except ClientError as error:
        said = error.response["Error"].get("Code", "an error")
        raise CommandError(f"the log group {name} cannot be read: AWS says {said}") from None
    except NoCredentialsError:
        raise CommandError(f"AWS cannot be asked without credentials: {_CREDENTIALS}") from None
    except BotoCoreError as error:
        raise CommandError(f"AWS cannot be asked: {error}") from None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
