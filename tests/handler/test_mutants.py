"""What is said of mutants is said of the code as it is."""

from __future__ import annotations

from tests.mutate import ROOT, explained


def test_explained_mutants_are_of_this_code() -> None:
    """Each line that is explained still stands in its file: an edit has to look at it again."""
    mutants = explained()
    assert mutants
    for each in mutants:
        code = " ".join((ROOT / each.file).read_text(encoding="utf-8").split())
        assert each.before in code, each
        assert each.after != each.before
