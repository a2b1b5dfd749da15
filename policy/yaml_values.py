"""Typed values out of YAML nodes: what is wrong is noted, and an empty value takes its place."""

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
# An apostrophe may be part of a name, but not around an address.
_ADDRESS = re.compile(rf"""(?!')[^\s@*,;<>"{QUOTES}]+@[^\s@*,;<>"'{QUOTES}]+""")


class Reader:
    """Reads the values of one file, each by the method that its type in the grammar names.

    With `strict`, texts speak against somebody: there, doubts are errors.
    """

    def __init__(self, problems: Problems, *, strict: bool = False) -> None:
        self._problems = problems
        self._strict = strict

    def error(self, at: yaml.Node | int, text: str) -> None:
        """Note what has to be mended."""
        self._problems.error(at, text)

    def mapping(self, node: yaml.Node, shape: Shape) -> dict[str, Any]:
        """Read a mapping, with the value of each key that is there."""
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
        """Read a mapping's known keys that have a value; note which are unknown or missing."""
        nodes: dict[str, yaml.Node] = {}
        for key, value in self.entries(node, shape.what):
            if key.value not in shape.names:
                problem = f"{quoted(key.value)} is no key of {shape.what}"
                self.error(key, f"{problem}{nearest(key.value, shape.names)}")
                continue
            if _is_nothing(value):
                self.error(key, f'"{key.value}" has no value: give it one, or leave it out')
            nodes[key.value] = value
        if isinstance(node, yaml.MappingNode):
            for name, _, _, is_required in shape.keys:
                if (is_required or name in required) and name not in nodes:
                    self.error(node, f'{shape.what} has no "{name}"')
        return {name: value for name, value in nodes.items() if not _is_nothing(value)}

    def entries(self, node: yaml.Node, what: str) -> Sequence[tuple[yaml.ScalarNode, yaml.Node]]:
        """Read a mapping of any keys, which has to have one."""
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{what} is {describe(node)}: a mapping (key: value) is needed")
            return ()
        if not node.value:
            self.error(node, f"{what} is empty: name something in it")
        entries: list[tuple[yaml.ScalarNode, yaml.Node]] = node.value
        return entries

    def items(self, node: yaml.Node, what: str) -> Sequence[yaml.Node]:
        """Read a list, which has to have an entry."""
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f'"{what}" is {describe(node)}: a list is needed ([a, b])')
            return ()
        if not node.value:
            self.error(node, f'"{what}" is empty: name something in it')
        items: list[yaml.Node] = node.value
        return items

    def text(self, node: yaml.Node, what: str, most: int = 0) -> str:
        """Read a text that is not empty; `most` is how long it may be."""
        if not isinstance(node, yaml.ScalarNode):
            self.error(node, f'"{what}" is {describe(node)}: a text is needed')
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
            self.error(node, f'"{what}" has {len(text)} characters: at most {most} are allowed')
        doubts = list(self._doubts(text))
        for doubt in doubts:
            note = self.error if self._strict else self._problems.warn
            note(node, f'"{what}": {quoted(text)} {doubt}')
        return "" if self._strict and doubts else text

    def _doubts(self, text: str) -> Iterator[str]:
        """Say what in a text is not as a keyboard writes it."""
        if text.isascii() and not self._strict:
            return
        if typographic := typographic_in(text, strict=self._strict):
            yield typographic
        if text != composed(text):
            yield "has a letter and its accent in two characters: type it anew, in one (NFC)"

    def text_nodes(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Read a list of texts, each once; `any` in it would be the name of something."""
        nodes: dict[str, yaml.Node] = {}
        for item in self.items(node, what):
            text = self.text(item, what)
            if not text:
                continue
            if text.lower() == ANY:
                problem = f'"{what}" lists {text}, which would be the name of one'
                self.error(item, f"{problem}: {ANY} stands alone, where it is allowed at all")
            elif text in nodes:
                place = f"first in line {line_of(nodes[text])}"
                self.error(item, f'"{what}": {quoted(text)} is here twice: {place}')
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
        self.error(node, f'"{what}" is {describe(node)}: true and false are allowed')
        return False

    def level(self, node: yaml.Node, what: str) -> int:
        """Read a number from 1 to 999."""
        if meaning_of(node) is NUMBER and _WHOLE.fullmatch(node.value):
            return int(node.value)
        problem = f'"{what}" is {describe(node)}: whole numbers from 1 to 999 are allowed'
        self.error(node, f"{problem}, without quotes")
        return 1

    def provider(self, node: yaml.Node, what: str) -> str:
        """Read the id of a provider."""
        text = self.text(node, what)
        if text and text not in BY_ID:
            self.error(node, f"{quoted(text)} is no provider{nearest(text, BY_ID)}")
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
        """Read a duration with its unit, and give it as it is deployed."""
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        duration = parse_duration(text) if meaning_of(node) is TEXT else None
        if duration is None:
            problem = f'"{what}" is {describe(node)}, which isn\'t a duration'
            self.error(node, f"{problem}: {hint(text)}")
            return ""
        if duration % SHORTEST:
            self.error(node, f'"{what}" is {describe(node)}: only whole seconds are allowed')
            return ""
        if not least <= duration <= most:
            bounds = f"at least {short(least)} and at most {short(most)} are allowed"
            self.error(node, f'"{what}" is {describe(node)}: {bounds}')
            return ""
        return format_go(duration)

    def instant(self, node: yaml.Node, what: str) -> datetime | None:
        """Read a time with its offset, in quotes or not."""
        instant = parse_instant(node.value) if meaning_of(node) in {TEXT, TIME} else None
        if instant is None:
            problem = f'"{what}" is {describe(node)}: a time with its offset is needed'
            self.error(node, f"{problem}, such as 2026-11-24T10:00:00Z")
        return instant

    def email(self, node: yaml.Node, what: str) -> str:
        """Read one address."""
        text = Reader(self._problems, strict=True).text(node, what)
        if text and not _ADDRESS.fullmatch(text):
            self.error(node, f'"{what}" holds what is no e-mail: one whole address is needed')
            return ""
        return text

    def email_nodes(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Read a list of addresses, each once, whatever its letter case."""
        nodes: dict[str, yaml.Node] = {}
        for item in self.items(node, what):
            if address := self.email(item, what):
                first = nodes.setdefault(emails.normal(address), item)
                if first is not item:
                    place = f"first in line {line_of(first)}"
                    self.error(item, f'"{what}": this e-mail is here twice: {place}')
        return list(nodes.values())


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and meaning_of(node) is NOTHING


def describe(node: yaml.Node) -> str:
    """Say what stands at a node."""
    match node:
        case yaml.SequenceNode():
            return "a list"
        case yaml.MappingNode():
            return "a mapping"
        case _ if meaning_of(node) is TEXT:
            return quoted(node.value)
        case _:
            return node.value or "empty"
