"""Source without what only people read: the same statements, on the same lines."""

from __future__ import annotations

import pytest

from infra.bare import bare


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('"""Doc."""\nx = 1\n', "\nx = 1\n"),
        ("x = 1  # why\n", "x = 1\n"),
        ("# why\nx = 1\n", "\nx = 1\n"),
        ('x = "# no comment"\n', 'x = "# no comment"\n'),
        ('x = """\n# no comment\n"""\n', 'x = """\n# no comment\n"""\n'),
        (
            'def f():\n    """Doc.\n\n    More.\n    """\n    return 1\n',
            "def f():\n\n\n\n\n    return 1\n",
        ),
        ('class E(Exception):\n    """Doc."""\n', "class E(Exception):\n    ...\n"),
        ('def f():\n    """Doc."""  # why\n', "def f():\n    ...\n"),
        ('def f(): "Doc."\n', 'def f(): "Doc."\n'),
        ('def f():\n    "Doc."; return 1\n', 'def f():\n    "Doc."; return 1\n'),
        ('def f():\n    x = 1\n    "no doc"\n', 'def f():\n    x = 1\n    "no doc"\n'),
        (
            "def f(a: int, b: str = '', *c: X, **d: Y) -> Z: pass\n",
            "def f(a, b = '', *c, **d): pass\n",
        ),
        (
            "def f(ü: int = 'ü', /, *, b: 'x') -> Z:  # why\n    a: int = 1\n",
            "def f(ü = 'ü', /, *, b):\n    a: int = 1\n",
        ),
        ("def f(a: int) -> A | B:\n    def g() -> int: ...\n", "def f(a):\n    def g(): ...\n"),
        (
            "def f(\n    a: int,\n    b: list[\n        int\n    ],\n) -> Z:\n    ...\n",
            "def f(\n    a,\n    b: list[\n        int\n    ],\n):\n    ...\n",
        ),
        (
            "class C:\n    a: int = 1\n\n    def f(self, a: int): ...\n",
            "class C:\n    a: int = 1\n\n    def f(self, a): ...\n",
        ),
        ("f = lambda a, b=1: a\n", "f = lambda a, b=1: a\n"),
        ("", "\n"),
    ],
)
def test_bare(source: str, left: str) -> None:
    """Comments and docstrings go, and nothing else does."""
    assert bare(source) == left
    assert left.count("\n") >= source.count("\n")
