"""A docstring cut into blocks: text, fields, sections, examples, headings.

All of them begin at the docstring's own margin, and none inside of a code fence: what is shown to the model as an
example of a layout is text. Only examples may be indented, below their heading, or if they call the function itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["FIELD", "TITLE", "cut_blocks", "indent_of"]

# Patterns are compiled when first used: together they cost more than the rest of the import.
TITLE = (
    r"[ \t]*(?:(?P<inputs>Args|Arguments|Params|Parameters|Keyword Args|Keyword Arguments|Other Parameters)"
    r"|(?P<outputs>Returns?|Yields?)|(?P<exceptions>Raises?|Exceptions?|Warns?))(?P<colon>:?)[ \t]*"
)
_EXAMPLES_TITLE = r"[ \t]*Examples?:?[ \t]*"
_RULE = r"[ \t]*-{3,}[ \t]*"
FIELD = (
    r"[ \t]*[:@](?:"
    r"(?P<param>param|parameter|arg|argument|key|keyword|kwarg)[ \t]+(?P<name>[^:\n]*[^:\s])"
    r"|(?P<returns>returns?|yields?)(?:[ \t]+(?P<subject>[^:\n]*[^:\s]))?"
    r"|type[ \t]+[^:\n]+|(?:rtype|ytype|raises?|except|exception)(?:[ \t]+[^:\n]+)?"
    r")[ \t]*:(?P<text>.*)"
)
_OTHER_FIELD = r"[ \t]*(?::[a-zA-Z][^:\n]*:(?!\S)|@[a-z]+[^:\n]*:(?!\S))"
_FENCE = r"[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)"
_EXAMPLE = r"[ \t]*>>> "
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TEMPLATE_MARKS = ("{{", "{%", "{#")


def cut_blocks(lines: Sequence[str], name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Cut lines into text (line by line), fields, sections, examples, and empty headings; `name` is the function's."""
    shape, start = _hide_layouts(lines, name), 0
    while start < len(lines):
        kind = _kind(shape, start)
        end = _ENDS[kind](shape, start)
        yield kind, list(lines[start:end])
        start = end


def _kind(lines: Sequence[str], at: int) -> str:
    line = lines[at]
    if re.match(_EXAMPLE, line) and not _is_template(line):
        return "example"
    if indent_of(line):
        return "text"
    if re.match(FIELD, line):
        return "field"
    following = next((number for number in range(at + 1, len(lines)) if lines[number].strip()), at)
    if re.fullmatch(_EXAMPLES_TITLE, line) and _starts_example(lines, following):
        return "heading"
    title = re.fullmatch(TITLE, line)
    if title and following == at + 1 and re.fullmatch(_RULE, lines[following]):
        return "numpy"
    return "google" if title and title["colon"] and indent_of(lines[following]) > indent_of(line) else "text"


def _hide_layouts(lines: Sequence[str], name: str) -> list[str]:
    """Give the lines with what only shows a layout made plain text: code fences, and indented calls of others.

    A fence that is never closed is none.
    """
    call = rf"{_EXAMPLE}(?:await )?(?:\w+\.)*{name or '.*'}\("
    foreign = (at for at, line in enumerate(lines) if indent_of(line) and re.match(_EXAMPLE, line))
    hidden = {at for at in foreign if not (re.match(call, lines[at]) or _is_below_heading(lines, at))}
    shape, start = ["." if at in hidden else line for at, line in enumerate(lines)], 0
    while start < len(lines):
        end = _fence_end(lines, start)
        if end is not None:
            indent = " " * indent_of(lines[start])
            shape[start:end] = [indent + "." for _ in range(start, end)]
        start = end or start + 1
    return shape


def _fence_end(lines: Sequence[str], start: int) -> int | None:
    """Find the line after the fence that begins here; `None` if none begins, or none is closed."""
    opening = re.fullmatch(_FENCE, lines[start])
    if opening is None:
        return None
    closing = rf"[ \t]*{opening['mark'][0]}{{{len(opening['mark'])},}}[ \t]*"
    ends = (at + 1 for at in range(start + 1, len(lines)) if re.fullmatch(closing, lines[at]))
    return next(ends, None)


def _is_below_heading(lines: Sequence[str], at: int) -> bool:
    before = (line for line in reversed(lines[:at]) if line.strip() and not indent_of(line))
    return bool(re.fullmatch(_EXAMPLES_TITLE, next(before, "")))


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
        outside = not line.strip() or indent_of(line) < indent_of(lines[start])
        if outside or _kind(lines, at) != "text":
            return at
    return len(lines)


def _field_end(lines: Sequence[str], start: int) -> int:
    """A field goes on in unindented lines until a blank line, and in deeper ones after it.

    One that says nothing to the model (`:type x:`, `:rtype:`, `:raises:`) goes on in deeper lines only.
    """
    end = start + 1
    field = re.match(FIELD, lines[start])
    is_silent = field is not None and not (field["param"] or field["returns"])
    for at in range(start + 1, len(lines)):
        line = lines[at]
        deeper = indent_of(line) > indent_of(lines[start])
        if not line.strip():
            continue
        foreign = is_silent or at > end or line.startswith(_TEMPLATE_MARKS) or re.match(_OTHER_FIELD, line)
        if _kind(lines, at) != "text" or (foreign and not deeper):
            break
        end = at + 1
    return end


def _google_end(lines: Sequence[str], start: int) -> int:
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].strip():
            if indent_of(lines[at]) <= indent_of(lines[start]):
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
    described = at + 1 < len(lines) and indent_of(lines[at + 1]) > indent_of(lines[at])
    return described or " : " in lines[at] or indent_of(lines[at]) > indent_of(lines[start])


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())


_ENDS: Mapping[str, Callable[[Sequence[str], int], int]] = {
    "text": lambda _lines, start: start + 1,
    "heading": _heading_end,
    "example": _example_end,
    "field": _field_end,
    "google": _google_end,
    "numpy": _numpy_end,
}
