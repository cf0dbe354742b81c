"""From a model's text to a validated value: the values that stand in it, and the one that is meant."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._outputs.explanations import describe_error
from declarai_like._outputs.growth import grows_into
from declarai_like._outputs.partials import JsonPartials
from declarai_like._outputs.plain_data import dump
from declarai_like._outputs.quoting import is_key
from declarai_like._outputs.reader import Reader
from declarai_like._outputs.reasoning import ReasoningSplitter
from declarai_like._outputs.refusals import Refused, Repairs
from declarai_like._outputs.surrogates import join_surrogates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from declarai_like._outputs.documents import Document
    from declarai_like._outputs.targets import Target

__all__ = ["Unreadable", "read_leniently"]

_FENCE_BEFORE = re.compile(r"(?:```|~~~)[ \t]*[\w+-]*\s*\Z")
_BARE_FENCE = re.compile(r"\s*(?:```|~~~)[ \t]*\w*[ \t]*\n(.*?)\s*(?:```|~~~)?\s*\Z", re.DOTALL)
_ESCAPED = re.compile(r'\s*[{\[]\s*(?:[{\[]\s*)?\\"')
_PROSE_AFTER = re.compile(r"[\s`~}\])]*")
_QUOTES = re.compile(r"[\"'`“”]")


class Unreadable(Exception):
    """The text is not of the type in any reading; says why not."""


class Candidate(NamedTuple):
    """A value that stands in the text: between which words, and how it is set off from them."""

    document: Document
    around: str
    """`""` for the whole text, else `"fence"` or `"prose"`."""
    is_introduced: bool
    """Whether a line or a colon comes before it, and a line's end after it."""


def read_leniently(target: Target[Any], raw: str, error: Exception) -> tuple[Any, tuple[str, ...]]:
    """Read the value out of a text that `target.exact` has not taken, and name the repairs.

    Raises `Unreadable`, with what is wrong first as its cause.
    """
    text, cleaned = _clean(raw)
    value, repairs = _read(target, text, error, is_inner=False)
    shown = _last_partial(target, text)
    if shown is not None and not grows_into(shown, value):
        raise Unreadable("what it shows first is not what it ends with") from error
    return value, (*cleaned, *repairs)


def _clean(raw: str) -> tuple[str, tuple[str, ...]]:
    """Remove what no reader of JSON takes before the first character, and the thinking; name the repairs."""
    joined = join_surrogates(raw)
    repairs = ("surrogates",) if joined != raw else ()
    if joined.startswith("\ufeff"):
        joined, repairs = joined.removeprefix("\ufeff"), ("bom", *repairs)
    splitter = ReasoningSplitter(typed=True)
    pieces = [splitter.feed(joined), splitter.finish()]
    return "".join(content for content, _ in pieces), repairs


def _last_partial(target: Target[Any], text: str) -> Any:
    partials: JsonPartials[Any] = JsonPartials(target.root)
    partials.feed(text)
    partials.finish()
    return partials.value


def _read(target: Target[Any], text: str, error: Exception, *, is_inner: bool) -> tuple[Any, tuple[str, ...]]:
    inner = None if is_inner else _unquote(text)
    if inner is not None:
        value, repairs = _read(target, inner, error, is_inner=True)
        return value, ("nested_json", *repairs)
    reader = Reader()
    reader.feed(text)
    documents = reader.finish()
    candidates = _relevant(target, [_placed(text, documents, index) for index in range(len(documents))])
    if candidates:
        return _choose(target, text, candidates, error)
    return _read_bare(target, text, error)


def _unquote(text: str) -> str | None:
    """Give the JSON that stands in one JSON string, or between escaped quotes."""
    bare = text.strip()
    if len(bare) > 2 and bare[0] == bare[-1] == '"':  # noqa: PLR2004 - two quotes
        inner = _loads(bare)
        return inner if isinstance(inner, str) and inner.strip()[:1] in {"{", "["} else None
    return _loads(f'"{bare}"') if _ESCAPED.match(bare) else None


