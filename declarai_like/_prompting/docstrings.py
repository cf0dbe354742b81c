"""What a docstring says: the instruction, its parameters and result, and worked examples.

Fields (reST `:param x:`, Epydoc `@param x:`) are read here: what follows them stays in the text, a type
may have several words, and `:return name:` names the answer. Sections (Google, NumPy) are found here, so
that the text after them is kept, and their entries are read by `docstring_parser`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Docstring", "Example", "parse_docstring"]

# Patterns are compiled when first used: together they cost more than the rest of the import.
_TITLE = (
    r"[ \t]*(?:(?P<inputs>Args|Arguments|Params|Parameters|Keyword Args|Keyword Arguments|Other Parameters)"
    r"|(?P<outputs>Returns?|Yields?)|Raises?|Exceptions?|Warns?)(?P<colon>:?)[ \t]*"
)
_EXAMPLES_TITLE = r"[ \t]*Examples?:?[ \t]*"
_RULE = r"[ \t]*-{3,}[ \t]*"
_FIELD = (
    r"[ \t]*[:@](?:"
    r"(?P<param>param|parameter|arg|argument|key|keyword|kwarg)[ \t]+(?P<name>[^:\n]*[^:\s])"
    r"|(?P<returns>returns?|yields?)(?:[ \t]+(?P<subject>[^:\n]*[^:\s]))?"
    r"|type[ \t]+[^:\n]+|(?:rtype|ytype|raises?|except|exception)(?:[ \t]+[^:\n]+)?"
    r")[ \t]*:(?P<text>.*)"
)
_EXAMPLE = r"[ \t]*>>> "
_MARKER = re.compile(r"^[ \t]*(?:[:@][a-z]|>>> |[A-Z][a-z]+(?: [A-Z][a-z]+)?:?[ \t]*$)", re.MULTILINE)
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TEMPLATE_MARKS = ("{{", "{%", "{#")
_TYPE = (
    r"(?:int|float|complex|bool|str|bytes|list|dict|tuple|set|frozenset|object|None"
    r"|[A-Z]\w*|\w+(?:\.\w+)+|[\w.]+\[.*\])(?:\s*\|.+)?"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A doctest in a docstring: the source of the call, and the text that follows it."""

    call: str
    expected: str

    def arguments(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the call of `name` is given; raises `ValueError` unless it is one call with literals."""
        call = _parsed(self.call)
        call = call.value if isinstance(call, ast.Await) else call
        if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != name:
            raise ValueError(f"it must be one call of {name}()")
        try:
            args = tuple(map(ast.literal_eval, call.args))
            return args, {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in call.keywords}
        except ValueError as exc:
            raise ValueError("its arguments must be literals") from exc

    def value(self, *, as_text: bool) -> Any:
        """Return the answer: a literal, the repr of a model, JSON, or `as_text` any words.

        Raises `ValueError` if it is none of them.
        """
        if not self.expected:
            raise ValueError("it shows no answer")
        try:
            value = ast.literal_eval(_Data().visit(_parsed(self.expected)))
        except ValueError:
            value = self.expected if as_text else json.loads(self.expected)
        return self.expected if as_text and not isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring taken apart; `text` is what remains when all the other parts are cut out.

    `returns` describes the result, `return_name` is the `name` of `:return name:`.
    """

    text: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    return_name: str | None = None
    examples: tuple[Example, ...] = ()


def parse_docstring(doc: str | None) -> Docstring:
    """Take a docstring apart; what is no field, section or example stays in the text as it is."""
    text = inspect.cleandoc(doc).strip() if doc else ""
    if not _MARKER.search(text):
        return Docstring(text)
    reader = _Reader()
    for kind, block in _blocks(text.splitlines()):
        reader.take(kind, block)
    return reader.docstring()


class _Reader:
    """Collects the parts of one docstring, block by block."""

    def __init__(self) -> None:
        self.paragraphs: list[list[str]] = [[]]
        self.params: dict[str, str] = {}
        self.returns: list[str] = []
        self.return_name: str | None = None
        self.examples: list[Example] = []

    def take(self, kind: str, block: list[str]) -> None:
        """Add a block; a section whose entries cannot be read was no section, and stays text."""
        if kind == "text" or (kind in ("google", "numpy") and not self._section(kind, block)):
            self.paragraphs[-1].extend(block)
            return
        self.paragraphs.append([])
        if kind == "field":
            self._field(block)
        elif kind == "example":
            self.examples.append(_example(block))

    def docstring(self) -> Docstring:
        return Docstring(
            text="\n\n".join(filter(None, map(_joined, self.paragraphs))),
            params=self.params,
            returns="\n".join(self.returns),
            return_name=self.return_name,
            examples=tuple(self.examples),
        )

    def _field(self, block: list[str]) -> None:
        match = next(re.finditer(_FIELD, block[0]))
        text = "\n".join([match["text"].strip(), textwrap.dedent("\n".join(block[1:]))]).strip()
        if match["param"]:
            self.params[match["name"].split()[-1].lstrip("\\*").rstrip("?")] = text
        elif match["returns"]:
            self._result(match["subject"], text)

    def _result(self, subject: str | None, text: str) -> None:
        """Take what stands between `:return` and its colon as a type, as a name, or as words."""
        if subject and not re.fullmatch(_TYPE, subject):
            if subject.isidentifier():
                self.return_name = subject
            else:
                text = f"{subject}: {text}"
        if text:
            self.returns.append(text)

    def _section(self, kind: str, block: list[str]) -> bool:
        title = next(re.finditer(_TITLE, block[0]))
        body = textwrap.dedent("\n".join(block[1 if kind == "google" else 2 :])).strip("\n")
        if title["inputs"]:
            entries = _parameters(kind, body)
            self.params.update(entries or {})
            return entries is not None
        if title["outputs"] and kind == "google":
            head, colon, text = body.partition(":")
            self._result(None, text.strip() if colon and re.fullmatch(_TYPE, head) else body)
        elif title["outputs"]:
            self._numpy_results(body)
        return True

    def _numpy_results(self, body: str) -> None:
        from docstring_parser import DocstringStyle, parse

        found = parse(f"\nReturns\n-------\n{body}", DocstringStyle.NUMPYDOC).many_returns
        if any(not entry.description for entry in found) and not re.fullmatch(_TYPE, body):
            self._result(None, body)
        elif len(found) == 1:
            self._result(found[0].return_name, found[0].description or "")
        else:
            for entry in found:
                self._result(None, f"{entry.return_name or entry.type_name}: {entry.description}")


def _parameters(kind: str, body: str) -> dict[str, str] | None:
    """Read the entries of a section of parameters; `None` if they are not such entries."""
    from docstring_parser import DocstringStyle, ParseError, parse

    try:
        if kind == "google":
            found = parse(f"\nArgs:\n{textwrap.indent(body, '    ')}", DocstringStyle.GOOGLE).params
        else:
            found = parse(f"\nParameters\n----------\n{body}", DocstringStyle.NUMPYDOC).params
    except ParseError:
        return None
    entries = {
        name.strip().lstrip("\\*"): entry.description or "" for entry in found for name in entry.arg_name.split(",")
    }
    return entries if all(map(str.isidentifier, entries)) else None


def _parsed(source: str) -> ast.expr:
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError as exc:
        raise ValueError(f"{source!r} is no expression") from exc


class _Data(ast.NodeTransformer):
    """Rewrites `Pet(name="Rex")` to `{"name": "Rex"}`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if node.args:
            return node
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])


def _example(block: list[str]) -> Example:
    width = _indent(block[0])
    lines = [line[width:] for line in block]
    calls = 1 + next((n for n, line in enumerate(lines[1:]) if not line.startswith("...")), len(lines) - 1)
    expected = ["" if line == "<BLANKLINE>" else line for line in lines[calls:]]
    return Example("\n".join(line[4:] for line in lines[:calls]), "\n".join(expected).strip())


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Cut lines into text (line by line), fields, sections, examples, and empty headings."""
    start = 0
    while start < len(lines):
        kind = _kind(lines, start)
        end = _ENDS[kind](lines, start)
        yield kind, list(lines[start:end])
        start = end


def _kind(lines: Sequence[str], at: int) -> str:
    line = lines[at]
    if re.match(_EXAMPLE, line) and not _is_template(line):
        return "example"
    if re.match(_FIELD, line):
        return "field"
    following = next((number for number in range(at + 1, len(lines)) if lines[number].strip()), at)
    if re.fullmatch(_EXAMPLES_TITLE, line) and _starts_example(lines, following):
        return "heading"
    title = re.fullmatch(_TITLE, line)
    if title and following == at + 1 and re.fullmatch(_RULE, lines[following]):
        return "numpy"
    return "google" if title and title["colon"] and _indent(lines[following]) > _indent(line) else "text"


def _is_template(line: str) -> bool:
    return any(mark in re.sub(_QUOTED, "", line) for mark in _TEMPLATE_MARKS)


def _starts_example(lines: Sequence[str], at: int) -> bool:
    rest = (line for line in lines[at:] if line.strip() and not re.fullmatch(_RULE, line))
    return bool(re.match(_EXAMPLE, next(rest, "")))


def _heading_end(lines: Sequence[str], start: int) -> int:
    return start + 2 if re.fullmatch(_RULE, lines[start + 1]) else start + 1


def _example_end(lines: Sequence[str], start: int) -> int:
    for at in range(start + 1, len(lines)):
        line = lines[at]
        outside = not line.strip() or _indent(line) < _indent(lines[start])
        if outside or _kind(lines, at) != "text":
            return at
    return len(lines)


def _field_end(lines: Sequence[str], start: int) -> int:
    """A field goes on in unindented lines until a blank line, and in deeper ones after it."""
    end = start + 1
    for at in range(start + 1, len(lines)):
        line = lines[at]
        deeper = _indent(line) > _indent(lines[start])
        if not line.strip():
            continue
        foreign = at > end or line.startswith(_TEMPLATE_MARKS)
        if _kind(lines, at) != "text" or (foreign and not deeper):
            break
        end = at + 1
    return end


def _google_end(lines: Sequence[str], start: int) -> int:
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].strip():
            if _indent(lines[at]) <= _indent(lines[start]):
                break
            end = at + 1
    return end


def _numpy_end(lines: Sequence[str], start: int) -> int:
    """Entries are not indented: a paragraph ends the section unless it looks like an entry."""
    end = start + 2
    for at in range(start + 2, len(lines)):
        if not lines[at].strip():
            continue
        if _kind(lines, at) != "text" or (at > end > start + 2 and not _is_entry(lines, at, start)):
            break
        end = at + 1
    return end


def _is_entry(lines: Sequence[str], at: int, start: int) -> bool:
    described = at + 1 < len(lines) and _indent(lines[at + 1]) > _indent(lines[at])
    return described or " : " in lines[at] or _indent(lines[at]) > _indent(lines[start])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: list[str]) -> str:
    """Join a paragraph without the blank lines around it; its first line keeps its indentation."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()


_ENDS: Mapping[str, Callable[[Sequence[str], int], int]] = {
    "text": lambda _lines, start: start + 1,
    "heading": _heading_end,
    "example": _example_end,
    "field": _field_end,
    "google": _google_end,
    "numpy": _numpy_end,
}
