"""YAML, as far as a policy may use it: plain values with their lines.

Made of the parser's events, so that nothing is built, followed or repeated behind the reader's
back: no tags, anchors, aliases or merged keys, one document, and no key twice.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

import yaml

from handler.folding import unseen_in
from handler.rules.conditions import typed
from policy.diagnostics import Problems, quoted
from policy.spelling import named

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
# What YAML 1.2, which editors speak, reads as a number, and YAML 1.1 as a text.
_NUMBER = re.compile(r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# They make a line look like another one.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Line(NamedTuple):
    """A place where nothing else is known."""

    line: int


@typed
class Scalar(NamedTuple):
    """A single value: what is written, and as what YAML reads it."""

    line: int
    text: str
    meaning: str


@typed
class Items(NamedTuple):
    """A list."""

    line: int
    items: tuple[Node, ...]


@typed
class Fields(NamedTuple):
    """A mapping; each key once."""

    line: int
    entries: tuple[tuple[Scalar, Node], ...]


Node: TypeAlias = Scalar | Items | Fields


def read_tree(data: bytes, problems: Problems) -> Node | None:
    """Read a file; None, with a problem noted, where it is not such YAML."""
    text = _decoded(data, problems)
    if text is None:
        return None
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        return _Builder(loader, problems).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.error(_at(mark), f"this is not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = Line(text.count("\n", 0, error.position) + 1)
        problems.error(line, f"the character {named(chr(error.character))} is not allowed here")
    except _NotOursError as error:
        problems.error(error.at, error.said)
    except Exception as error:  # noqa: BLE001 - the parser raises what it likes on odd numbers and escapes
        place = _at(loader.get_mark()) if loader else Line(1)
        problems.error(place, f"this is not YAML ({type(error).__name__})")
    return None


class _NotOursError(Exception):
    """The rest of the file cannot be read any more."""

    def __init__(self, at: Line, said: str) -> None:
        super().__init__(said)
        self.at = at
        self.said = said


def _decoded(data: bytes, problems: Problems) -> str | None:
    if len(data) > MOST_BYTES:
        problems.error(Line(1), f"the file has {len(data)} bytes: at most {MOST_BYTES} are read")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.error(Line(data.count(b"\n", 0, error.start) + 1), "this is not UTF-8")
        return None
    if hidden := _DIRECTION.search(text):
        line = Line(text.count("\n", 0, hidden.start()) + 1)
        problems.error(line, f"{named(hidden[0])} makes a line look like another one: leave it out")
        return None
    return text


def _at(mark: Any) -> Line:  # noqa: ANN401 - PyYAML's Mark, or None
    return Line(mark.line + 1 if mark else 1)


class _Open(NamedTuple):
    """A list or mapping whose end has not come; a mapping holds keys and values in turn."""

    line: int
    is_list: bool
    nodes: list[Node]


class _Builder:
    """Builds the tree of one document."""

    def __init__(self, loader: Any, problems: Problems) -> None:  # noqa: ANN401 - PyYAML's loader
        self._loader = loader
        self._problems = problems
        self._open: list[_Open] = []
        self._root: Node | None = None

    def build(self) -> Node | None:
        while self._loader.check_event():
            self._take(self._loader.get_event())
        if self._root is None:
            self._problems.error(Line(1), "the file is empty")
        return self._root

    def _take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events
        at = _at(event.start_mark)
        match event:
            case yaml.AliasEvent():
                raise _NotOursError(at, f"*{event.anchor} repeats another part: write it out")
            case yaml.DocumentStartEvent() if self._root is not None:
                raise _NotOursError(at, "a second document begins: a file holds one")
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._plain(event, at)
                if len(self._open) == MOST_LEVELS:
                    raise _NotOursError(at, f"this is nested more than {MOST_LEVELS} levels deep")
                is_list = isinstance(event, yaml.SequenceStartEvent)
                self._open.append(_Open(at.line, is_list, []))
            case yaml.CollectionEndEvent():
                self._close()
            case yaml.ScalarEvent():
                self._plain(event, at)
                self._add(self._scalar(event, at))

    def _plain(self, event: Any, at: Line) -> None:  # noqa: ANN401 - PyYAML's events
        if event.anchor is not None:
            raise _NotOursError(at, f"&{event.anchor} names a part to repeat it: write it out")
        if event.tag is not None:
            raise _NotOursError(at, f"{event.tag} is a tag: a policy has none")

    def _scalar(self, event: Any, at: Line) -> Scalar:  # noqa: ANN401 - PyYAML's events
        tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        # `<<` and `=`, which YAML 1.1 reads as more than text, become problems where they stand.
        meaning = _MEANINGS.get(tag.rpartition(":")[2], NOTHING)
        if event.implicit[0] and meaning is TEXT and _NUMBER.fullmatch(event.value):
            meaning = NUMBER
        if unseen := unseen_in(event.value):
            what = f"{named(unseen)}, which cannot be seen: leave it out"
            what = "a line break" if unseen == "\n" else what
            self._problems.error(at, f"a text holds {what}")
        return Scalar(at.line, event.value, meaning)

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].nodes.append(node)
        else:
            self._root = node

    def _close(self) -> None:
        line, is_list, nodes = self._open.pop()
        if is_list:
            self._add(Items(line, tuple(nodes)))
            return
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._problems.error(key, "a key is a list or a mapping: a text is needed")
            elif (first := entries.setdefault(key.text, (key, value)))[0] is not key:
                said = f"{quoted(key.text)} is here twice: first in line {first[0].line}"
                self._problems.error(key, said)
        self._add(Fields(line, tuple(entries.values())))
