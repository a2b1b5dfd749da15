"""Durations as people type them and as Go writes them, and RFC 3339 instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from handler.durations import format_go, format_instant, in_words, parse_duration, parse_instant
from policy.duration_hints import hint, nearest, short, typed_duration

MICROSECOND = timedelta(microseconds=1)
LONGEST = timedelta(microseconds=(2**63 - 1) // 1000)

# The rows of Go's own `time_test.go` (parseDurationTests), in whole microseconds, without
# those that `Duration.String` never writes: smaller units before larger ones.
ACCEPTED_BY_GO = [
    ("0", timedelta(0)),
    ("5s", timedelta(seconds=5)),
    ("30s", timedelta(seconds=30)),
    ("1478s", timedelta(seconds=1478)),
    ("-5s", timedelta(seconds=-5)),
    ("+5s", timedelta(seconds=5)),
    ("-0", timedelta(0)),
    ("+0", timedelta(0)),
    ("5.0s", timedelta(seconds=5)),
    ("5.6s", timedelta(seconds=5, milliseconds=600)),
    ("5.s", timedelta(seconds=5)),
    (".5s", timedelta(milliseconds=500)),
    ("1.0s", timedelta(seconds=1)),
    ("1.004s", timedelta(milliseconds=1004)),
    ("1.0040s", timedelta(milliseconds=1004)),
    ("100.00100s", timedelta(milliseconds=100_001)),
    ("10ns", MICROSECOND),
    ("11us", 11 * MICROSECOND),
    ("12\u00b5s", 12 * MICROSECOND),
    ("12\u03bcs", 12 * MICROSECOND),
    ("13ms", timedelta(milliseconds=13)),
    ("14s", timedelta(seconds=14)),
    ("15m", timedelta(minutes=15)),
    ("16h", timedelta(hours=16)),
    ("3h30m", timedelta(hours=3, minutes=30)),
    ("-2m3.4s", -timedelta(minutes=2, seconds=3, milliseconds=400)),
    ("1h2m3s4ms5us6ns", timedelta(hours=1, minutes=2, seconds=3, milliseconds=4, microseconds=5)),
    ("39h9m14.425s", timedelta(hours=39, minutes=9, seconds=14, milliseconds=425)),
    ("52763797000ns", timedelta(microseconds=52_763_797)),
    ("0.3333333333333333333h", timedelta(minutes=20) - MICROSECOND),
    ("9007199254740993ns", timedelta(microseconds=9_007_199_254_740)),
    ("9223372036854775807ns", LONGEST),
    ("9223372036854775.807us", LONGEST),
    ("9223372036s854ms775us807ns", LONGEST),
    ("-9223372036854775807ns", -LONGEST),
    ("0.100000000000000000000h", timedelta(minutes=6)),
    ("0.830103483285477580700h", timedelta(minutes=49, seconds=48, microseconds=372_539)),
]

# The same file's smallest duration, in its four spellings.
SMALLEST = [
    "-9223372036854775808ns",
    "-9223372036854775.808us",
    "-9223372036s854ms775us808ns",
    "-2562047h47m16.854775808s",
]

# What people type, and Go refuses.
TYPED = [
    ("90 min", timedelta(minutes=90)),
    ("90mins", timedelta(minutes=90)),
    ("1 hour", timedelta(hours=1)),
    ("2 hours", timedelta(hours=2)),
    ("3 hrs", timedelta(hours=3)),
    ("30 minutes", timedelta(minutes=30)),
    ("1 Hour 30 Minutes", timedelta(minutes=90)),
    ("1h 30m", timedelta(minutes=90)),
    ("1 h 30 m", timedelta(minutes=90)),
    ("1hour30min", timedelta(minutes=90)),
    (" 1h\u00a0\t30m\n", timedelta(minutes=90)),
    ("1H30M", timedelta(minutes=90)),
    ("1M", timedelta(minutes=1)),  # never a month
    ("2 SECS", timedelta(seconds=2)),
    ("1d", timedelta(days=1)),
    ("1d12h", timedelta(hours=36)),
    ("2 days", timedelta(days=2)),
    ("1w", timedelta(days=7)),
    ("1 week 1 day", timedelta(days=8)),
    ("1.5 hours", timedelta(minutes=90)),
    ("1h1.5m", timedelta(minutes=61, seconds=30)),
    # The original's form for a fraction of an hour.
    ("1.5h0m0s", timedelta(minutes=90)),
    ("0.25h0m0s", timedelta(minutes=15)),
    ("1h90m", timedelta(minutes=150)),
]

# The same file's parseDurationErrorTests, and texts without order or unit.
REFUSED = [
    *("", "3", "-", "+", "s", ".", "-.", ".s", "+.s", "\x85\x85", "\ufffd"),
    "hello \ufffd world",
    "9223372036854775810ns",
    "9223372036854775808ns",
    "-9223372036854775809ns",
    "9223372036854776us",
    "3000000h",
    "9223372036854775.808us",
    "9223372036854ms775us808ns",
    *("00", "0.0", "1.5", "1.5.5h", "1h1", "3h30", "1\u00b5", "1e3s", "1e308h", "9" * 60 + "h"),
    *("--1s", "+-1s", "-+1s", "- 1s", "1h-1m", "0x10s", "1,5h", "1_0s", "Infinityh", "nans"),
    *("\u0661h", "\uff11h", "1\u017f", "forever", "soonish", "inf", "nan", "indefinite", "3:30"),
    # Likely typos: a unit twice, a smaller unit first, a unit after a fraction.
    *("1h1h", "1h1hour", "1us1\u00b5s", "30m1h", "10.5s4m", "1s1ms1s", "1.5h30m", "1.5h0m30s"),
    *("1 month", "1mo", "1y", "h", "h1", "one hour", "1 hour and 30 minutes", "1h, 30m", "PT1H"),
]


@pytest.mark.parametrize(("text", "duration"), ACCEPTED_BY_GO)
def test_reads_what_go_reads(text: str, duration: timedelta) -> None:
    """A text that Go's `ParseDuration` accepts has the same meaning here, to the microsecond."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", SMALLEST)
