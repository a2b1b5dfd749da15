"""Reads the function's records from a log, in any form in which CloudWatch gives it to people.

That is `aws logs tail` in its formats, the output of `filter-log-events`, `get-log-events` and
`get-query-results`, raw or through jq, exports of Insights and the console as JSON or CSV, and
exports to S3. All contain JSON objects: a record, or an event with a record as its message.
Unreadable lines are counted and gaps are named, since nobody would notice them in a report.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from auditlog.record import (
    DECISION,
    LineError,
    Record,
    TooDeepError,
    UnnumberedText,
    last_sign,
    looks_ours,
    record_of,
    value_at,
)

# How deeply messages may be nested: more than in any form.
_DEEPEST = 3
_BLANK = " \t\r\n\ufeff\0"
_LISTS = ("events", "logEvents", "results")
_MESSAGES = ("@message", "message")
_IDS = ("eventId", "id", "@ptr")
# An object, or a string on a line of its own.
_VALUE = re.compile(r'\{(?=\s*\\*["}])|(?m:^)[ \t]*(?:\[[ \t]*)?"')
_LIST_OF_EVENTS = re.compile(r'\{\s*"(?:events|logEvents|results)"\s*:\s*\[')
_LIST = re.compile(r'\[\s*(?:\[\s*)?[{"]')
_LONGEST_HEADER = 4096
_DELIMITERS = ",;\t"
# The most that GetLogEvents returns at once, and the default limits of Insights' query languages.
_FULL_PAGE, _FULL_PAGE_BYTES = 10_000, 900_000
_FULL_RESULTS = frozenset({1000, 10_000})

BROKEN = "it is cut off: a list in it does not end"
NEXT_PAGE = "it is one page of several: run the command without --max-items and --no-paginate"
ONE_PAGE = "`get-log-events` returned one full page of one stream: use `aws logs tail`"
RUNNING = "the query was not complete: run `get-query-results` again when its status is Complete"
LIMITED = "the query returned fewer lines than it found: raise its limit, or query a shorter time"
FULL = "the query returned as many rows as its limit: raise the limit, or query a shorter time"
NO_MESSAGES = "it has no message column: query Insights for `fields @message`"


class Log(NamedTuple):
    """The contents of a log.

    Attributes:
        records: the function's records, in order, without duplicates.
        unreadable: how many more lines of the function could not be read.
        gaps: sentences that say why more lines exist.
    """

    records: Sequence[Record]
    unreadable: int
    gaps: tuple[str, ...] = ()

    @property
    def decisions(self) -> list[Record]:
        """The records of decisions."""
        return [record for record in self.records if record["message"] == DECISION]


def read_log(text: str) -> Log:
    """Read the function's records, and skip everything else."""
    reader = _Reader()
    text = text.lstrip(_BLANK)
    first = text[: text.find("\n") + 1] or text
    if dialect := _dialect(first):
        reader.read_table(text, *dialect)
    else:
        reader.read_text(text)
        is_cut = _LIST.match(text) and not text.rstrip(_BLANK).endswith("]")
        if (is_cut or reader.is_cut) and (reader.records or reader.unreadable):
            reader.gaps[BROKEN] = None
    if reader.is_followed:
        reader.gaps[NEXT_PAGE] = None
    return Log(reader.records, reader.unreadable, tuple(reader.gaps))


