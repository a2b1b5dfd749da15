"""Python source without what only people and checkers read: it is compiled at each cold start."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from functools import lru_cache


@lru_cache(maxsize=256)
def bare(source: str) -> str:
    """Take comments, docstrings and functions' types out; every statement stays on its line.

    So errors name the line that it has in the repository. The types of a class stay: they may be
    its fields.

    Raises:
        SyntaxError: it is no Python.
    """
    lines = source.splitlines()
    arrows = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
        elif token.string == "->":
            row, column = token.start
            arrows[row] = len(lines[row - 1][:column].encode())
    tree = ast.parse(source)
    # From the end, so that what is cut leaves the places of what comes before as they are.
    for row, start, end in sorted(_types(tree, arrows), reverse=True):
        line = lines[row - 1].encode()  # the tree counts bytes
        lines[row - 1] = (line[:start].rstrip() + line[end:]).decode()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue
        text = node.body[0]
        last = text.end_lineno or text.lineno
        before, after = lines[text.lineno - 1][: text.col_offset], lines[last - 1]
        if before.strip() or after[text.end_col_offset :].strip():
            continue  # something else is on its lines
        lines[text.lineno - 1 : last] = [""] * (last - text.lineno + 1)
        if len(node.body) == 1:  # a body there has to be
            lines[text.lineno - 1] = " " * text.col_offset + "..."
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _types(tree: ast.AST, arrows: Mapping[int, int]) -> Iterator[tuple[int, int, int]]:
    """Give row, start and end of each type of a parameter or an answer, with its colon or arrow."""
    for node in ast.walk(tree):
        type_ = start = None
        if isinstance(node, ast.arg):
            type_, start = node.annotation, node.col_offset + len(node.arg.encode())
        elif isinstance(node, ast.FunctionDef) and node.returns:
            type_, start = node.returns, arrows.get(node.returns.lineno)
        if type_ and start is not None and type_.lineno == type_.end_lineno:
            yield type_.lineno, start, type_.end_col_offset or start
