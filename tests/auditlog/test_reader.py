"""The forms in which people get lines out of CloudWatch: each gives the same report."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from auditlog import reader, record
from auditlog.reader import read_log
from cli import logs
from tests.auditlog.records import log_records, request_by
from tests.cli.conftest import OMAR, Command

Records = list[dict[str, Any]]
STAMP = "2026-03-04T12:00:01.123000+00:00"
STREAM = "2026/03/04/[$LATEST]0a1b2c"
RECORDS: Records = [
    {"timestamp": f"2026-03-04T12:00:0{number}.000Z", **record}
    for number, record in enumerate(
        [
            *log_records(request_by(), request_by(OMAR), call="c-1"),
            *(each for name in "abcd" for each in log_records(request_by(), call=name)),
            {
                "level": "WARN",
                "message": "refused",
                "http": 401,
                "why": 'the "signature" isn\'t right; Zürich {',
            },
        ]
    )
]
NOISE = (
    "START RequestId: 8f2 Version: $LATEST\n",
    '{"time": "2026-03-04", "type": "platform.report", "record": {"metrics": {}}}\n',
    "[INFO] [1] a library says {something}\n",
)


def texts(records: Records) -> list[str]:
    """The function's own lines, without their line feeds."""
    return [json.dumps(each) for each in records]


def events(records: Records) -> Records:
    """CloudWatch's events, including some of other programs."""
    return [
        {
            "logStreamName": STREAM,
            "timestamp": 1772625600000 + number,
            "message": message,
            "ingestionTime": 1772625600001,
            "eventId": f"3{number:055}",
        }
        for number, message in enumerate([*NOISE, *texts(records)])
    ]


def rows(records: Records) -> list[Records]:
    """Insights' rows."""
    return [
        [
            {"field": "@timestamp", "value": "2026-03-04 12:00:00.000"},
            {"field": "@message", "value": each["message"]},
            {"field": "@ptr", "value": each["eventId"]},
        ]
        for each in events(records)
    ]


def lines(form: Callable[[str], str]) -> Callable[[Records], str]:
    """One line for each log message."""
    return lambda records: "".join(
        form(each.rstrip("\n")) + "\n" for each in (*NOISE, *texts(records))
    )


def pretty_tail(records: Records) -> str:
    """`aws logs tail --format json`."""
    parts = [f"{STAMP} {STREAM} {each}" for each in NOISE]
    parts += [f"{STAMP} {STREAM} \n{json.dumps(each, indent=4)}\n" for each in records]
    return "".join(parts)


def answer_of(name: str, **more: object) -> Callable[[Records], dict[str, Any]]:
    """The JSON answer of an AWS API."""
    entries = rows if name == "results" else events
    return lambda records: {name: entries(records), **more}


FILTERED = answer_of("events", searchedLogStreams=[])
GOT = answer_of("events", nextForwardToken="f/1", nextBackwardToken="b/1")


def QUERIED(records: Records) -> dict[str, Any]:  # noqa: N802 - one of the answers
    """What GetQueryResults answers."""
    result = rows(records)
    statistics = {"recordsMatched": float(len(result)), "bytesScanned": 1.0}
    return {
        "queryLanguage": "CWLI",
        "results": result,
        "statistics": statistics,
        "status": "Complete",
    }


def dumped(
    answer: Callable[[Records], object], indent: int | None = None
) -> Callable[[Records], str]:
    """The same, as JSON text."""
    return lambda records: json.dumps(answer(records), indent=indent) + "\n"


def table(columns: Iterable[str], delimiter: str = ",") -> Callable[[Records], str]:
    """CSV with these columns."""

    def write(records: Records) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(columns)
        for each in events(records):
            cells = {name.strip("@").lower(): value for name, value in each.items()}
            writer.writerow([cells.get(name.strip("@").lower(), "") for name in columns])
        return stream.getvalue()

    return write


