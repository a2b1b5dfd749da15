"""The function's log: kept in memory, written to a private file, and awaited by tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.function_log import MOST_RECORDS, FunctionLog


@pytest.fixture
def log(tmp_path: Path) -> FunctionLog:
    """A new log in a folder that doesn't exist yet."""
    return FunctionLog(tmp_path / ".sandbox" / "function.log")


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ('{"message": "refused", "n": 1}', {"message": "refused", "n": 1}),
        ('{"message": "decision", "n": 1}', {"message": '{"message": "decision", "n": 1}'}),
        ("[" * 100_000, {"message": "[" * 100_000}),
        ("a print", {"message": "a print"}),
        ("7", {"message": "7"}),
        ('["a list"]', {"message": '["a list"]'}),
        ("", {"message": ""}),
        ("{broken", {"message": "{broken"}),
    ],
)
def test_every_line_is_a_record(log: FunctionLog, line: str, record: dict[str, object]) -> None:
    """A JSON object is its own record; any other line becomes a message."""
    log(line)
    assert log.records == [record]
    assert log.file.read_text(encoding="utf-8") == f"{line}\n"


def test_file_is_private_and_starts_empty(tmp_path: Path) -> None:
    """Old contents and other users' rights are removed."""
    file = tmp_path / "function.log"
    file.write_text("of yesterday\n", encoding="utf-8")
    file.chmod(0o644)
    FunctionLog(file)("Zürich ✓")
    assert file.read_text(encoding="utf-8") == "Zürich ✓\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_memory_is_limited(log: FunctionLog) -> None:
    """Memory keeps the newest records and the count, the file all; numbers don't change."""
    for number in range(MOST_RECORDS + 2):
        log(f"line {number}")
    assert len(log.records) == MOST_RECORDS
    assert log.records[0] == {"message": "line 2"}
    assert log.count == MOST_RECORDS + 2
    assert log.file.read_text(encoding="utf-8").startswith("line 0\nline 1\n")
    assert log.wait_for(lambda _: True, since=0) == {"message": "line 2"}
    assert log.wait_for(lambda _: True, since=7) == {"message": "line 7"}
    assert log.wait_for(lambda _: True, since=log.count, seconds=0.01) is None
