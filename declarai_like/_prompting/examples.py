"""Worked examples in a docstring: doctests."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from declarai_like._prompting.docstring_blocks import indent_of

__all__ = ["Example", "read_example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A doctest in a docstring: the source of the call, and the text that follows it."""

    call: str
    expected: str

    def arguments(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the call of `name` is given; raises `ValueError` unless it is one call with literals."""
        call = _parse_expression(self.call)
        call = call.value if isinstance(call, ast.Await) else call
        if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != name:
            raise ValueError(f"it must be one call of {name}()")
        try:
            args = tuple(map(ast.literal_eval, call.args))
            return args, {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in call.keywords}
        except ValueError:
            raise ValueError("its arguments must be literals") from None

    def value(self, *, as_text: bool) -> Any:
        """Return the answer: a literal, the repr of a model, JSON, or `as_text` any words.

        Raises `ValueError` if it is none of them.
        """
        if not self.expected:
            raise ValueError("it shows no answer")
        try:
            value = ast.literal_eval(_Data().visit(_parse_expression(self.expected)))
        except ValueError:
            value = self.expected if as_text else json.loads(self.expected)
        return self.expected if as_text and not isinstance(value, str) else value


def read_example(block: list[str]) -> Example:
    width = indent_of(block[0])
    lines = [line[width:] for line in block]
    calls = 1 + next((n for n, line in enumerate(lines[1:]) if not line.startswith("...")), len(lines) - 1)
    expected = ["" if line == "<BLANKLINE>" else line for line in lines[calls:]]
    return Example("\n".join(line[4:] for line in lines[:calls]), "\n".join(expected).strip())


def _parse_expression(source: str) -> ast.expr:
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError:
        raise ValueError(f"{source!r} is no expression") from None


class _Data(ast.NodeTransformer):
    """Rewrites `Pet(name="Rex")` to `{"name": "Rex"}`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if node.args:
            return node
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])
