"""What a docstring says: the instruction, its parameters and result, and worked examples.

Fields (reST `:param x:`, Epydoc `@param x:`) are read here: what follows them stays in the text, a type
may have several words, and `:return name:` names the answer. Sections (Google, NumPy) are found here, so
that the text after them is kept, and their entries are read by `docstring_parser`.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from declarai_like._prompting.docstring_blocks import FIELD, TITLE, cut_blocks, indent_of
from declarai_like._prompting.examples import read_example

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._prompting.examples import Example

__all__ = ["Docstring", "parse_docstring"]

_EXCEPTIONS = r"~?(?:\w+\.)*[A-Z]\w*(?:(?:,| or)[ \t]+~?(?:\w+\.)*[A-Z]\w*)*[ \t]*(?::|\Z)"
_MARKER = re.compile(r"^[ \t]*(?:[:@][a-z]|>>> |[A-Z][a-z]+(?: [A-Z][a-z]+)?:?[ \t]*$)", re.MULTILINE)
_TYPE = (
    r"(?:int|float|complex|bool|str|bytes|list|dict|tuple|set|frozenset|object|None"
    r"|[A-Z]\w*|\w+(?:\.\w+)+|[\w.]+\[.*\])(?:\s*\|.+)?"
)


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


def parse_docstring(doc: str | None, name: str = "") -> Docstring:
    """Take a docstring apart; what is no field, section or example stays in the text as it is.

    `name` is the function's.
    """
    text = inspect.cleandoc(doc).strip() if doc else ""
    if not _MARKER.search(text):
        return Docstring(text)
    reader = _Reader()
    for kind, block in cut_blocks(text.splitlines(), name):
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
            self.examples.append(read_example(block))

    def docstring(self) -> Docstring:
        return Docstring(
            text="\n\n".join(filter(None, map(_joined, self.paragraphs))),
            params=self.params,
            returns="\n".join(self.returns),
            return_name=self.return_name,
            examples=tuple(self.examples),
        )

    def _field(self, block: list[str]) -> None:
        match = next(re.finditer(FIELD, block[0]))
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
        title = next(re.finditer(TITLE, block[0]))
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
        return not title["exceptions"] or _names_exceptions(body)

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


def _names_exceptions(body: str) -> bool:
    """Say whether the entries of a section are exceptions, which concern callers in Python and not the model."""
    entries = (line for line in body.splitlines() if line.strip() and not indent_of(line))
    return all(re.match(_EXCEPTIONS, entry) for entry in entries)


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


def _joined(lines: list[str]) -> str:
    """Join a paragraph without the blank lines around it; its first line keeps its indentation."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()