TEXT_FORMS: dict[str, Callable[[Records], str]] = {
    "the function's lines": lines(str),
    "aws logs tail": lines(lambda each: f"{STAMP} {STREAM} {each}"),
    "aws logs tail, in colour": lines(lambda each: f"\x1b[32m{STAMP}\x1b[0m {STREAM} {each}"),
    "aws logs tail --format short": lines(lambda each: f"2026-03-04T12:00:01 {each}"),
    "aws logs tail --format json": pretty_tail,
    "with CRLF": lambda records: lines(str)(records).replace("\n", "\r\n"),
    "without the last line feed": lambda records: lines(str)(records).rstrip("\n"),
    "filter-log-events": dumped(FILTERED, 4),
    "filter-log-events, with CRLF": lambda each: dumped(FILTERED, 4)(each).replace("\n", "\r\n"),
    "filter-log-events, by tabs": lambda each: json.dumps(FILTERED(each), indent="\t"),
    "filter-log-events | jq -c .": dumped(FILTERED),
    "filter-log-events | jq -s .": dumped(lambda each: [FILTERED(each[:3]), FILTERED(each[3:])], 2),
    "two answers in a row": lambda each: dumped(FILTERED, 4)(each[:3]) + dumped(GOT)(each[3:]),
    "--query 'events[].message'": dumped(texts, 4),
    "--query 'events[].[message]' --output text": lines(str),
    "--query 'events[].message' --output text": lambda each: "\t".join(texts(each)),
    "--output text": lines(lambda each: f"EVENTS\t3{0:055}\t1772625600001\t{STREAM}\t{each}\t17"),
    "jq -c .events": dumped(events),
    "jq .events": dumped(events, 2),
    "jq -c .events[]": lambda each: "".join(json.dumps(one) + "\n" for one in events(each)),
    "jq .events[]": lambda each: "".join(json.dumps(one, indent=2) + "\n" for one in events(each)),
    "jq .events[].message": lambda each: "\n".join(map(json.dumps, texts(each))),
    "jq .events[].message|fromjson": lambda e: "\n".join(json.dumps(o, indent=2) for o in e),
    "jq -s": dumped(list),
    "jq -s, indented": dumped(list, 2),
    "objects in braces side by side": lambda each: (
        "[" + ", ".join(json.dumps(one, indent=2) for one in events(each)) + "]"
    ),
    "a list with a line each": lambda each: "[" + ",\n".join(texts(each)) + "]",
    "several on a line": lambda each: "".join(texts(each)),
    "get-log-events": dumped(GOT, 4),
    "get-query-results": dumped(QUERIED, 4),
    "get-query-results | jq -c .": dumped(QUERIED),
    "get-query-results | jq -c .results[]": lambda e: "\n".join(map(json.dumps, rows(e))),
    "Insights' JSON": dumped(lambda each: [{"@message": one, "@ptr": "x"} for one in texts(each)]),
    "Insights' JSON, read": dumped(lambda each: [{"@message": one} for one in each], 2),
    "a subscription's": dumped(
        lambda each: {"messageType": "DATA_MESSAGE", "logEvents": events(each)}
    ),
    "the console's CSV": table(["timestamp", "message"]),
    "the console's CSV twice": lambda each: (
        table(["timestamp", "message"])(each[:2]) + table(["timestamp", "message"])(each[2:])
    ),
    "Insights' CSV": table(["@timestamp", "@message", "@logStream"]),
    "Insights' CSV, messages only": table(["@message"]),
    "CSV by a spreadsheet": table(["Timestamp", "Message"], ";"),
    "CSV with tabs": table(["@message", "@timestamp"], "\t"),
}
BYTE_FORMS: dict[str, Callable[[str], bytes]] = {
    "with a mark of UTF-8": lambda text: text.encode("utf-8-sig"),
    "behind what a file lost when it was truncated": lambda text: b"\0" * 9 + text.encode(),
    "in UTF-16, as PowerShell writes it": lambda text: text.encode("utf-16"),
    "in UTF-16, the other way": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "packed by gzip": lambda text: gzip.compress(text.encode()),
    "packed by gzip, in parts": lambda text: b"".join(
        gzip.compress(each.encode()) for each in text.splitlines(keepends=True)
    ),
    "packed by gzip, in UTF-16": lambda text: gzip.compress(text.encode("utf-16")),
}


def counted(oncall: Command, given: bytes) -> Any:  # noqa: ANN401 - JSON
    """The report of a file, which standard input gives as well."""
    (oncall.folder / "given").write_bytes(given)
    answer = oncall("report", "given", "--json")
    assert oncall("report", "-", "--json", stdin=given) == answer
    return {"status": answer.status, **answer.json}


