"""Reads typed values from YAML nodes; an error is noted, and an empty value returned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import yaml

from handler import emails
from handler.durations import format_go, parse_duration, parse_instant
from handler.providers.registry import BY_ID
from handler.rules.model import LONGEST_APPROVAL
from policy.diagnostics import QUOTES, Problems, composed, line_of, nearest, quoted, typographic_in
from policy.duration_hints import hint, short
from policy.grammar import Shape
from policy.yaml_file import NOTHING, NUMBER, TEXT, TIME, TRUTH, meaning_of

ANY = "any"
SHORTEST = timedelta(seconds=1)
_WHOLE = re.compile(r"[1-9][0-9]{0,2}")
# An apostrophe may be part of a name, but not surround an address.
_ADDRESS = re.compile(rf"""(?!')[^\s@*,;<>"{QUOTES}]+@[^\s@*,;<>"'{QUOTES}]+""")


class Reader:
    """Reads the values of one file; the type of a key in the grammar names the method.

    With `strict`, as for denials, doubtful texts are errors.
    """

    def __init__(self, problems: Problems, *, strict: bool = False) -> None:
        self._problems = problems
        self._strict = strict

    def error(self, at: yaml.Node | int, text: str) -> None:
        """Note an error."""
        self._problems.error(at, text)

    def mapping(self, node: yaml.Node, shape: Shape) -> dict[str, Any]:
        """Read a mapping, with the values of its keys."""
        return self.values(self.fields(node, shape), shape)

    def values(self, fields: Mapping[str, yaml.Node], shape: Shape) -> dict[str, Any]:
        """Read the values of a mapping's fields, in the grammar's order."""
        return {
            key.name: getattr(self, key.type)(fields[key.name], key.name)
            for key in shape.keys
            if key.name in fields
        }

    def fields(
        self, node: yaml.Node, shape: Shape, required: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Read a mapping's known keys that have a value; note unknown and missing ones."""
        nodes: dict[str, yaml.Node] = {}
        for key, value in self.entries(node, shape.what):
            if key.value not in shape.names:
                problem = f"{shape.what} has no key {quoted(key.value)}"
                self.error(key, f"{problem}{nearest(key.value, shape.names)}")
                continue
            if _is_nothing(value):
                self.error(key, f'"{key.value}" has no value: add one, or remove the key')
            nodes[key.value] = value
        if isinstance(node, yaml.MappingNode):
            for name, _, _, is_required in shape.keys:
                if (is_required or name in required) and name not in nodes:
                    self.error(node, f'{shape.what} needs "{name}"')
        return {name: value for name, value in nodes.items() if not _is_nothing(value)}

    def entries(self, node: yaml.Node, what: str) -> Sequence[tuple[yaml.ScalarNode, yaml.Node]]:
        """Read a mapping with any keys, which must not be empty."""
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{what} is {describe(node)}: must be a mapping (key: value)")
            return ()
        if not node.value:
            self.error(node, f"{what} is empty: add a key")
        entries: list[tuple[yaml.ScalarNode, yaml.Node]] = node.value
        return entries

    def items(self, node: yaml.Node, what: str) -> Sequence[yaml.Node]:
        """Read a list, which must not be empty."""
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f'"{what}" is {describe(node)}: must be a list, for example [a, b]')
            return ()
        if not node.value:
            self.error(node, f'"{what}" is empty: add an entry')
        items: list[yaml.Node] = node.value
        return items

    def text(self, node: yaml.Node, what: str, most: int = 0) -> str:
        """Read a text that is not empty, of at most `most` characters."""
        if not isinstance(node, yaml.ScalarNode):
            self.error(node, f'"{what}" is {describe(node)}: must be text')
            return ""
        text: str = node.value
        if meaning_of(node) is not TEXT:
            problem = f'"{what}" is {text or "empty"}, which YAML reads as {meaning_of(node)}'
            self.error(node, f'{problem}: write it in quotes ("{text}")')
            return ""
        if text != text.strip():
            self.error(node, f'"{what}" begins or ends with white space')
            return ""
        if not text:
            self.error(node, f'"{what}" is empty')
        if most and len(text) > most:
            self.error(node, f'"{what}" has {len(text)} characters; the most is {most}')
        doubts = list(self._doubts(text))
        for doubt in doubts:
            note = self.error if self._strict else self._problems.warn
            note(node, f'"{what}": {quoted(text)} {doubt}')
        return "" if self._strict and doubts else text

    def _doubts(self, text: str) -> Iterator[str]:
        """Describe characters of a text that no keyboard types."""
        if text.isascii() and not self._strict:
            return
        if typographic := typographic_in(text, strict=self._strict):
            yield typographic
        if text != composed(text):
            yield "has a letter and its accent as two characters: retype it as one (NFC)"

    def text_nodes(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Read a list of texts without duplicates, and without `any`, which would be a name."""
        nodes: dict[str, yaml.Node] = {}
        for item in self.items(node, what):
            text = self.text(item, what)
            if not text:
                continue
            if text.lower() == ANY:
                problem = f'"{what}" lists {text}, which would be read as a name'
                self.error(item, f"{problem}: {ANY} is only allowed alone, without a list")
            elif text in nodes:
                place = f"first in line {line_of(nodes[text])}"
                self.error(item, f'"{what}": {quoted(text)} is listed twice, {place}')
            else:
                nodes[text] = item
        return list(nodes.values())

    def texts(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of texts."""
        return [item.value for item in self.text_nodes(node, what)]

    def labels(self, node: yaml.Node, what: str) -> dict[str, str]:
        """Read labels, whose names and values are texts."""
        return {
            self.text(key, "the name of a label"): self.text(value, key.value or "a label")
            for key, value in self.entries(node, what)
        }

    def switch(self, node: yaml.Node, what: str) -> bool:
        """Read true or false."""
        if meaning_of(node) is TRUTH and node.value in {"true", "false"}:
            return bool(node.value == "true")
        self.error(node, f'"{what}" is {describe(node)}: must be true or false')
        return False

    def level(self, node: yaml.Node, what: str) -> int:
        """Read a number from 1 to 999."""
        if meaning_of(node) is NUMBER and _WHOLE.fullmatch(node.value):
            return int(node.value)
        problem = f'"{what}" is {describe(node)}: must be a whole number from 1 to 999'
        self.error(node, f"{problem}, without quotes")
        return 1

    def provider(self, node: yaml.Node, what: str) -> str:
        """Read the id of a provider."""
        text = self.text(node, what)
        if text and text not in BY_ID:
            self.error(node, f"{quoted(text)} isn't a provider{nearest(text, BY_ID)}")
            return ""
        return text

    def duration(
        self,
        node: yaml.Node,
        what: str,
        *,
        least: timedelta = SHORTEST,
        most: timedelta = LONGEST_APPROVAL,
    ) -> str:
        """Read a duration with its unit, and return it in the deployed form."""
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        duration = parse_duration(text) if meaning_of(node) is TEXT else None
        if duration is None:
            problem = f'"{what}" is {describe(node)}, which isn\'t a duration'
            self.error(node, f"{problem}: {hint(text)}")
            return ""
        if duration % SHORTEST:
            self.error(node, f'"{what}" is {describe(node)}: must be in whole seconds')
            return ""
        if not least <= duration <= most:
            bounds = f"must be between {short(least)} and {short(most)}"
            self.error(node, f'"{what}" is {describe(node)}: {bounds}')
            return ""
        return format_go(duration)

    def instant(self, node: yaml.Node, what: str) -> datetime | None:
        """Read a time with its UTC offset, with or without quotes."""
        instant = parse_instant(node.value) if meaning_of(node) in {TEXT, TIME} else None
        if instant is None:
            problem = f'"{what}" is {describe(node)}: must be a time with its UTC offset'
            self.error(node, f"{problem}, for example 2026-11-24T10:00:00Z")
        return instant

    def email(self, node: yaml.Node, what: str) -> str:
        """Read one address."""
        text = Reader(self._problems, strict=True).text(node, what)
        if text and not _ADDRESS.fullmatch(text):
            self.error(
                node, f'"{what}" contains text that isn\'t an e-mail: must be one whole address'
            )
            return ""
        return text

    def email_nodes(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Read a list of addresses without duplicates, ignoring case."""
        nodes: dict[str, yaml.Node] = {}
        for item in self.items(node, what):
            if address := self.email(item, what):
                first = nodes.setdefault(emails.normal(address), item)
                if first is not item:
                    place = f"first in line {line_of(first)}"
                    self.error(item, f'"{what}": this e-mail is listed twice, {place}')
        return list(nodes.values())


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and meaning_of(node) is NOTHING


def describe(node: yaml.Node) -> str:
    """Describe the value of a node."""
    match node:
        case yaml.SequenceNode():
            return "a list"
        case yaml.MappingNode():
            return "a mapping"
        case _ if meaning_of(node) is TEXT:
            return quoted(node.value)
        case _:
            return node.value or "empty"
