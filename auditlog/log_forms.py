"""The function's records in whatever form people get lines out of CloudWatch.

`aws logs tail` in its formats, `filter-log-events` and `get-log-events` as they come or through jq,
what Insights and the console export as JSON or CSV, the lines of an export to S3. Whatever is not
read is counted or told: what a report leaves out without a word, nobody would miss.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import chain
from typing import Any, NamedTuple

from auditlog.log_lines import DECISION, LineError, Record, looks_ours, record_of, value_at

# Characters: of a line, of which an export may be a single one, and of one event on many lines.
LONGEST_LINE = 128 * 1024 * 1024
_LONGEST_EVENT = 8 * 1024 * 1024
# How many lists, events and messages may be within each other: more than any form has.
_DEEPEST = 6
_BLANK = " \t\r\n\ufeff"
_LISTS = ("events", "logEvents", "results")
_MESSAGES = ("@message", "message")
_IDS = ("eventId", "id", "@ptr")
_LIST_BEGINS = re.compile(r'\s*(?:\{\s*)?"(?:events|logEvents|results)"\s*:\s*\[')
_IS_A_LIST = re.compile(r'\[\s*(?:[\[{"]|$)')
_TOKEN = re.compile(r'\s*"[nN]extToken"\s*:\s*"')
_STATUS = re.compile(r'\s*"status"\s*:\s*"(?!Complete")([A-Za-z]+)"')
_FORWARD = re.compile(r'\s*"nextForwardToken"\s*:')
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}]')
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
    """What lines of a log hold.

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
        return [each for each in self.records if each["message"] == DECISION]


def read_log(lines: Iterable[str]) -> Log:
    """Read the function's records among lines; what is not the function's is passed over."""
    reading = _Reading()
    lines = iter(lines)
    first = next((each for each in lines if each.strip(_BLANK)), "")
    if header := _header(first):
        reading.table(header, lines)
    else:
        reading.lines(chain([first], lines))
    return Log(reading.records, reading.unreadable, reading.gaps)


class _Header(NamedTuple):
    """The first row of CSV."""

    delimiter: str
    columns: tuple[str, ...]


def _header(line: str) -> _Header | None:
    if "{" in line or len(line) > _LONGEST_HEADER:
        return None
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line.strip(_BLANK)], delimiter=delimiter), [])
        except csv.Error:
            return None
        columns = tuple(each.strip().lower() for each in cells)
        if {*_MESSAGES, "@timestamp", "timestamp"} & {*columns} and "" not in columns:
            return _Header(delimiter, columns)
    return None