@pytest.fixture(scope="module")
def oncall(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, without any provider."""
    command = Command(tmp_path_factory.mktemp("folder"), "")
    command.environment["INCIDENTIO_BASE_URL"] = "https://api.incident.io"
    return command


@pytest.fixture(scope="module")
def whole(oncall: Command) -> Any:  # noqa: ANN401 - JSON
    """The report of the function's own lines."""
    report = counted(oncall, "\n".join(texts(RECORDS)).encode())
    assert (report["status"], report["decisions"], report["refused"]) == (
        0,
        6,
        {RECORDS[-1]["why"]: 1},
    )
    return report


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_each_form_gives_the_same_report(form: str, oncall: Command, whole: object) -> None:
    """Every form gives all records; where files overlap, a record counts once."""
    text = TEXT_FORMS[form](RECORDS)
    assert counted(oncall, text.encode()) == whole
    overlapping = text.rstrip("\n") + "\n" + TEXT_FORMS[form](RECORDS[:3])
    assert counted(oncall, overlapping.encode()) == whole


@pytest.mark.parametrize("form", BYTE_FORMS)
@pytest.mark.parametrize("inner", ["aws logs tail", "filter-log-events", "the console's CSV"])
def test_each_encoding_gives_the_same_report(
    form: str, inner: str, oncall: Command, whole: object
) -> None:
    """The first bytes tell the encoding, not the file's name."""
    assert counted(oncall, BYTE_FORMS[form](TEXT_FORMS[inner](RECORDS))) == whole


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_a_truncated_file_is_reported(form: str) -> None:
    """Wherever a file is cut off, the report has all records or says that some are missing."""
    text = TEXT_FORMS[form](RECORDS[:3]).rstrip()
    for end in range(1, len(text), 97):
        kept = text[:end]
        log = read_log(kept)
        if len(log.records) < len(re.findall(r'level[\\"]+: [\\"]+INFO', kept)):
            assert log.unreadable or log.gaps, (end, kept[-80:])


@pytest.mark.parametrize("form", ["aws logs tail --format json", "jq .events", "jq -c .events"])
def test_one_damaged_event_hides_no_other(form: str) -> None:
    """Not even if the damage is inside a value that spans lines."""
    text = TEXT_FORMS[form](RECORDS)
    at = text.index("c-1") + 3
    log = read_log(text[:at] + text[at + 60 :])
    assert (len(log.records), log.unreadable) == (len(RECORDS) - 1, 1)


def test_a_stray_brace_hides_nothing() -> None:
    """An opening brace starts no object if the next line starts a new record."""
    for stray in ("{\n", "x {\n", '{"a": [{\n', "  {\n\n", '{\n  "a": {\n', "[INFO {\n"):
        for form in ("aws logs tail", "aws logs tail --format json", "filter-log-events"):
            text = stray + TEXT_FORMS[form](RECORDS)
            log = read_log(text)
            assert (len(log.records), log.unreadable, log.gaps) == (len(RECORDS), 0, ()), stray


def test_the_same_id_with_another_record_counts() -> None:
    """Nobody can remove a decision from a report by logging a line with its id first."""
    (one,) = log_records(request_by(), call="c")
    (other,) = log_records(request_by(OMAR), call="c")
    assert len(read_log("\n".join(texts([one, other, one]))).records) == 2
    refused = RECORDS[-1]
    assert len(read_log("\n".join(texts([refused, refused]))).records) == 2  # without an id
    named = [json.dumps({"eventId": each, "message": json.dumps(refused)}) for each in "aab"]
    assert len(read_log("\n".join(named)).records) == 2


TOKEN = {"nextToken": "t"}
GAPS: dict[str, tuple[object, str]] = {
    "a page": ({**FILTERED(RECORDS), **TOKEN}, reader.NEXT_PAGE),
    "so many items": ({**FILTERED(RECORDS), "NextToken": "t"}, reader.NEXT_PAGE),
    "all pages": ([{**FILTERED(RECORDS[:3]), **TOKEN}, FILTERED(RECORDS[3:])], ""),
    "a query that runs": ({**QUERIED(RECORDS), "status": "Running"}, reader.RUNNING),
    "a query that gave up": ({**QUERIED(RECORDS), "status": "Timeout"}, reader.RUNNING),
    "a query with a limit": (
        {**QUERIED(RECORDS), "statistics": {"recordsMatched": 1000.0}},
        reader.LIMITED,
    ),
    "a full page": (
        {**GOT(RECORDS), "events": [*events(RECORDS), {"message": "x" * 900_000}]},
        reader.ONE_PAGE,
    ),
}


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("name", GAPS)
def test_a_truncated_answer_is_reported(name: str, indent: int | None, oncall: Command) -> None:
    """If an answer says that there is more, the report says so and the status is 1."""
    answer, gap = GAPS[name]
    text = json.dumps(answer, indent=indent)
    log = read_log(text)
    assert len(log.records) == len(RECORDS)
    assert log.gaps == ((gap,) if gap else ())
    output = oncall("report", "-", stdin=text)
    assert output.status == (1 if gap else 0)
    assert (output.lines[-1] == f"part of the log is missing: {gap}") is bool(gap)
    assert oncall("replay", "-", "--json", stdin=text).json["gaps"] == list(log.gaps)


def test_a_query_with_the_maximum_of_rows_is_reported() -> None:
    """Insights' CSV does not say what it leaves out: the number of rows shows it."""
    text = "@timestamp,@message\n" + "1,x\n" * 1000
    assert read_log(text).gaps == (reader.FULL,)
    assert read_log(text + "1,x\n").gaps == ()


PLAIN = "\n".join(texts(RECORDS)).encode()
HOW = "; get them with `aws logs tail LOG_GROUP --since 7d > week.log`"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (gzip.compress(PLAIN)[:-20], "cannot be read: its gzip data is damaged or cut off"),
        (gzip.compress(PLAIN) + b"x", "cannot be read: its gzip data is damaged or cut off"),
        (b"\x1f\x8b", "cannot be read: its gzip data is damaged or cut off"),
        (gzip.compress(gzip.compress(PLAIN)), "is packed with gzip twice: unpack it first"),
        (bz2.compress(PLAIN), "is packed with bzip2: unpack it first"),
        (lzma.compress(PLAIN), "is packed with xz: unpack it first"),
        (b"PK\x03\x04....", "is a zip archive or a spreadsheet: unpack it, or export CSV"),
        (b"\xff\r\x80,\xfe", "cannot be read: it isn't text in UTF-8"),
        (PLAIN.decode().encode("utf-16")[:-1], "cannot be read: it isn't text in UTF-16"),
        (
            b"@timestamp,outcome\n1,approve\n",
            f"has no line of the function's log: {reader.NO_MESSAGES}",
        ),
        (b"events:\n- message: x\n", f"has no line of the function's log{HOW}"),
    ],
)
def test_unreadable_files_are_rejected(given: bytes, expected: str, oncall: Command) -> None:
    """The error says what to do; nothing is reported as if it were complete."""
    assert oncall("report", "-", stdin=given) == (2, "", f"oncall: stdin {expected}\n")


