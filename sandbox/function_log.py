"""The function's log, in a file and in memory, where a caller can wait for a record."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from auditlog.record import DECISION, LineError, read_line

MOST_RECORDS = 1000


class FunctionLog:
    """Stores each line of the log: all in the file, the newest `MOST_RECORDS` in memory."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._records: deque[dict[str, Any]] = deque(maxlen=MOST_RECORDS)
        self._count = 0
        self._changed = threading.Condition()
        file.parent.mkdir(exist_ok=True)
        file.write_text("", encoding="utf-8")
        file.chmod(0o600)

    def __call__(self, line: str) -> None:
        """Store a line; `wait_for` finds those that are JSON objects."""
        record = _parse(line)
        with self._changed:
            with self.file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{line}\n")
            self._records.append(record)
            self._count += 1
            self._changed.notify_all()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records so far, oldest first."""
        with self._changed:
            return list(self._records)

    @property
    def count(self) -> int:
        """How many records there have been, including those that only the file still has."""
        return self._count

    def wait_for(
        self, matches: Callable[[dict[str, Any]], bool], *, since: int = 0, seconds: float = 5.0
    ) -> dict[str, Any] | None:
        """Wait for a record that matches: a log line may arrive after the answer to the call.

        Args:
            matches: says whether a record is the right one.
            since: how many records to skip: the `count` before the call.
            seconds: how long to wait.

        Returns:
            the first such record, or None if there is none in time.
        """

        def find() -> dict[str, Any] | None:
            new = islice(self._records, max(0, since - self._count + len(self._records)), None)
            return next(filter(matches, new), None)

        with self._changed:
            self._changed.wait_for(lambda: find() is not None, timeout=seconds)
            return find()


def _parse(line: str) -> dict[str, Any]:
    """Read a line; one that isn't a JSON object, or a whole decision, becomes a plain message."""
    with suppress(ValueError, RecursionError):
        value = json.loads(line)
        if isinstance(value, dict) and (value.get("message") != DECISION or _is_whole(line)):
            return value
    return {"message": line}


def _is_whole(line: str) -> bool:
    try:
        return read_line(line) is not None
    except LineError:
        return False
