"""What a log line may hold: cut to size, and nobody's e-mail but the requester's. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from handler import emails

# An event of CloudWatch Logs holds 262,144 bytes, 26 of them its own: what is longer is cut, is no
# JSON then, and is counted by no metric. A body may ask for thousands of resources, one person may
# have thousands of duties, and a policy hundreds of rules with long names.
MOST_LINE_BYTES = 256_000
MOST_ENTRIES = 50
MOST_CHARACTERS = 200
MOST_LEVEL = 10**6
# For each of the three parts of a decision's line. Everything whose length is not ours is charged,
# as JSON escapes it; all else is some 2,000 bytes.
MOST_BYTES = 60_000
_ENTRY_BYTES = 10
_LONGEST_BYTES = MOST_CHARACTERS * len(r"\uffff")
_QUOTING = frozenset('"\\')
# Compiled where it is used: seldom, and never at a cold start.
_EMAIL = r'[^\s:@"()<>,;\[\]]+(?:@|%40)[^\s:@"()<>,;\[\]]+'


class Redactor:
    """Cuts what is told to size, names nobody but the requester, and knows whether it had to.

    Attributes:
        whole: whether all of it was told as it is.
        omitted: how much was left out, by what it is.
    """

    def __init__(self, requester: str, omitted: dict[str, int]) -> None:
        self._requester = requester
        self._left = MOST_BYTES
        self.whole = True
        self.omitted = omitted

    def text(self, text: str) -> str:
        """Tell a text."""
        return self._charged(self._without_address(text), text)

    def pair(self, one: str, two: str) -> str:
        """Tell two texts as one, with a colon between them."""
        told = f"{self._without_address(one)}:{self._without_address(two)}"
        if emails.may_be_in(told) and not (emails.may_be_in(one) or emails.may_be_in(two)):
            told = emails.HIDDEN
        return self._charged(told, f"{one}:{two}")

    def number(self, number: int) -> int:
        """Tell a number, which may have thousands of digits."""
        told = min(number, MOST_LEVEL)
        self.whole = self.whole and told == number
        return told

    def texts(self, texts: Sequence[str], name: str = "texts") -> list[str]:
        """Tell the first of them."""
        return [self.text(each) for each in self.first(texts, name)]

    def first(
        self, entries: Sequence[Any], name: str, most: int = MOST_ENTRIES, each: int = _ENTRY_BYTES
    ) -> Iterator[Any]:
        """Take as many as fit, and count the others."""
        for number, entry in enumerate(entries):
            if number == most or self._left < each + _LONGEST_BYTES:
                self.whole = False
                self._omit(name, len(entries) - number)
                return
            self._left -= each
            yield entry

    def _charged(self, told: str, text: str) -> str:
        told = _without_half_pairs(told[:MOST_CHARACTERS])
        size = len(encode_basestring_ascii(told)) - len('""')
        if size > self._left:
            told, size = "", 0
        self._left -= size
        if told != text:
            self.whole = False
            self._omit("texts", 1)
        return told

    def _omit(self, name: str, count: int) -> None:
        self.omitted[name] = self.omitted.get(name, 0) + count

    def _without_address(self, text: str) -> str:
        """Hide each address, or all of the text where it is not clear what belongs to one."""
        if emails.same(text, self._requester) or not emails.may_be_in(text):
            return text
        if len(text) > 2 * MOST_CHARACTERS or not _QUOTING.isdisjoint(text):
            return emails.HIDDEN
        return (
            emails.HIDDEN
            if emails.has_at(re.sub(_EMAIL, " ", text))
            else re.sub(_EMAIL, self._hidden, text)
        )

    def _hidden(self, found: re.Match[str]) -> str:
        return found[0] if emails.same(found[0], self._requester) else emails.HIDDEN


def _without_half_pairs(text: str) -> str:
    """Replace what JSON may escape, and strict readers refuse when it is written again."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)
