"""The source of a function as a tree."""

from __future__ import annotations

import ast
import inspect
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["find_definition"]


def find_definition(code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Find where a function is defined; `None` for a lambda, or without source."""
    try:
        source = "".join(inspect.getsourcelines(code)[0])
        # A nested function keeps its indentation: dedenting would change its multi-line strings.
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, SyntaxError, tokenize.TokenError):
        return None
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return next((node for node in functions if node.name == code.co_name), None)
