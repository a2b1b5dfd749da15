"""The function's log: out of a file, standard input, or a log group of CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.errors import CommandError
from ops.world import World

Record = dict[str, Any]
STANDARD_INPUT = "-"
_CREDENTIALS = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (`aws sso login`)"


def records_of_file(name: str, world: World) -> list[Record]:
    """Read the records of a file, or of standard input; `-` is that.

    Raises:
        CommandError: it cannot be read, or holds no record.
    """
    try:
        if name == STANDARD_INPUT:
            found = list(read_records(world.stdin))
        else:
            with (world.folder / Path(name)).open(encoding="utf-8") as file:
                found = list(read_records(file))
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} cannot be read: it is no text in UTF-8") from None
    if not found:
        raise CommandError(f"{name} holds no line of the function's log")
    return found


def read_records(lines: Iterable[str]) -> Iterator[Record]:
    """Find the function's records among lines; whatever else they hold is passed over.

    A line may be the record itself, have a time and a stream before it (`aws logs tail`), or hold
    it as the message of a CloudWatch event.
    """
    for line in lines:
        brace = line.find("{")
        value = _parsed(line[brace:]) if brace >= 0 else None
        if value and str(value.get("message", "")).startswith("{"):
            value = _parsed(value["message"])
        if value and isinstance(value.get("message"), str) and "level" in value:
            yield value


def _parsed(text: str) -> Record | None:
    with suppress(ValueError, RecursionError):
        # What follows the value is passed over: exports put lines in lists.
        value, _ = json.JSONDecoder().raw_decode(text)
        if isinstance(value, dict):
            return value
    return None


def records_of_group(
    name: str, since: datetime, until: datetime, environment: Mapping[str, str]
) -> list[Record]:
    """Read the records of a log group, page by page.

    Raises:
        CommandError: AWS cannot be asked, or refuses.
    """
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
        return list(read_records(each["message"] for page in pages for each in page["events"]))
    except ClientError as error:
        said = error.response["Error"].get("Code", "an error")
        raise CommandError(f"the log group {name} cannot be read: AWS says {said}") from None
    except NoCredentialsError:
        raise CommandError(f"AWS cannot be asked without credentials: {_CREDENTIALS}") from None
    except BotoCoreError as error:
        raise CommandError(f"AWS cannot be asked: {error}") from None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
