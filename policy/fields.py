"""Typed values out of a tree. What is wrong is noted, and an empty value goes on in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from handler import emails
from handler.durations import format_go, parse_duration, parse_instant
from handler.setting_parsers import LONGEST_APPROVAL
from policy.diagnostics import Placed, Problems, nearest, quoted
from policy.duration_hints import hint, short
from policy.spelling import QUOTES, composed, typographic_in
from policy.yaml_nodes import NOTHING, NUMBER, TEXT, TIME, TRUTH, Fields, Items, Node, Scalar

ANY = "any"
MOST_CHARACTERS = 100
SHORTEST = timedelta(seconds=1)
_WHOLE = re.compile(r"[1-9][0-9]{0,2}")
# An apostrophe may be part of a name, but not around an address.
_ADDRESS = re.compile(rf"""(?!')[^\s@*,;<>"{QUOTES}]+@[^\s@*,;<>"'{QUOTES}]+""")
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class Reader:
    """Reads the values of one file."""

    def __init__(self, problems: Problems, *, strict: bool = False) -> None:
        self._problems = problems
        self._strict = strict

    def strictly(self) -> Reader:
        """Give a reader of texts that speak against somebody: there, doubts are errors."""
        return Reader(self._problems, strict=True)

    def error(self, at: Placed, text: str) -> None:
        """Note what has to be mended."""
        self._problems.error(at, text)

    def fields(
        self, node: Node, what: str, keys: Sequence[str], required: Sequence[str] = ()
    ) -> dict[str, Node]:
        """Read a mapping of known keys; `what` is what it is, with its article."""
        found: dict[str, Node] = {}
        for key, value in self.entries(node, what):
            if key.text not in keys:
                said = f"{quoted(key.text)} is no key of {what}{nearest(key.text, keys)}"
                self.error(key, said)
                continue
            if _is_nothing(value):
                self.error(key, f'"{key.text}" has no value: give it one, or leave it out')
            found[key.text] = value
        if isinstance(node, Fields):
            for each in required:
                if each not in found:
                    self.error(node, f'{what} has no "{each}"')
        return {key: value for key, value in found.items() if not _is_nothing(value)}

    def entries(self, node: Node, what: str) -> Sequence[tuple[Scalar, Node]]:
        """Read a mapping of any keys, which has to have one."""
        if not isinstance(node, Fields):
            self.error(node, f"{what} is {_told(node)}: a mapping (key: value) is needed")
            return ()
        if not node.entries:
            self.error(node, f"{what} is empty: name something in it")
        return node.entries

    def items(self, node: Node, what: str) -> Sequence[Node]:
        """Read a list, which has to have an entry."""
        if not isinstance(node, Items):
            self.error(node, f'"{what}" is {_told(node)}: a list is needed ([a, b])')
            return ()
        if not node.items:
            self.error(node, f'"{what}" is empty: name something in it')
        return node.items

    def text(self, node: Node, what: str, most: int = 0) -> str:
        """Read a text that is not empty; `most` is how long it may be."""
        if not isinstance(node, Scalar):
            self.error(node, f'"{what}" is {_told(node)}: a text is needed')
            return ""
        if node.meaning is not TEXT:
            said = f'"{what}" is {node.text or "empty"}, which YAML reads as {node.meaning}'
            self.error(node, f'{said}: write it in quotes ("{node.text}")')
            return ""
        if node.text != node.text.strip():
            self.error(node, f'"{what}" begins or ends with white space')
            return ""
        if not node.text:
            self.error(node, f'"{what}" is empty')
        if most and len(node.text) > most:
            self.error(
                node, f'"{what}" has {len(node.text)} characters: at most {most} are allowed'
            )
        doubts = list(self._doubts(node.text))
        for doubt in doubts:
            note = self.error if self._strict else self._problems.warn
            note(node, f'"{what}": {quoted(node.text)} {doubt}')
        return "" if self._strict and doubts else node.text

    def _doubts(self, text: str) -> Iterator[str]:
        """Say what in a text is not as a keyboard writes it."""
        if text.isascii() and not self._strict:
            return
        if typographic := typographic_in(text, strict=self._strict):
            yield typographic
        if text != composed(text):
            yield "has a letter and its accent in two characters: type it anew, in one (NFC)"

    def texts(self, node: Node, what: str) -> list[Scalar]:
        """Read a list of texts, each once; `any` in it would be the name of something."""
        found: dict[str, Scalar] = {}
        for each in self.items(node, what):
            text = self.text(each, what)
            if not (text and isinstance(each, Scalar)):
                continue
            if text.lower() == ANY:
                said = f'"{what}" lists {text}, which would be the name of one'
                self.error(each, f"{said}: {ANY} stands alone, where it is allowed at all")
            elif text in found:
                said = f"{quoted(text)} is here twice: first in line {found[text].line}"
                self.error(each, f'"{what}": {said}')
            else:
                found[text] = each
        return list(found.values())

    def whole_texts(self, node: Node, what: str) -> list[str]:
        """Read texts that are compared whole, so that a pattern would fit nothing."""
        found = self.texts(node, what)
        for each in found:
            if "*" in each.text:
                said = f"{quoted(each.text)} is compared whole: * is a wildcard in ids only"
                self.error(each, f'"{what}": {said}')
        return [each.text for each in found]

    def truth(self, node: Node, what: str) -> bool:
        """Read true or false."""
        if isinstance(node, Scalar) and node.meaning is TRUTH and node.text in {"true", "false"}:
            return node.text == "true"
        self.error(node, f'"{what}" is {_told(node)}: true and false are allowed')
        return False

    def whole(self, node: Node, what: str) -> int:
        """Read a number from 1 to 999."""
        if isinstance(node, Scalar) and node.meaning is NUMBER and _WHOLE.fullmatch(node.text):
            return int(node.text)
        said = f'"{what}" is {_told(node)}: whole numbers from 1 to 999 are allowed'
        self.error(node, f"{said}, without quotes")
        return 1

    def duration(
        self,
        node: Node,
        what: str,
        *,
        least: timedelta = SHORTEST,
        most: timedelta = LONGEST_APPROVAL,
    ) -> str:
        """Read a duration with its unit, and give it as it is deployed."""
        duration = None
        if isinstance(node, Scalar) and node.meaning is TEXT:
            duration = parse_duration(node.text)
        if duration is None:
            text = node.text if isinstance(node, Scalar) else ""
            self.error(node, f'"{what}" is {_told(node)}, which isn\'t a duration: {hint(text)}')
            return ""
        if duration % SHORTEST:
            self.error(node, f'"{what}" is {_told(node)}: only whole seconds are allowed')
            return ""
        if not least <= duration <= most:
            said = f"at least {short(least)} and at most {short(most)} are allowed"
            self.error(node, f'"{what}" is {_told(node)}: {said}')
            return ""
        return format_go(duration)

    def instant(self, node: Node, what: str) -> datetime | None:
        """Read a time with its offset, in quotes or not."""
        found = None
        if isinstance(node, Scalar) and node.meaning in {TEXT, TIME}:
            found = parse_instant(node.text)
        if found is None:
            said = f'"{what}" is {_told(node)}: a time with its offset is needed'
            self.error(node, f"{said}, such as 2026-11-24T10:00:00Z")
        return found

    def email(self, node: Node, what: str) -> str:
        """Read one address."""
        text = self.strictly().text(node, what)
        if text and not _ADDRESS.fullmatch(text):
            self.error(node, f'"{what}" holds what is no e-mail: one whole address is needed')
            return ""
        return text

    def emails(self, node: Node, what: str) -> list[Scalar]:
        """Read a list of addresses, each once, whatever its letter case."""
        found: dict[str, Scalar] = {}
        for each in self.items(node, what):
            if (address := self.email(each, what)) and isinstance(each, Scalar):
                first = found.setdefault(emails.normal(address), each)
                if first is not each:
                    said = f"this e-mail is here twice: first in line {first.line}"
                    self.error(each, f'"{what}": {said}')
        return list(found.values())

    def domains(self, node: Node, what: str) -> list[str]:
        """Read a list of domains, which are compared whole."""
        found = self.strictly().texts(node, what)
        for each in found:
            if not _DOMAIN.fullmatch(each.text):
                said = "holds what is no domain: one is needed without @ and *, such as example.com"
                self.error(each, f'"{what}" {said}')
        return [each.text for each in found]


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.meaning is NOTHING


def _told(node: Node) -> str:
    match node:
        case Items():
            return "a list"
        case Fields():
            return "a mapping"
        case Scalar(meaning=meaning, text=text) if meaning is TEXT:
            return quoted(text)
        case Scalar(text=text):
            return text or "empty"
