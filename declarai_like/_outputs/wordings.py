"""Truth values, and the members of enums and literals, as a sentence names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like._outputs.refusals import Repairs

__all__ = ["Members", "read_truth", "strip_marks"]

_AROUND = " \t\r\n*_`\"'“”‘’«»"  # noqa: RUF001 - they are meant
_ENDS = ".!;:,"
_DOUBTS = re.compile(
    r"\b(?:not|never|nothing|none|neither|nor|hardly|barely|scarcely|seldom|rarely|maybe|perhaps|possibly|probably"
    r"|likely|unlikely|unclear|unsure|uncertain|unknown|undecided|ambiguous|cannot|doubt|doubtful|doubts|if|whether"
    r"|unless|depends|depending|partly|partially|sometimes|almost|nearly|mostly|could|might|may|would|should|wrong|incorrect"
    r"|untrue|deny|denies|denied|refute|refutes|refuted|opposite|except|rather|instead|than|anything|but|without"
    r"|unable|impossible|difficult|insufficient|contrary|far\sfrom|anti|non|isnt|cant|wont|doesnt|lacks?|fails?|failed"
    r"|excludes?|excluding|excluded|rules?\sout|ruled\sout|between|actually|correction|wait|either|or|half|todo|tbd)\b"
    r"|n't\b|n’t\b|\?",  # noqa: RUF001 - an apostrophe
    re.IGNORECASE,
)
_TURNS = re.compile(
    r"\b(?:not|never|neither|nor|no|rather|instead|actually|correction|wait|between|cannot|or|except|without|non"
    r"|unlike|than|isnt|maybe|perhaps|possibly|unclear|unsure|uncertain|could|might|whether|if|unless|but|excludes?"
    r"|excluding|excluded|rules?\sout|ruled\sout|opposite|far\sfrom|anything|hardly|barely|lacks?|against|anti|un)\b"
    r"|n't\b|n’t\b|\?|-{1,2}>|→",  # noqa: RUF001 - they are meant
    re.IGNORECASE,
)
_TRUTH = re.compile(
    r"(?<![\w-])(?:(true|yes|correct)(?!-?\w)|(false)(?!-?\w)|(no)(?=\s*(?:[.,;:!*`\"'—–)]|-\s|\Z)))",  # noqa: RUF001 - they are meant
    re.IGNORECASE,
)
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "y", "t", "on"), True),
    **dict.fromkeys(("false", "no", "n", "f", "off"), False),
}
_HEAD = re.compile(r"[^\n]*?(?=\s*(?:\n|[.:;,—–(]\s|\s-{1,2}\s|[.!]?\s*\Z))")  # noqa: RUF001 - dashes
_LONGEST = 20_000
_SHORT = 2


def strip_marks(text: str) -> str:
    """Take quotes, markup and the full stop from around a word."""
    before = ""
    while text != before:
        before, text = text, text.strip(_AROUND).rstrip(_ENDS)
    return text


def read_truth(text: str) -> bool:
    """Give the truth value that a text tells; raises `Refused` for none, both, a negation or a doubt."""
    word = _TRUTHS.get(strip_marks(text).casefold())
    if word is not None:
        return word
    if len(text) > _LONGEST:
        raise Refused("too long a text for a truth value")
    told = {not (match[2] or match[3]) for match in _TRUTH.finditer(text)}
    if len(told) != 1:
        raise Refused(f"{len(told)} truth values in the text, not one")
    doubt = _DOUBTS.search(text) or re.search(r"\bno\s+[a-z]", text, re.IGNORECASE)
    if doubt is not None:
        raise Refused(f"a truth value beside {doubt[0]!r}, which may make another of it")
    return told.pop()


class Members:
    """The values of an enum or a literal, and the ways to name them."""

    def __init__(self, members: Iterable[tuple[Any, Sequence[str]]]) -> None:
        self._exact: list[Any] = []
        self._folded: dict[str, set[int]] = {}
        self._loose: dict[str, set[int]] = {}
        self._forms: list[tuple[str, int]] = []
        for index, (value, names) in enumerate(members):
            self._exact.append(value)
            for name in dict.fromkeys([value if isinstance(value, str) else str(value), *names]):
                self._folded.setdefault(_fold(name), set()).add(index)
                self._loose.setdefault(_loosen(name), set()).add(index)
                if strip_marks(name):
                    self._forms.append((name, index))
        self._forms.sort(key=lambda form: -len(form[0]))

    def holds(self, data: Any) -> bool:
        """Whether it is one of the values."""
        return any(data == value and type(data) is type(value) for value in self._exact)

    def read(self, text: str, repairs: Repairs) -> Any:
        """Give the value that a text names, or the text itself if it names none.

        Raises `Refused` if it names several, or says "not" of one.
        """
        for names, key in ((self._folded, _fold(text)), (self._loose, _loosen(text))):
            found = names.get(key)
            if found is not None:
                return self._only(found, text, repairs)
        if len(text) > _LONGEST:
            raise Refused("too long a text for one of its values")
        return self._in_sentence(text, repairs)

    def _only(self, found: set[int], text: str, repairs: Repairs) -> Any:
        if len(found) > 1:
            raise Refused(f"{text!r:.80} names several of its values")
        repairs.note("spelling")
        return self._exact[next(iter(found))]

    def _in_sentence(self, text: str, repairs: Repairs) -> Any:
        rest, found, mentioned = text, set(), set()
        for form, index in self._forms:
            strict, loose = _patterns(form)
            if loose.search(rest):
                mentioned.add(index)
                if strict.search(rest):
                    found.add(index)
                rest = loose.sub("\0", rest)
        if not found:
            return text
        if len(mentioned) > 1:
            raise Refused(f"{text!r:.80} names several of its values")
        head = strip_marks(_HEAD.match(text)[0])  # type: ignore[index]  # it always matches
        is_told = self._folded.get(_fold(head)) == found
        # What comes after the answer explains it, unless it takes it back.
        doubt = _TURNS.search(rest.partition("\n")[0] if is_told and "\n" in text else rest)
        late = re.search(r"\b(?:no|wait|actually|correction|rather|instead)\b|\bor\b", rest, re.IGNORECASE)
        if doubt is not None or late is not None:
            mark = (doubt or late)[0]  # type: ignore[index]  # one of them is there
            raise Refused(f"a value beside {mark!r}, which may make another of it")
        repairs.note("sentence")
        return self._exact[found.pop()]


def _patterns(form: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Build what finds a member's name as a word, and what finds that it is mentioned at all.

    A name of a letter or two must be marked as one, or begin or end the text.
    """
    words = r"[\s_-]+".join(re.escape(word) for word in re.split(r"[\s_-]+", form))
    if len(strip_marks(form)) > _SHORT:
        pattern = re.compile(rf"(?<![\w-]){words}(?![\w-]|'[a-z])", re.IGNORECASE)
        return pattern, pattern
    marked = rf"(?<=[\"'(\[*`“‘]){words}(?=[\"')\]*`”’])"  # noqa: RUF001 - they are meant
    at_ends = rf"(?<![\w'-])(?<![0-9][.,]){words}(?=[.!]?\s*\Z)|\A\W*{words}(?=[.,;:!)\n])(?![.,:][0-9])"
    return re.compile(f"{marked}|{at_ends}"), re.compile(rf"(?<![\w'-]){words}(?![\w'-])")


def _fold(text: str) -> str:
    return strip_marks(text).casefold()


def _loosen(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", strip_marks(text)).casefold()
