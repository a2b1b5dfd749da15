"""The function's log: out of a file, standard input, or a log group of CloudWatch."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from auditlog.log_forms import LONGEST_LINE, Log, read_log
from cli.context import World
from cli.errors import CommandError
from policy.terminal import counted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = "-"
# Bytes that an export of S3 may unpack to: hundreds of thousands of decisions.
MOST_UNPACKED = 1024**3
_NOT_UTF_8 = re.compile(r"[\udc80-\udcff]")
# Of CreateLogGroup, in the API reference of CloudWatch Logs.
_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")
_CREDENTIALS = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (`aws sso login`)"
_REGION = "export AWS_REGION, for example eu-west-1, or give --stack NAME in place of --log-group"
_HOW = "get them with `aws logs tail LOG_GROUP --since 7d > week.log`"
_GZIP = b"\x1f\x8b"
_MOST_MAGIC = 8
_PACKED = {
    _GZIP: "packed by gzip twice: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or export CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it first",
    b"BZh": "packed by bzip2: unpack it first",
    b"\xfd7zXZ": "packed by xz: unpack it first",
}
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_UTF_8 = frozenset({"utf-8", "utf-8-sig"})


def log_of_file(name: str, world: World) -> Log:
    """Read the records of a file, or of standard input; `-` is that.

    Raises:
        CommandError: it cannot be read, or holds no line of the function's.
    """
    called = called_in_words(name)
    with ExitStack() as opened:
        try:
            data = world.stdin.buffer
            if name != STANDARD_INPUT:
                data = opened.enter_context((world.folder / Path(name)).open("rb"))
        except OSError as error:
            raise CommandError(f"{called} cannot be read: {error.strerror}") from None
        except ValueError:
            raise CommandError(f"{called} cannot be read: it isn't the name of a file") from None
        log, is_damaged = _read(data, called)
    if log.records or log.unreadable:
        return log
    if is_damaged:
        raise CommandError(f"{called} cannot be read: it isn't text in UTF-8")
    why = f": {log.gaps[0]}" if log.gaps else f"; {_HOW}"
    raise CommandError(f"{called} holds no line of the function's log{why}")


def _read(data: IO[bytes], called: str) -> tuple[Log, bool]:
    try:
        lines = _Lines(data, called)
        try:
            return read_log(lines), lines.is_damaged
        except UnicodeError:
            said = f"{called} cannot be read: it isn't text in {lines.encoding.upper()}"
            raise CommandError(said) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        said = f"{called} cannot be read: what gzip packed is damaged or cut off"
        raise CommandError(said) from None
    except OSError as error:
        raise CommandError(f"{called} cannot be read: {error.strerror}") from None


class _Lines:
    """The lines of a stream of bytes, unpacked and decoded, each with its line feed.

    Attributes:
        encoding: what it is decoded from.
        is_damaged: whether a byte was not of UTF-8; it makes its own line unreadable, and no other.
    """

    def __init__(self, data: IO[bytes], called: str) -> None:
        self._called = called
        self._is_packed = False
        self.is_damaged = False
        self.encoding = "utf-8"
        head, stream = _peeked(data)
        if head.startswith(_GZIP):
            self._is_packed = True
            head, stream = _peeked(gzip.GzipFile(fileobj=stream))
        for magic, said in _PACKED.items():
            if head.startswith(magic):
                raise CommandError(f"{called} is {said}")
        self.encoding = _encoding(head)
        errors = "surrogateescape" if self.encoding in _UTF_8 else "strict"
        self._text = io.TextIOWrapper(stream, self.encoding, errors, newline="\n")

    def __iter__(self) -> Iterator[str]:
        total = 0
        while line := self._text.readline(LONGEST_LINE):
            total += len(line)
            if len(line) == LONGEST_LINE:
                raise CommandError(f"{self._called} has a line of over {LONGEST_LINE // 2**20} MiB")
            if self._is_packed and total > MOST_UNPACKED:
                most = MOST_UNPACKED // 2**20
                raise CommandError(f"{self._called} unpacks to more than {most} MiB: split it")
            if not line.isascii() and _NOT_UTF_8.search(line):
                self.is_damaged = True
            yield line


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _peeked(data: _Bytes) -> tuple[bytes, io.BufferedReader]:
    """Give the first bytes, and a stream that begins with them, too."""
    head = data.read(_MOST_MAGIC)
    return head, io.BufferedReader(_Joined(head, data))


class _Joined(io.RawIOBase):
    """The bytes that were read of a stream, and those that follow. It leaves the stream open."""

    def __init__(self, head: bytes, data: _Bytes) -> None:
        self._head = head
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        piece = self._head[: len(view)] or self._data.read(len(view))
        self._head = self._head[len(view) :]
        view[: len(piece)] = piece
        return len(piece)


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    # Without a mark: in a log, what comes first is of ASCII, so that one byte of two is NUL.
    match [*head[:2]]:
        case [0, other] if other:
            return "utf-16-be"
        case [other, 0] if other:
            return "utf-16-le"
    return "utf-8"


def called_in_words(name: str) -> str:
    """Say which log it is."""
    return "stdin" if name == STANDARD_INPUT else name


def remarks(log: Log) -> list[str]:
    """Say how many lines could not be read, and what else is missing; nothing if all is there."""
    said = [f"not all of the log is here: {each}" for each in log.gaps]
    if log.unreadable:
        lines = counted(log.unreadable, "line")
        said.insert(0, f"{lines} could not be read: cut off, damaged, or of an older form")
    return said


def log_of_group(
    name: str, since: datetime, until: datetime, environment: Mapping[str, str], region: str = ""
) -> Log:
    """Read the records of a log group, page by page; without a region, in the environment's.

    Raises:
        CommandError: AWS cannot be asked, or refuses.
    """
    if not _GROUP.fullmatch(name):
        raise CommandError(f"--log-group is {name!r}: it isn't a valid name of a log group")
    # Slow to load, and of use here only.
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
        return read_log(each["message"] for page in pages for each in page["events"])
    except ClientError as error:
        said = error.response["Error"].get("Code", "an error")
        raise CommandError(f"the log group {name} cannot be read: AWS says {said}") from None
    except NoCredentialsError:
        raise CommandError(f"AWS cannot be asked without credentials: {_CREDENTIALS}") from None
    except NoRegionError:
        raise CommandError(f"AWS cannot be asked without a region: {_REGION}") from None
    except BotoCoreError as error:
        raise CommandError(f"AWS cannot be asked: {error}") from None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
