"""Text by the sentence, while it arrives.

A sentence ends at a stop that is followed by white space and by what can begin a sentence, at a stop of a script that
needs no space, and at the end of a line. What closes after a stop (quotes, brackets, emphasis, `[1]`) belongs to it.
Where the writing leaves it open ("the U.S. Army", "in the U.S. They ..."), the next word decides; what stays open is
not cut: two sentences at once are better than half of one.
"""

# ruff: noqa: RUF001 - the characters of many scripts are meant as they are

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SentenceBuffer"]

# How far a decision looks to either side of a stop; what is longer is settled without looking on. This bounds the work
# for a piece, and every decision is the same wherever the text is cut.
_REACH = 64

_LINE_END = "\n\r\v\f\x85\u2028\u2029"
_BLANK = rf"[^\S{_LINE_END}]"
_SPACED = ".!?…؟۔։"  # stops with white space after them
_UNSPACED = "。！？｡‼⁇⁈⁉।॥။។።፧"  # those of scripts that need none
_CLOSER = r"""["'”’“‘»«›‹)\]}*_~`」』）】》〉］｝〕]"""  # “ closes in German, « in Danish
_OPENER = r"""["'“‘”„‚«»‹›¿¡(\[{<*_~`#>「『（【《〈［｛〔•—–-]"""

_UNSPACED_STOPS = frozenset(_UNSPACED)
_STOP = re.compile(f"[{_LINE_END}{_SPACED}{_UNSPACED}]")
_RUN = re.compile(f"[{_SPACED}{_UNSPACED}]{{1,{_REACH}}}")
_CLOSERS = re.compile(
    rf"(?:{_CLOSER}"
    r"|\[\w{1,8}\]|【[^】\n]{1,32}】"  # a reference: [1], 【4†source】
    r"|[ \u00a0\u202f][»›](?!\w)"  # French has a space before its closing quotes
    r"){0,16}"
)
_HALF_A_REFERENCE = re.compile(r"\[\w{0,8}\Z|【[^】\n]{0,32}\Z")
_GAP = re.compile(f"{_BLANK}{{0,32}}")
_OPENERS = re.compile(f"(?:{_OPENER}{_BLANK}?){{0,8}}")
_WORD = re.compile(rf"\w{{0,{_REACH}}}\.?")
_SPACE = re.compile(r"\s*")

_ENUMERATOR = re.compile(r"[\W_]*(?:\d{1,3}(?:\.\d{1,3}){0,3}|[^\W\d_]|[ivxIVX]{1,4})[*_~`]*")
_SPELLED = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]")  # the letters of U.S., a.m., J.-C.
_ROMAN = re.compile(r"[IVXLC]{2,}")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d]")