class _Block:
    """A JSON object on several lines, as far as they have come."""

    def __init__(self, line: str, begin: int) -> None:
        self.lines = [line[begin:]]
        self.depth = 1
        self._indent = _indent(line)
        self._size = 0

    def takes(self, line: str) -> bool:
        """Whether a line goes on with it: it is further in, or closes it."""
        self._size += len(line)
        text = line.strip(_BLANK)
        is_within = not text or _indent(line) > self._indent or text[0] in '}]"'
        return is_within and self._size <= _LONGEST_EVENT

    def end_in(self, line: str) -> int:
        """Add a line, and say where in it the object ends; 0 for nowhere."""
        self.lines.append(line)
        for each in _STRING_OR_BRACKET.finditer(line):
            self.depth += {"{": 1, "}": -1}.get(each[0], 0)
            if not self.depth:
                self.lines[-1] = line[: each.end()]
                return each.end()
        return 0

    @property
    def text(self) -> str:
        return "".join(self.lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


class _Reading:
    """The records that were read, and what was not."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.unreadable = 0
        self._met = self._open = 0
        self._seen: set[bytes] = set()
        self._gaps: dict[str, None] = {}
        self._begin_answer()

    def _begin_answer(self) -> None:
        """Begin another answer of AWS's: until then, what comes is of this one."""
        self._is_followed = False
        self._events = self._bytes = 0

    @property
    def gaps(self) -> tuple[str, ...]:
        more = (NEXT_PAGE,) if self._is_followed else ()
        broken = (BROKEN,) if self._open and self._met else ()
        return (*self._gaps, *more, *broken)

    def table(self, header: _Header, lines: Iterator[str]) -> None:
        """Read rows of CSV."""
        csv.field_size_limit(LONGEST_LINE)
        rows = csv.reader(
            (each if each.endswith("\n") else f"{each}\n" for each in lines),
            delimiter=header.delimiter,
            strict=True,
        )
        columns = header.columns
        if not {*_MESSAGES} & {*columns}:
            self._gaps[NO_MESSAGES] = None
            return
        count = 0
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                break
            except csv.Error:
                self.unreadable += 1
                continue
            if tuple(each.strip(_BLANK).lower() for each in cells) == columns:
                continue  # of another export, put behind the first
            row = dict(zip(columns, cells, strict=False))
            count += bool(cells)
            self._event(row, 0)
        if columns[0].startswith("@") and count in _FULL_RESULTS:
            self._gaps[FULL] = None

    def lines(self, lines: Iterable[str]) -> None:
        """Read lines, each with as many values as there are, and values on several lines."""
        block: _Block | None = None
        for each in lines:
            line = each
            while line:
                if block and block.depth == 1 and _LIST_BEGINS.match(line):
                    block = None  # an answer of AWS's: each of its events is read by itself
                elif block and block.takes(line):
                    end = block.end_in(line)
                    if not end:
                        break
                    self._whole(block)
                    block, line = None, line[end:]
                elif block:
                    self._apart(block)
                    block = None
                else:
                    block = self._opened(line)
                    break
        if block:
            self._apart(block)

    def _opened(self, line: str) -> _Block | None:
        """Give the object that begins at the end of a line, and read what is before it, or all."""
        end = len(line.rstrip(_BLANK))
        if end and line[end - 1] == "{":
            self._line(line[: end - 1], 0)
            return _Block(line, end - 1)
        self._line(line, 0)
        return None

    def _whole(self, block: _Block) -> None:
        try:
            value, _ = value_at(block.text, 0)
        except ValueError:
            self._apart(block)
        else:
            self._value(value, 0)

    def _apart(self, block: _Block) -> None:
        """Read the lines of what is no object, after all, one by one."""
        before = self._met + self.unreadable
        for each in block.lines:
            self._line(each, 0)
        if before == self._met + self.unreadable and looks_ours(block.text):
            self.unreadable += 1

    def _line(self, text: str, depth: int) -> None:
        """Read the values in a line, whatever is before, between and behind them."""
        if not depth:
            self._remark(text)
        before = self._met
        at, is_list = self._list_or_text(text, depth)
        while (begin := text.find("{", at)) >= 0:
            try:
                value, at = value_at(text, begin)
            except ValueError:
                inner = _LIST_BEGINS.match(text, begin)
                if not inner:
                    is_ours = looks_ours(text, begin) or (is_list and self._met > before)
                    self.unreadable += is_ours
                    return
                is_list, at = True, inner.end()
            else:
                self._value(value, depth)
        rest = text[at:].lstrip(f"{_BLANK},}}")
        # What a list of ours breaks off with may be too short to be known.
        self.unreadable += is_list and self._met > before and bool(rest.strip(f"{_BLANK},[]}}"))
        if not depth:
            self._open = max(0, self._open + is_list - rest.startswith("]"))

    def _list_or_text(self, text: str, depth: int) -> tuple[int, bool]:
        """Read the list or the text that a line begins with.

        Gives where to read on, and whether a list begins there that does not end in this line.
        """
        begin = len(text) - len(text.lstrip(_BLANK))
        if text[begin : begin + 1] not in {"[", '"'}:
            return begin, False
        try:
            value, end = value_at(text, begin)
        except ValueError:
            return begin, _IS_A_LIST.match(text, begin) is not None
        self._value(value, depth)
        return end, False

    def _remark(self, line: str) -> None:
        """Take note of what an answer on several lines says beside its events."""
        if _TOKEN.match(line):
            self._is_followed = True
        elif _STATUS.match(line):
            self._gaps[RUNNING] = None
        elif _FORWARD.match(line):
            self._end_page()
        elif _LIST_BEGINS.match(line):
            self._begin_answer()
            self._open += not {"{", "]"} & {*line}

    def _end_page(self) -> None:
        """Say of a full page of GetLogEvents that there may be more: it never says so itself."""
        if self._events >= _FULL_PAGE or self._bytes >= _FULL_PAGE_BYTES:
            self._gaps[ONE_PAGE] = None

    def _statistics(self, statistics: Mapping[str, Any]) -> None:
        matched = statistics.get("recordsMatched")
        if isinstance(matched, int | float) and 0 < self._events < matched:
            self._gaps[LIMITED] = None

    def _value(self, value: Any, depth: int) -> None:  # noqa: ANN401 - whatever JSON holds
        """Find records in a value: it is one, or holds events, rows or messages."""
        if depth > _DEEPEST:
            return
        if isinstance(value, str):
            self._line(value, depth + 1)
        elif isinstance(value, list):
            row = _row(value)
            if row:
                self._event(row, depth)
            else:
                for each in value:
                    self._value(each, depth + 1)
        elif isinstance(value, dict):
            name = next((each for each in _LISTS if isinstance(value.get(each), list)), "")
            if name and "level" not in value:
                self._answer(value, name, depth)
            else:
                self._event(_row([value]) or value, depth)

    def _answer(self, answer: Mapping[str, Any], name: str, depth: int) -> None:
        """Read an answer of AWS's as a whole."""
        self._begin_answer()
        self._value(answer[name], depth + 1)
        self._is_followed = bool(answer.get("nextToken") or answer.get("NextToken"))
        if answer.get("status", "Complete") != "Complete":
            self._gaps[RUNNING] = None
        if isinstance(statistics := answer.get("statistics"), dict):
            self._statistics(statistics)
        if "nextForwardToken" in answer:
            self._end_page()

    def _event(self, event: Mapping[str, Any], depth: int) -> None:
        """Read an event, or a row, by its message; else it is a record itself, or nothing."""
        message = next((event[each] for each in _MESSAGES if each in event), None)
        if isinstance(message, str):
            self._events += 1
            self._bytes += len(message)
        elif "recordsMatched" in event:
            self._statistics(event)
        id_ = next((each for name in _IDS if isinstance(each := event.get(name), str)), "")
        if "level" in event:
            self._record(event, id_)
        elif isinstance(message, dict):
            self._record(message, id_)
        elif isinstance(message, str):
            self._message(message, id_, depth)

    def _message(self, text: str, id_: str, depth: int) -> None:
        """Read a message: a record, most often; else a line that holds it, perhaps."""
        begin, end = len(text) - len(text.lstrip(_BLANK)), 0
        if text[begin : begin + 1] == "{":
            with suppress(ValueError):
                value, end = value_at(text, begin)
                self._record(value, id_)
        self._line(text[end:], depth + 1)

    def _record(self, value: Mapping[str, Any], id_: str) -> None:
        try:
            record = record_of(value)
        except LineError:
            self.unreadable += 1
            self._met += 1
            return
        if record is None:
            return
        self._met += 1
        if self._is_new(record, id_):
            self.records.append(record)

    def _is_new(self, record: Record, id_: str) -> bool:
        """Whether it was not there before: exports may overlap. Without an id, nobody can say."""
        id_ = record.get("call", "") or id_
        if not id_:
            return True
        # The record, too: nobody can have one dropped by writing another of its id.
        text = json.dumps([id_, record], sort_keys=True)
        digest = blake2b(text.encode(), digest_size=16).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True


def _row(fields: Sequence[Any]) -> dict[str, Any] | None:
    """Make a row of Insights' pairs of field and value; None where these are not such pairs."""
    if not fields or not all(isinstance(each, dict) and "field" in each for each in fields):
        return None
    return {str(each["field"]): each.get("value") for each in fields}