def test_reads_the_smallest_duration_of_go(text: str) -> None:
    """Go's smallest duration, one nanosecond beyond the largest, can be read."""
    assert parse_duration(text) in {-LONGEST, -LONGEST - MICROSECOND}


@pytest.mark.parametrize(("text", "duration"), TYPED)
def test_reads_what_people_type(text: str, duration: timedelta) -> None:
    """Units may be words, in any case, with spaces; days and weeks are accepted as well."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_ambiguous_texts(text: str) -> None:
    """Overflow, foreign digits, numbers without a unit and ambiguous texts are refused."""
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1ns", MICROSECOND),
        ("999ns", MICROSECOND),
        ("1999ns", MICROSECOND),
        ("0.000001ms", MICROSECOND),
        ("-1ns", -MICROSECOND),
        ("0ns", timedelta(0)),
        ("-0s", timedelta(0)),
        # Go truncates to whole nanoseconds, which would make 0.9ns zero.
        ("0.9ns", MICROSECOND),
        ("-0.1ns", -MICROSECOND),
        ("0.00000000000001h", MICROSECOND),
        ("0.0ns", timedelta(0)),
    ],
)
def test_keeps_the_sign_of_less_than_a_microsecond(text: str, duration: timedelta) -> None:
    """A duration below a microsecond keeps its sign, since Indent sends `-1ns`."""
    assert parse_duration(text) == duration


def test_reads_no_more_than_64_characters() -> None:
    """A text of more than 64 characters is refused at once."""
    assert parse_duration("0" * 63 + "s") == timedelta(0)
    assert parse_duration("0" * 64 + "s") is None
    assert parse_duration("1h" * 1_000_000) is None


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=1), "1s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(seconds=60), "1m0s"),
        (timedelta(minutes=15), "15m0s"),
        (timedelta(minutes=59, seconds=59), "59m59s"),
        (timedelta(hours=1), "1h0m0s"),
        (timedelta(hours=1, seconds=1), "1h0m1s"),
        (timedelta(hours=1, minutes=30), "1h30m0s"),
        (timedelta(hours=6), "6h0m0s"),
        (timedelta(days=7), "168h0m0s"),
    ],
)
def test_writes_as_go_does(duration: timedelta, text: str) -> None:
    """Durations are written as Go does, in hours, minutes and seconds."""
    assert format_go(duration) == text


@pytest.mark.parametrize(
    ("duration", "words", "typed"),
    [
        (timedelta(0), "less than a second", "0s"),
        (timedelta(seconds=1), "1 second", "1s"),
        (timedelta(minutes=45), "45 minutes", "45m"),
        (timedelta(hours=1, seconds=5), "1 hour 5 seconds", "1h5s"),
        (timedelta(hours=3, minutes=30), "3 hours 30 minutes", "3h30m"),
        (timedelta(hours=168), "168 hours", "168h"),
    ],
)
def test_writes_for_people(duration: timedelta, words: str, typed: str) -> None:
    """Durations are written in words and in short form, and both can be read again."""
    assert in_words(duration) == words
    assert short(duration) == typed
    assert parse_duration(typed) == duration
    assert parse_duration(words) == (duration or None)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("3h30", "3h30m"),
        ("1 hour 30", "1h30m"),
        ("1d12", "36h"),
        ("5m30", "5m30s"),
        ("1,5h", "1h30m"),
        ("1,25 hours", "1h15m"),
        ("30m1h", "1h30m"),
        ("1 hour and 30 minutes", "1h30m"),
        ("1h, 30m", "1h30m"),
        ("90 minuets", "1h30m"),
        ("2 ours 5 mintues", "2h5m"),
        # These have no clear meaning.
        *((text, "") for text in ("", "soon", "90", "1.5", "1h1h", "-1h", "1h-30m", "3:30", "1y")),
        *((text, "") for text in ("1h60", "3h5", "1,000h", "1w12", "1.5h30m", "1 month", "1h.5")),
        *((text, "") for text in ("h30", "3h30x", "1e3s", "0h30.5s", "500ms", "9" * 70 + "h")),
        *((text, "") for text in ("300000000h30", "1s30", "\u0663h30", "0s")),
        # These may be other units, or units in another language.
        *((text, "") for text in ("90 nanoseconds", "1 weekdays", "1 today", "1 mois")),
    ],
)
def test_nearest(text: str, near: str) -> None:
    """The hint has the same numbers and units, correctly written; ambiguous texts have no hint."""
    assert nearest(text) == near


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3h30", "isn't a duration: did you mean 3h30m?"),
        ("90", "isn't a duration: a number needs a unit, for example 90m or 90h"),
        (" 1.5 ", "isn't a duration: a number needs a unit, for example 1.5m or 1.5h"),
        ("soon", "isn't a duration: use, for example, 90m or 1h30m"),
        ("", "isn't a duration: use, for example, 90m or 1h30m"),
        ("1ms", "is less than a second: use, for example, 90m or 1h30m"),
        ("-1h", "is less than a second: use, for example, 90m or 1h30m"),
    ],
)
def test_what_to_type_instead(text: str, expected: str) -> None:
    """The error has the nearest correct spelling, without the value."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        typed_duration(text)
    assert expected.endswith(hint(text)) or "less than" in expected
    assert typed_duration("1s") == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-05-01T07:00:00Z", datetime(2020, 5, 1, 7, tzinfo=UTC)),
        ("2020-05-01t07:00:00z", datetime(2020, 5, 1, 7, tzinfo=UTC)),
        ("2024-01-15T10:30:01.000Z", datetime(2024, 1, 15, 10, 30, 1, tzinfo=UTC)),
        ("2024-01-15T10:30:01.5Z", datetime(2024, 1, 15, 10, 30, 1, 500_000, tzinfo=UTC)),
        ("2024-01-15T10:30:01.123456Z", datetime(2024, 1, 15, 10, 30, 1, 123_456, tzinfo=UTC)),
        ("2024-01-15T10:30:01.123456789Z", datetime(2024, 1, 15, 10, 30, 1, 123_456, tzinfo=UTC)),
        ("2024-01-15T10:30:01.999999999Z", datetime(2024, 1, 15, 10, 30, 1, 999_999, tzinfo=UTC)),
        ("2024-01-15T10:30:01+02:00", datetime(2024, 1, 15, 8, 30, 1, tzinfo=UTC)),
        ("2024-01-15T10:30:01.25-05:30", datetime(2024, 1, 15, 16, 0, 1, 250_000, tzinfo=UTC)),
        ("2024-01-15T10:30:01-00:00", datetime(2024, 1, 15, 10, 30, 1, tzinfo=UTC)),
        ("2024-01-15T10:30:01+23:59", datetime(2024, 1, 14, 10, 31, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59+01:00", datetime(9999, 12, 31, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_reads_an_instant(text: str, moment: datetime) -> None:
    """An RFC 3339 instant is read as UTC, cut to microseconds."""
    read = parse_instant(text)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1705314601",
        "2024-01-15",
        "2024-01-15T10:30:01",
        "2024-01-15T10:30Z",
        "2024-01-15 10:30:01Z",
        "20240115T103001Z",
        "2024-W03-1T10:30:01Z",
        "2024-01-15T10:30:01.Z",
        "2024-01-15T10:30:01,5Z",
        "2024-01-15T10:30:01.1234567890Z",
        "2024-01-15T10:30:01Z\n",
        "\n2024-01-15T10:30:01Z",
        " 2024-01-15T10:30:01Z",
        "2024-01-15T10:30:01ZZ",
        "2024-01-15T10:30:01+0200",
        "2024-01-15T10:30:01+02",
        "2024-01-15T10:30:01+02:00:00",
        "2024-01-15T10:30:01 +02:00",
        "2024-01-15T10:30:01\u221202:00",
        "2024-01-15T10:30:01+24:00",
        "+2024-01-15T10:30:01Z",
        "12024-01-15T10:30:01Z",
        "0000-01-01T00:00:00Z",
        "2024-00-15T10:30:01Z",
        "2024-13-15T10:30:01Z",
        "2024-01-00T10:30:01Z",
        "2023-02-29T10:30:01Z",
        "2024-01-15T24:00:00Z",
        "2024-01-15T10:60:01Z",
        "2016-12-31T23:59:60Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "\u0662\u0660\u0662\u0664-01-15T10:30:01Z",
        "2024-01-15T10:30:0\uff11Z",
        "2024-01-15T10:30:01.\u0661Z",
        "2024-01-15T10:30:01+\u0660\u0662:00",
        "\ud800",
    ],
)
def test_refuses_invalid_instants(text: str) -> None:
    """Local times, foreign digits, leap seconds and invalid years are read as None."""
    assert parse_instant(text) is None


@pytest.mark.parametrize("offset", ["+12:60", "-12:60", "+00:99"])
def test_refuses_an_offset_of_more_than_59_minutes(offset: str) -> None:
    """An offset of more than 59 minutes is refused, as in RFC 3339."""
    assert parse_instant(f"2024-01-15T10:30:01{offset}") is None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 1, 15, 16, 30, 2, 123_000, tzinfo=UTC), "2024-01-15T16:30:02.123Z"),
        (datetime(2024, 1, 15, 16, 30, 2, tzinfo=UTC), "2024-01-15T16:30:02.000Z"),
        (datetime(2024, 1, 15, 16, 30, 2, 999_999, tzinfo=UTC), "2024-01-15T16:30:02.999Z"),
        (
            datetime(2024, 1, 15, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2024-01-14T23:00:00.000Z",
        ),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59.000Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000Z"),
    ],
)
def test_writes_an_instant_as_indent_does(moment: datetime, text: str) -> None:
    """Instants are written in UTC, with milliseconds that are cut, not rounded."""
    assert format_instant(moment) == text
