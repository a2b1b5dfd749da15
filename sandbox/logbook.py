"""The function's log: kept in memory, written to a file, and waited for."""

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


class Logbook:
    """Takes the lines that the function's environments print.

    The file has all of them, the memory the newest `MOST_RECORDS`.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._records: deque[dict[str, Any]] = deque(maxlen=MOST_RECORDS)
        self._count = 0
        self._news = threading.Condition()
        file.parent.mkdir(exist_ok=True)
        file.write_text("", encoding="utf-8")
        file.chmod(0o600)

    def __call__(self, line: str) -> None:
        """Keep a line; those that are JSON objects can be waited for."""
        record = _record_of(line)
        with self._news:
            with self.file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{line}\n")
            self._records.append(record)
            self._count += 1
            self._news.notify_all()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records so far, oldest first."""
        with self._news:
            return list(self._records)

    @property
    def count(self) -> int:
        """How many there have been, those that only the file still has among them."""
        return self._count

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], *, since: int = 0, seconds: float = 5.0
    ) -> dict[str, Any] | None:
        """Give the first record from number `since` on that is wanted: a line may trail its answer.

        None where it does not come in time.
        """

        def found() -> dict[str, Any] | None:
            new = islice(self._records, max(0, since - self._count + len(self._records)), None)
            return next((each for each in new if wanted(each)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None, timeout=seconds)
            return found()


def _record_of(line: str) -> dict[str, Any]:
    """Read a line; what is no JSON object, or no whole decision, is a mere message."""
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