def _loads(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return None


def _placed(text: str, documents: Sequence[Document], index: int) -> Candidate:
    document = documents[index]
    start = documents[index - 1].end if index else 0
    stop = documents[index + 1].start if index + 1 < len(documents) else len(text)
    before = text[start : document.start]
    after = text[document.end : stop] if document.end >= 0 else ""
    is_fenced = _FENCE_BEFORE.search(before) is not None
    is_alone = not before.strip("` \t\r\n~") and not after[_PROSE_AFTER.match(after).end() :].strip(".;")  # type: ignore[union-attr]  # it always matches
    around = "fence" if is_fenced else "" if is_alone and not before.strip() and not after.strip() else "prose"
    line = before.rstrip(" \t")
    is_introduced = (not line or line[-1] in "\n:`") and not after.strip(" \t.`*").partition("\n")[0].strip()
    return Candidate(document, around, is_introduced or is_alone)


def _relevant(target: Target[Any], candidates: list[Candidate]) -> list[Candidate]:
    """Leave out what is rather prose: pairs of brackets with nothing or numbers in them, beside better."""
    whole = [each for each in candidates if not each.document.is_soft or each.document.fault]
    if whole:
        return whole
    full = [each for each in candidates if each.document.data or each.document.is_open]
    chosen = full or candidates[:1]
    return chosen if target.is_container else [each for each in chosen if each.around != "prose"]


def _choose(
    target: Target[Any], text: str, candidates: list[Candidate], error: Exception
) -> tuple[Any, tuple[str, ...]]:
    broken = next((each.document.fault for each in candidates if each.document.fault), None)
    if broken is not None:
        raise Unreadable(broken.describe(text)) from error
    closed = [each for each in candidates if not each.document.is_open]
    is_cut = len(closed) < len(candidates)
    if is_cut and (target.is_list or not closed):
        raise Unreadable(_describe_cut(text, candidates[-1].document)) from error
    causes: list[Exception] = []
    separate = target.is_list and len(closed) > 1 and _are_items(target, closed)
    found = _as_items(target, closed, causes) if separate else []
    for candidate in [] if separate else closed:
        found += _first_form(target, candidate, causes)
    if not found:
        if is_cut:
            raise Unreadable(_describe_cut(text, candidates[-1].document)) from error
        cause = causes[0] if causes else error
        data = closed[0].document.data
        place = (target.key,) if target.is_wrapped and isinstance(data, dict) and target.key in data else ()
        raise Unreadable(describe_error(cause, place)) from cause
    if any(value != found[0][0] or type(value) is not type(found[0][0]) for value, _ in found[1:]):
        raise Unreadable(f"it holds {len(found)} different values") from error
    stops = [*(each.document.start for each in candidates[1:]), len(text)]
    for candidate, stop in zip(candidates, stops, strict=True):
        if not candidate.document.is_open:
            _check_after(text[candidate.document.end : stop])
    return found[0]


def _describe_cut(text: str, document: Document) -> str:
    line = text.count("\n", 0, document.start) + 1
    column = document.start - text.rfind("\n", 0, document.start)
    return f"it ends before the value does, which begins in line {line}, column {column}"


def _are_items(target: Target[Any], closed: list[Candidate]) -> bool:
    """Say whether they are objects, none of which holds the list."""
    objects = [each.document.data for each in closed]
    return all(isinstance(data, dict) and target.key not in data for data in objects)


def _as_items(
    target: Target[Any], closed: list[Candidate], causes: list[Exception]
) -> list[tuple[Any, tuple[str, ...]]]:
    """Read several objects one after the other as the items of a list."""
    names = dict.fromkeys(name for each in closed for name in each.document.repairs)
    around = {each.around for each in closed} - {""}
    placed = ("prose",) if "prose" in around else tuple(around)
    read = _attempt(target, [each.document.data for each in closed], causes, is_doubtful="unescaped_quotes" in names)
    return [(value, (*placed, *names, "separate_items", *repairs)) for value, repairs in read]


def _first_form(
    target: Target[Any], candidate: Candidate, causes: list[Exception]
) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the value in the first form that fits, alone in a list; none fits an empty one."""
    document = candidate.document
    placed = (candidate.around,) if candidate.around else ()
    is_whole = candidate.around != "prose" or (target.is_container and candidate.is_introduced)
    try:
        forms = list(target.forms(document.data, is_whole=is_whole))
    except Refused as refusal:
        causes.append(refusal)
        return []
    for data, form in forms:
        for value, repairs in _attempt(target, data, causes, is_doubtful="unescaped_quotes" in document.repairs):
            return [(value, (*placed, *document.repairs, *([form] if form else []), *repairs))]
    return []


def _attempt(
    target: Target[Any], data: Any, causes: list[Exception], *, is_doubtful: bool = False, is_bare: bool = False
) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the value alone in a list, or an empty one: then the error is in `causes`."""
    repairs = Repairs(is_bare=is_bare, is_scalar=target.is_scalar)
    try:
        value = target.validate(dump(target.coerce(data, repairs)), forbids_extra=is_doubtful)
    except Exception as error:  # also of a user's own validators: all of it means "not of the type"
        causes.append(error)
        return []
    return [(value, tuple(repairs.names))]


def _check_after(after: str) -> None:
    """Raise `Unreadable` if the words after a value show that it has not ended where it seems to."""
    bare = after.lstrip()
    if bare.startswith(",") and bare[1:].strip() and is_key(bare + " ", len(bare) - len(bare[1:].lstrip())):
        raise Unreadable("it goes on after the bracket that closes the value")
    depth = 0
    for mark in re.findall(r"[{}\[\]]", after):
        depth += 1 if mark in "{[" else -1
        if depth < 0:
            break
    if depth < 0 and _QUOTES.search(after):
        raise Unreadable("a bracket within a text may have been taken for its end: a quote before it is not escaped")


def _read_bare(target: Target[Any], text: str, error: Exception) -> tuple[Any, tuple[str, ...]]:
    """Read a text that is no JSON, or only a number, a truth, or a text in quotes."""
    fenced = _BARE_FENCE.fullmatch(text)
    body = (fenced[1] if fenced else text).strip()
    placed = ("fence",) if fenced else ()
    causes: list[Exception] = []
    try:
        forms = list(target.bare(body))
    except Refused as refusal:
        raise Unreadable(str(refusal)) from error
    for data, repair in forms:
        for value, repairs in _attempt(target, data, causes, is_bare=True):
            return value, (*placed, *_names(repair, repairs))
    cause = (causes or [error])[0]
    raise Unreadable(describe_error(cause)) from cause


def _names(repair: str, repairs: tuple[str, ...]) -> tuple[str, ...]:
    """Name a bare reading once: what is read out of words is no wrapper that is missing."""
    return (repair, *(name for name in repairs if name not in {"number_words", "truth_words", "sentence", "spelling"}))