# The lists are of English, German, French, Spanish, Portuguese, Italian, Dutch and Russian, and tell capitals apart but
# for a word's first letter. A lower-case word after the stop needs no list: it never begins a sentence.
_TITLES = frozenset(
    """
    Mr Mrs Ms Mx Dr Prof St Mt Ft Rev Fr Hon Gen Col Maj Capt Cmdr Lt Sgt Cpl Adm Gov Sen Rep Pres Supt Messrs Hr Ing
    Mag EE Fig Figs Eq Eqs
    """.split()  # noqa: SIM905 - one word a line would be a page
)
_NEVER_LAST = frozenset(
    """
    dr e.g i.e eg ie vs v n cf viz approx ca incl excl resp drs hrs z.B d.h u.a i.d.R o.ä bzw vgl evtl ggf inkl sog dipl
    bspw frl mme mlle p.ex av sra srta dña ud uds p.ej aprox sig sig.ra dott dott.ssa avv dra profa exmo exma dhr mevr
    bijv d.w.z o.a т.е т.к ул им рис см напр акад проф
    """.split()  # noqa: SIM905 - as above
)
# They end a sentence unless a number follows: "No. 5", "No. That is wrong."
_BEFORE_NUMBERS = frozenset(
    """
    no nos nr nrs p pp art sec para abs s c fig figs eq eqs vol vols ch chap est abb bd str tel env pag pág págs núm blz
    стр гл п
    """.split()  # noqa: SIM905 - as above
)
# They may or may not end a sentence, as in "Apple Inc. Shares rose" and "at Apple Inc. The shares".
_MAYBE_LAST = frozenset(
    """
    etc al inc ltd co corp bros dept univ assn ave blvd rd jr sr esq ph.D phD llc plc jan feb mar apr jun jul aug sep
    sept oct nov dec mon tue tues wed thu thurs fri sat sun usw jh chr mio mrd ecc enz uU cía г гг тыс млн млрд руб
    """.split()  # noqa: SIM905 - as above
)
# They begin a sentence and, spelled so, hardly ever stand in a name.
_FIRST = frozenset(
    """
    A After Although And As At Because Before But By Can Did Do Does Each For From Had Has Have He Her Here His How
    However I If In Is It Its Let Many May More Most My No Not Now On Once One Or Our She Since So Some Such That The
    Their Then There These They This Those Thus To Was We Were What When Where Which While Who Why Will With Would Yes
    You Your Aber Als Am Auch Auf Bei Da Danach Das Dann Der Die Dies Diese Dort Du Ein Eine Er Es Für Hier Ich Im Ihr
    Man Mit Nach Sie Und Von War Wenn Wer Wie Wir Zu C Ce Cela Ces Cette Dans De Des Elle Elles En Et Il Ils Je La Le
    Les Mais Nous Où Pour Quand Que Si Un Une Vous El Él Ella Ellas Ellos Este Esta Esto Los Las Para Pero Por Se Su
    También Y Yo Ao Com Ele Ela Eles Em Eu Mas Não O Os Uma Gli Ma Non Per Questa Questo Sono Een Het Hij Ik Maar Wij
    Zij А Без В Вы Для Его Если Ещё И Из Их К Как Когда Мы На Не Но О Он Она Они Оно Так Там Ты Что Эта Эти Это Этот Я
    """.split()  # noqa: SIM905 - as above
)
_MONTHS = frozenset(
    "Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember".split()  # noqa: SIM905
)
_AROUND = "([{<\"'“‘”’„‚«»‹›*_~`¿¡)]}"

_Verdict = tuple[bool, int]
"""Whether the sentence ends, and where it does or where to look on."""


