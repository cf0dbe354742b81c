"""A docstring cut into blocks: text, fields, sections, examples, headings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["FIELD", "TITLE", "cut_blocks", "indent_of"]

# Patterns are compiled when first used: together they cost more than the rest of the import.
TITLE = (
    r"[ \t]*(?:(?P<inputs>Args|Arguments|Params|Parameters|Keyword Args|Keyword Arguments|Other Parameters)"
    r"|(?P<outputs>Returns?|Yields?)|Raises?|Exceptions?|Warns?)(?P<colon>:?)[ \t]*"
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
_EXAMPLE = r"[ \t]*>>> "
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TEMPLATE_MARKS = ("{{", "{%", "{#")


def cut_blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
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
    if re.match(FIELD, line):
        return "field"
    following = next((number for number in range(at + 1, len(lines)) if lines[number].strip()), at)
    if re.fullmatch(_EXAMPLES_TITLE, line) and _starts_example(lines, following):
        return "heading"
    title = re.fullmatch(TITLE, line)
    if title and following == at + 1 and re.fullmatch(_RULE, lines[following]):
        return "numpy"
    return "google" if title and title["colon"] and indent_of(lines[following]) > indent_of(line) else "text"


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
    """A field goes on in unindented lines until a blank line, and in deeper ones after it."""
    end = start + 1
    for at in range(start + 1, len(lines)):
        line = lines[at]
        deeper = indent_of(line) > indent_of(lines[start])
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
