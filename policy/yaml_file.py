"""Reads the part of YAML that policies may use: plain values of one document.

PyYAML composes nodes with line numbers, and no objects are built from them. Tags, anchors, aliases,
a second document and duplicate keys are refused.
"""

from __future__ import annotations

import re

import yaml

from handler.folding import unseen_in
from policy.diagnostics import Problems, character_name, line_of, quoted

MOST_BYTES = 1 << 20
MOST_LEVELS = 12

TEXT, TRUTH, NUMBER, NOTHING, TIME = "text", "true or false", "a number", "nothing", "a time"
_MEANINGS = {
    "str": TEXT,
    "bool": TRUTH,
    "int": NUMBER,
    "float": NUMBER,
    "null": NOTHING,
    "timestamp": TIME,
}
# A number in YAML 1.2, which editors use, but text in YAML 1.1.
_NUMBER = re.compile(r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# These make a line look different from what it is.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


def read_yaml(data: bytes, problems: Problems) -> yaml.Node | None:
    """Read a file; None, with an error noted, if it is not such YAML."""
    text = _decode(data, problems)
    if text is None:
        return None
    loader = None
    try:
        loader = _Loader(text, problems)
        return loader.document()
    except _RefusedError as error:
        problems.error(error.line, str(error))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problems.error(line, f"this is not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        name = character_name(chr(error.character))
        problems.error(line, f"the character {name} is not allowed here")
    except Exception:  # noqa: BLE001 - the parser raises any error, by the version of Python
        line = loader.get_mark().line + 1 if loader else 1
        problems.error(line, "this is not YAML: it has a number or an escape that can't be read")
    return None


def meaning_of(node: yaml.Node) -> str:
    """Return the type as which YAML reads a scalar."""
    # `<<` and `=`, which are special in YAML 1.1, become errors.
    meaning = _MEANINGS.get(node.tag.rpartition(":")[2], NOTHING)
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return NUMBER if is_plain and meaning is TEXT and _NUMBER.fullmatch(node.value) else meaning


def _decode(data: bytes, problems: Problems) -> str | None:
    if len(data) > MOST_BYTES:
        problems.error(1, f"the file has {len(data)} bytes; the most is {MOST_BYTES}")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.error(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8")
        return None
    if hidden := _DIRECTION.search(text):
        line = text.count("\n", 0, hidden.start()) + 1
        name = character_name(hidden[0])
        problems.error(line, f"{name} makes a line look different: remove it")
        return None
    return text


class _RefusedError(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Composes the nodes of one document."""

    def __init__(self, text: str, problems: Problems) -> None:
        super().__init__(text)
        self._problems = problems
        self._levels = 0

    def document(self) -> yaml.Node | None:
        """Return its root; None if there is no document."""
        self.get_event()  # type: ignore[no-untyped-call]  # the stream begins
        if self.check_event(yaml.StreamEndEvent):
            self._problems.error(1, "the file is empty")
            return None
        root = self.compose_document()
        if not self.check_event(yaml.StreamEndEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise _RefusedError(line, "a second document begins here: only one is allowed")
        return root

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(line, f"*{event.anchor} is a YAML alias: write its value out")
        if event.anchor is not None:
            raise _RefusedError(line, f"&{event.anchor} is a YAML anchor: remove it")
        if event.tag is not None:
            raise _RefusedError(line, f"{event.tag} is a YAML tag: remove it")
        if isinstance(event, yaml.CollectionStartEvent) and self._levels == MOST_LEVELS:
            raise _RefusedError(line, f"this is nested more than {MOST_LEVELS} levels deep")
        self._levels += 1
        node = super().compose_node(parent, index)
        self._levels -= 1
        if isinstance(node, yaml.ScalarNode):
            self._check_characters(node)
        elif isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        return node

    def _check_characters(self, node: yaml.ScalarNode) -> None:
        if unseen := unseen_in(node.value):
            name = character_name(unseen)
            what = "a line break" if unseen == "\n" else f"{name}, which is invisible: remove it"
            self._problems.error(node, f"a text contains {what}")

    def _check_keys(self, node: yaml.MappingNode) -> None:
        """Keep the keys that are texts, without duplicates."""
        entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problems.error(key, "a key is a list or a mapping: must be text")
            elif (first := entries.setdefault(key.value, (key, value)))[0] is not key:
                place = f"first in line {line_of(first[0])}"
                self._problems.error(key, f"{quoted(key.value)} is given twice, {place}")
        node.value = list(entries.values())