def test_a_first_line_with_a_carriage_return(oncall: Command) -> None:
    """A progress bar, for example, is skipped like any other line."""
    given = b"10 %\r100 %\n" + PLAIN
    assert oncall("report", "-", stdin=given) == oncall("report", "-", stdin=PLAIN)


def test_too_large_files_are_rejected(oncall: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if a file is only too large once it is unpacked."""
    monkeypatch.setattr(logs, "MOST_BYTES", 2**20)
    for given in (b"x\n" * 2**20, gzip.compress(b"x\n" * 2**20)):
        answer = oncall("report", "-", stdin=given)
        assert answer.err == "oncall: stdin has more than 1 MiB: split it\n"


def test_an_unclosed_quote_is_reported() -> None:
    """It swallows the rest of the file, and the report says so."""
    text = TEXT_FORMS["the console's CSV"](RECORDS)
    assert read_log(text + '1,"{').unreadable == 1


@pytest.mark.parametrize("inner", ["[", '{"events": [', '{"a": ['])
def test_deeply_nested_lists_are_skipped(inner: str) -> None:
    """However deep they are, the next line is read."""
    log = read_log('{"events": [' + inner * 100_000 + "\n" + "\n".join(texts(RECORDS)))
    assert (len(log.records), log.gaps) == (len(RECORDS), (reader.BROKEN,))
    assert read_log('{"events": [' + inner * 100_000) == ([], 0, ())


def test_an_error_costs_only_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of `json` counts the lines before it, which thousands of errors can't afford."""
    numbers: list[int] = []

    def value_at(text: str, begin: int) -> tuple[object, int]:
        try:
            return record.value_at(text, begin)
        except json.JSONDecodeError as error:
            numbers.append(error.lineno)
            raise

    monkeypatch.setattr(reader, "value_at", value_at)
    damaged = [line[:80] for line in texts(RECORDS)] * 20
    stray = ["{}{", '"{', '["', "{ x {", '{"events": [{']
    text = "\n".join([*damaged, *stray * 20, *texts(RECORDS)])
    for form in (text, json.dumps({"message": text})):
        numbers.clear()
        log = read_log(form)
        assert (len(log.records), log.unreadable) == (len(RECORDS), len(damaged))
        assert sum(numbers) <= 2 * len(numbers)


def test_a_line_is_searched_once() -> None:
    """However many values in it are damaged, with readable ones between them."""
    text = ("{}" + texts(RECORDS)[0][:80]) * 100
    calls: Counter[str] = Counter()

    def count(_: object, event: str, function: object) -> None:
        if event == "c_call":
            calls[getattr(function, "__name__", "")] += 1

    sys.setprofile(count)
    try:
        log = read_log(text)
    finally:
        sys.setprofile(None)
    assert (log.records, log.unreadable) == ([], 100)
    assert calls["find"] + calls["finditer"] + calls["findall"] < 10
    assert calls["search"] <= 2 * text.count("{")
