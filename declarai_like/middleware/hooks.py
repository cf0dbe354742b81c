"""What is done at every chunk: looking at it, and rewriting its texts before they are shown."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like.errors import DefinitionError
from declarai_like.requests import TextFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.requests import Request

__all__ = ["TextFilter", "observe", "redact", "rewrite"]


class Observe:
    """The middleware that `observe` makes."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[dict[str, Any]], object]) -> None:
        self._callback = callback

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send with the callback beside those that are there."""
        return (yield from send(request.replace(observers=(*request.observers, self._callback))))


class Rewrite:
    """The middleware that `rewrite` makes."""

    __slots__ = ("_makers",)

    def __init__(self, *makers: Callable[[], TextFilter]) -> None:
        self._makers = makers

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send with the filters before those that are there: the middleware closest to the model is first."""
        return (yield from send(request.replace(filters=(*self._makers, *request.filters))))


def observe(callback: Callable[[dict[str, Any]], object]) -> Middleware:
    """Make a middleware that calls `callback` with each chunk, as `raw_response` shows it, before the caller has it.

    A whole answer is one chunk. What the callback gives is not used, and what it raises ends the call. Calls
    that no middleware observes pay nothing for it.

    >>> from declarai_like.testing import FakeLLM
    >>> chunks = []
    >>> @FakeLLM(["Hi."]).task(middlewares=[observe(chunks.append)])
    ... def greet(name: str) -> str:
    ...     "Greet somebody"
    >>> greet("Ada"), len(chunks)
    ('Hi.', 1)
    """
    if not callable(callback):
        raise DefinitionError(f"expected a function of a chunk, got {callback!r:.200}")
    return Observe(callback)


def rewrite(make: Callable[[], TextFilter]) -> Middleware:
    """Make a middleware that rewrites texts while they arrive.

    `make` is called for each text of each answer (content, reasoning, refusal, a tool call's arguments; each choice
    has its own) and gives an object with `feed(text) -> str`, which may hold text back, and `close() -> str`, which
    gives the rest. Nobody sees what the filter has not given: not in `raw_response`, not in events, not in values.
    Text that is held back when a stream breaks off is dropped, and log probabilities are left out.
    """
    if not callable(make):
        raise DefinitionError(f"expected a class or function that makes a text filter, got {make!r:.200}")
    return Rewrite(make)


def redact(*secrets: str | re.Pattern[str], mask: str = "**********", longest: int = 200) -> Middleware:
    """Make a middleware that blanks out secrets in answers, also where they are split over chunks.

    A `str` is blanked out wherever it stands; a compiled pattern wherever it matches. As much text is held back as
    the beginning of a secret may be: the length of the longest `str`, for a pattern `longest` characters, and as long
    as a match may still grow.

    >>> from declarai_like.testing import FakeLLM
    >>> @FakeLLM(["The code is 4711."]).task(middlewares=[redact("4711", mask="****")])
    ... def tell(question: str) -> str:
    ...     "Answer the question"
    >>> tell("What is the code?")
    'The code is ****.'
    """
    texts = [secret for secret in secrets if isinstance(secret, str)]
    patterns = [secret for secret in secrets if isinstance(secret, re.Pattern)]
    if len(texts) + len(patterns) != len(secrets) or not secrets or not all(texts) or longest < 1:
        raise DefinitionError("expected secrets to blank out: texts that are not empty, or compiled patterns")
    makers = [partial(Redactor, pattern, longest, mask) for pattern in patterns]
    if texts:
        any_of_them = re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))))
        makers.append(partial(Redactor, any_of_them, max(map(len, texts)), mask))
    return Rewrite(*makers)


class Redactor:
    """Blanks out what a pattern matches in a growing text, up to `longest` characters before its end."""

    __slots__ = ("_end", "_keep", "_mask", "_pattern", "_text")

    def __init__(self, pattern: re.Pattern[str], longest: int, mask: str) -> None:
        self._pattern = pattern
        self._keep = longest - 1
        self._mask = mask
        self._text = ""
        """What is held back, after a little of what was shown: a pattern may look behind."""
        self._end = 0
        """How much of it was shown."""

    def feed(self, text: str) -> str:
        """Take the next piece; give what cannot be part of a secret any more."""
        self._text += text
        return "".join(self._release(len(self._text) - self._keep, at_end=False))

    def close(self) -> str:
        """Give the rest."""
        return "".join(self._release(len(self._text), at_end=True))

    def _release(self, border: int, *, at_end: bool) -> Iterator[str]:
        """Give the text up to the border, its secrets blanked out; one that may still grow stays."""
        text, end = self._text, self._end
        for match in self._pattern.finditer(text, end):
            start, stop = match.span()
            if start == stop:
                continue
            if start >= border or (stop == len(text) and not at_end):
                border = min(border, start)
                break
            yield text[end:start] + self._mask
            end = stop
        if border > end:
            yield text[end:border]
            end = border
        seen = max(0, end - self._keep)
        self._text, self._end = text[seen:], end - seen
