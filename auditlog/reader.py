"""The function's records out of a log, in whatever form people get one from CloudWatch.

`aws logs tail` in its formats, the answers of `filter-log-events`, `get-log-events` and
`get-query-results` as they come or through jq, what Insights and the console export as JSON or CSV,
an export to S3. All have JSON objects in them: a record, or what holds one as its message. What
cannot be read is counted, and what is missing is named: nobody would miss it in a report.
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
    looks_ours,
    record_of,
    value_at,
)

# How many messages may be within each other: more than any form has.
_DEEPEST = 3
_BLANK = " \t\r\n\ufeff\0"
_LISTS = ("events", "logEvents", "results")
_MESSAGES = ("@message", "message")
_IDS = ("eventId", "id", "@ptr")
# An object, or a text on a line of its own. What can be neither isn't tried: an error of json's
# takes as long as the text before it.
_VALUE = re.compile(r'\{(?=\s*\\*["}])|(?m:^)[ \t]*\[?[ \t]*"')
_LIST_OF_EVENTS = re.compile(r'\{\s*"(?:events|logEvents|results)"\s*:\s*\[')
_LIST = re.compile(r'\[\s*(?:\[\s*)?[{"]')
_LONGEST_HEADER = 4096
_DELIMITERS = ",;\t"
# What GetLogEvents gives at once, and what Insights' query languages give unless told otherwise.
_FULL_PAGE, _FULL_PAGE_BYTES = 10_000, 900_000
_FULL_RESULTS = frozenset({1000, 10_000})

BROKEN = "it breaks off: a list in it has no end"
NEXT_PAGE = "it is one page of several: leave --max-items and --no-paginate out"
ONE_PAGE = "`get-log-events` gave one full page of one stream: take `aws logs tail`"
RUNNING = "the query was not complete: run `get-query-results` again when its status is Complete"
LIMITED = "the query gave fewer lines than it found: give it a higher limit, or a shorter time"
FULL = "there are as many rows as a query gives at most: give it a higher limit, or a shorter time"
NO_MESSAGES = "it has no column of messages: query Insights for `fields @message`"


class Log(NamedTuple):
    """What a log holds.

    Attributes:
        records: the function's records, in order; one that is there twice by its id is there once.
        unreadable: how many more lines are the function's, and cannot be read.
        gaps: why there are more lines than these, a sentence each.
    """

    records: Sequence[Record]
    unreadable: int
    gaps: tuple[str, ...] = ()

    @property
    def decisions(self) -> list[Record]:
        """The records of decisions."""
        return [record for record in self.records if record["message"] == DECISION]


def read_log(text: str) -> Log:
    """Read the function's records; what is not the function's is passed over."""
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
    """Give the delimiter and the columns of CSV, if a line is its header."""
    if "{" in line or len(line) > _LONGEST_HEADER:
        return None
    for delimiter in _DELIMITERS:
        columns = tuple(name.strip(f'"{_BLANK}').lower() for name in line.split(delimiter))
        if {*_MESSAGES, "@timestamp", "timestamp"} & {*columns} and "" not in columns:
            return delimiter, columns
    return None


class _Reader:
    """Collects records, and what was not read."""

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
                continue  # the header, or that of another export behind the first
            count += bool(cells)
            self._read_object(dict(zip(columns, cells, strict=False)))
        if columns[0].startswith("@") and count in _FULL_RESULTS:
            self.gaps[FULL] = None

    def read_text(self, text: str, id_: str = "", depth: int = 0) -> None:
        """Read all values in a text, whatever is before, between and behind them."""
        at = line_end = 0
        while match := _VALUE.search(text, at):
            begin = match.end() - 1
            try:
                value, at = value_at(text, begin)
            except ValueError as error:
                end = text.find("\n", begin) + 1 or len(text)
                at = end if isinstance(error, TooDeepError) else begin + 1
                if _LIST_OF_EVENTS.match(text, begin):
                    self.is_cut = True  # its events are read one by one
                elif begin >= line_end and text[begin] == "{":
                    # However many values of a line are damaged, it is one line.
                    line_end = end
                    self.unreadable += looks_ours(text, begin, end)
                continue
            line_end = 0
            if isinstance(value, dict):
                self._read_object(value, id_, depth)
            elif depth < _DEEPEST:
                self.read_text(value, id_, depth + 1)

    def _read_object(self, value: Mapping[str, Any], id_: str = "", depth: int = 0) -> None:
        """Read an answer of AWS's, an event or a row by its message, or a record itself."""
        if "level" in value:
            self._read_record(value, id_)
            return
        if name := next((name for name in _LISTS if isinstance(value.get(name), list)), ""):
            self._read_answer(value, value[name])
            return
        if value.get("field") in _MESSAGES:  # one of a row's pairs
            value = {"message": value.get("value")}
        message = next((value[name] for name in _MESSAGES if name in value), None)
        ids = (value[name] for name in _IDS if isinstance(value.get(name), str))
        id_ = next(ids, id_)
        if isinstance(message, dict):
            self._read_record(message, id_)
        elif isinstance(message, str) and depth < _DEEPEST:
            self.read_text(message, id_, depth + 1)

    def _read_answer(self, answer: Mapping[str, Any], entries: Sequence[Any]) -> None:
        """Read an answer of AWS's, and note what it says that it lacks."""
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
        # GetLogEvents never says whether there is more.
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
        """Whether it was not there before: exports may overlap. Without an id, nobody can say."""
        id_ = record.get("call", "") or id_
        if not id_:
            return True
        # The record, too: nobody can have one dropped by writing another of its id.
        key = json.dumps([id_, record], sort_keys=True)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new


def _event_of(entry: object) -> Mapping[str, Any]:
    """Make an event of an entry of a list; a row of Insights' is a list of fields and values."""
    if isinstance(entry, list):
        pairs = [pair for pair in entry if isinstance(pair, dict) and "field" in pair]
        return {str(pair["field"]): pair.get("value") for pair in pairs}
    return entry if isinstance(entry, dict) else {}