class SentenceBuffer:
    """Collects the pieces of a text and gives its sentences, each as soon as its end is certain.

    The sentences are the same however the text is cut. They come without outer white space; nothing else is lost. Time
    is linear in the text, and nothing is kept of what has been given.
    """

    def __init__(self) -> None:
        self._settled: list[str] = []
        """The beginning of the sentence, when it is longer than any decision looks back."""
        self._text = ""
        self._at = 0
        """Where in `_text` to look for the next stop."""

    def feed(self, piece: str) -> Iterable[str]:
        """Give the sentences that have certainly ended with this piece."""
        self._text += piece
        return self._cut(final=False)

    def close(self) -> Iterable[str]:
        """Give what is left, as the text has ended; the buffer is then as new."""
        sentences = self._cut(final=True)
        rest = self._taken(self._text)
        self._text, self._at = "", 0
        return [*sentences, rest] if rest else sentences

    def _cut(self, *, final: bool) -> list[str]:
        text, sentences = self._text, []
        start = 0 if self._settled else _after_space(text, 0)
        at = max(self._at, start)
        while (stop := _STOP.search(text, at)) is not None:
            at = stop.start()
            whole = not self._settled and at - start <= _REACH
            before = text[start if whole else max(0, at - _REACH) : at]
            verdict = _decide(text, at, before, whole=whole, final=final)
            if verdict is None:
                break
            ended, at = verdict
            if ended:
                sentences.append(self._taken(text[start:at]))
                start = at = _after_space(text, at)
        self._keep(text, start, len(text) if stop is None else at)
        return sentences

    def _taken(self, end: str) -> str:
        sentence = ("".join((*self._settled, end)) if self._settled else end).rstrip()
        self._settled.clear()
        return sentence

    def _keep(self, text: str, start: int, at: int) -> None:
        """Keep what later decisions look at, and put the earlier part of the sentence aside."""
        kept = max(start, at - _REACH)
        if kept > start:
            self._settled.append(text[start:kept])
        self._text, self._at = text[kept:], at - kept


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return where a pattern ends that matches anywhere, if only the empty text."""
    return pattern.match(text, at).end()  # type: ignore[union-attr]  # it always matches


def _decide(text: str, at: int, before: str, *, whole: bool, final: bool) -> _Verdict | None:
    """Decide about the stop at `at`; `None` if that needs more of the text, which is never so when it is `final`.

    `before` is what precedes the stop; `whole` says whether that is all of the sentence.
    """
    if text[at] in _LINE_END:
        return True, at + 1
    run = _end(_RUN, text, at)
    close = _end(_CLOSERS, text, run)
    if not final and (close == len(text) or _HALF_A_REFERENCE.match(text, close)):
        return None
    if _end(_GAP, text, close) > close and _UNSPACED_STOPS.isdisjoint(text[at:run]):
        ends = _ends_spaced(text, (at, run, close), before, whole=whole, final=final)
    else:
        ends = _ends_crowded(text[at:run], before, text[close : close + 1], closed=close > run)
    return None if ends is None else (ends, close if ends else run)


def _ends_spaced(text: str, stop: tuple[int, int, int], before: str, *, whole: bool, final: bool) -> bool | None:
    """Say whether a sentence ends at stops that white space follows; `None` if what comes next must be known."""
    at, run, close = stop
    stops = text[at:run]
    ahead = _end(_OPENERS, text, _end(_GAP, text, close))
    if ahead == len(text) and not final:
        return None
    if _goes_on(stops, before if whole else None, text[ahead : ahead + 1], closed=close > run):
        return False
    kind = _kind(before, whole=whole) if stops == "." else "last"
    end = _end(_WORD, text, ahead)
    return None if kind in _ASK_THE_NEXT and end == len(text) and not final else _ends(kind, text[ahead:end])


def _ends_crowded(stops: str, before: str, following: str, *, closed: bool) -> bool:
    """Say whether a sentence ends at stops that no white space follows, or that need none."""
    if not _UNSPACED_STOPS.isdisjoint(stops):
        return not (closed and following == "と")  # Japanese tells after the quotation who said it
    loud = "!" in stops or "?" in stops
    return loud and _CJK.match(before[-1:]) is not None and _CJK.match(following) is not None


def _goes_on(stops: str, sentence: str | None, first: str, *, closed: bool) -> bool:
    """Say whether the sentence goes on, whatever its last word is; `first` is the first character after the gap."""
    if sentence is not None and not any(map(str.isalnum, sentence)):
        return True  # it has not begun: "... and then"
    if first.islower():  # "Why?" she asked
        return closed or not ("!" in stops or "?" in stops)
    return bool(first) and first in ".,!?…"


def _kind(before: str, *, whole: bool) -> str:
    """Say what the word before a full stop is."""
    word = "" if before[-1:].isspace() else before.rsplit(None, 1)[-1].strip(_AROUND)
    last = word.rpartition("-")[2]
    key = last[:1].lower() + last[1:]
    pair = "".join(before.split()[-2:])  # "z. B." is "z.B."
    if (whole and _ENUMERATOR.fullmatch(before)) or last in _TITLES or not _NEVER_LAST.isdisjoint((key, pair)):
        return "never last"
    if len(word) == 1 and word.isupper():
        return "last" if word == "I" and _is_pronoun(before) else "initial"
    if key in _BEFORE_NUMBERS:
        return "before numbers"
    if key in _MAYBE_LAST or _SPELLED.fullmatch(word):
        return "maybe last"
    if len(word) == 1 and word.isalpha():
        return "letter"
    return "day" if word.isdecimal() and len(word) <= len("31") else "last"


def _is_pronoun(before: str) -> bool:
    """Tell "so do I." from "Henry I." and "J. I."."""
    words = before.split()
    return len(words) > 1 and words[-2][0].islower()


def _ends(kind: str, following: str) -> bool:
    """Say whether a sentence ends after a word of this kind, before this word."""
    is_initial = len(following) == len("J.") and following[0].isalpha() and following[1] == "."
    return {
        "last": True,
        "never last": False,
        "before numbers": not (following[:1].isdigit() or _ROMAN.fullmatch(following)),
        "maybe last": following in _FIRST,
        "initial": following in _FIRST,
        "letter": not is_initial,  # z. B. Hunde
        "day": following not in _MONTHS,  # 3. Oktober
    }[kind]


_ASK_THE_NEXT = frozenset({"before numbers", "maybe last", "initial", "letter", "day"})