def _dialect(line: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the delimiter and columns of CSV if a line is its header."""
    if "{" in line or len(line) > _LONGEST_HEADER:
        return None
    for delimiter in _DELIMITERS:
        columns = tuple(name.strip(f'"{_BLANK}').lower() for name in line.split(delimiter))
        if {*_MESSAGES, "@timestamp", "timestamp"} & {*columns} and "" not in columns:
            return delimiter, columns
    return None


class _Reader:
    """Collects records, and counts what it cannot read."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.unreadable = 0
        self.is_followed = self.is_cut = False
        self.gaps: dict[str, None] = {}
        self._seen: set[str] = set()

    def read_table(self, text: str, delimiter: str, columns: tuple[str, ...]) -> None:
        """Read rows of CSV."""
        if not {*_MESSAGES} & {*columns}:
            self.gaps[NO_MESSAGES] = None
            return
        csv.field_size_limit(len(text) + 1)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        count = 0
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                break
            except csv.Error:
                self.unreadable += 1
                continue
            if tuple(cell.strip(_BLANK).lower() for cell in cells) == columns:
                continue  # the header, or that of another, appended export
            count += bool(cells)
            self._read_object(dict(zip(columns, cells, strict=False)))
        if columns[0].startswith("@") and count in _FULL_RESULTS:
            self.gaps[FULL] = None

    def read_text(self, text: str, id_: str = "", depth: int = 0) -> None:
        """Read all JSON values in a text, whatever surrounds them."""
        text = UnnumberedText(text)
        at = line_end = last = 0
        is_counted = False
        while match := _VALUE.search(text, at):
            begin = match.end() - 1
            try:
                value, at = value_at(text, begin)
            except ValueError as error:
                if begin >= line_end:
                    line_end = text.find("\n", begin) + 1 or len(text)
                    last, is_counted = last_sign(text, begin, line_end), False
                at = line_end if isinstance(error, TooDeepError) else begin + 1
                if _LIST_OF_EVENTS.match(text, begin):
                    self.is_cut = True  # read its events one by one
                elif text[begin] == "{" and not is_counted:
                    # Damaged values in a row count once if they are on one line.
                    is_counted = True
                    self.unreadable += looks_ours(text, begin, last)
                continue
            is_counted = False
            if isinstance(value, dict):
                self._read_object(value, id_, depth)
            elif depth < _DEEPEST:
                self.read_text(value, id_, depth + 1)

    def _read_object(self, value: Mapping[str, Any], id_: str = "", depth: int = 0) -> None:
        """Read an AWS response, the message of an event or row, or a record itself."""
        if "level" in value:
            self._read_record(value, id_)
            return
        if name := next((name for name in _LISTS if isinstance(value.get(name), list)), ""):
            self._read_answer(value, value[name])
            return
        if value.get("field") in _MESSAGES:  # one pair of a row
            value = {"message": value.get("value")}
        message = next((value[name] for name in _MESSAGES if name in value), None)
        ids = (value[name] for name in _IDS if isinstance(value.get(name), str))
        id_ = next(ids, id_)
        if isinstance(message, dict):
            self._read_record(message, id_)
        elif isinstance(message, str) and depth < _DEEPEST:
            self.read_text(message, id_, depth + 1)

    def _read_answer(self, answer: Mapping[str, Any], entries: Sequence[Any]) -> None:
        """Read an AWS response, and note whether it is incomplete."""
        events = [_event_of(entry) for entry in entries]
        for event in events:
            self._read_object(event)
        self.is_followed = bool(answer.get("nextToken") or answer.get("NextToken"))
        if answer.get("status", "Complete") != "Complete":
            self.gaps[RUNNING] = None
        statistics = answer.get("statistics")
        matched = statistics.get("recordsMatched") if isinstance(statistics, dict) else None
        if isinstance(matched, int | float) and 0 < len(events) < matched:
            self.gaps[LIMITED] = None
        # GetLogEvents does not say whether there is more.
        size = sum(len(str(event.get("message", ""))) for event in events)
        if "nextForwardToken" in answer and (len(events) >= _FULL_PAGE or size >= _FULL_PAGE_BYTES):
            self.gaps[ONE_PAGE] = None

    def _read_record(self, value: Mapping[str, Any], id_: str) -> None:
        try:
            record = record_of(value)
        except LineError:
            self.unreadable += 1
            return
        if record is not None and self._is_new(record, id_):
            self.records.append(record)

    def _is_new(self, record: Record, id_: str) -> bool:
        """Whether the record is new, as exports may overlap; without an id it counts as new."""
        id_ = record.get("call", "") or id_
        if not id_:
            return True
        # The key includes the record, so that another one with the same id hides nothing.
        key = json.dumps([id_, record], sort_keys=True)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new


def _event_of(entry: object) -> Mapping[str, Any]:
    """Make an event of a list entry; a row of Insights is a list of fields and values."""
    if isinstance(entry, list):
        pairs = [pair for pair in entry if isinstance(pair, dict) and "field" in pair]
        return {str(pair["field"]): pair.get("value") for pair in pairs}
    return entry if isinstance(entry, dict) else {}
