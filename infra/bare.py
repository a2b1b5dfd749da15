"""Python source without what only people read, for code that is compiled at each cold start."""

from __future__ import annotations

import ast
import io
import tokenize
from functools import lru_cache


@lru_cache(maxsize=256)
def bare(source: str) -> str:
    """Take comments and docstrings out; every statement stays on its line, as errors name it.

    Raises:
        SyntaxError: it is no Python.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
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
