"""What calls may use together: limits of requests and tokens that hold for a block of code."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING

from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import DefinitionError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["Spent", "active_budgets", "count_answer", "count_request", "count_tool_call", "limits"]


class Spent:
    """What the calls in a `with limits(...)` block have used so far.

    `requests` counts what was sent, retries too. A provider that does not tell its tokens, or a stream that broke
    before it could, has them estimated (four characters make one): `estimated_tokens` says how many of all they are.
    """

    def __init__(self, most: dict[str, int]) -> None:
        self.most = most
        """The limits, by name."""
        self.request_counter = _Counter(most.get("requests", sys.maxsize))
        self.tool_call_counter = _Counter(most.get("tool_calls", sys.maxsize))
        self.token_counters = {name: _Counter(sys.maxsize) for name in ("prompt", "completion", "estimated")}

    @property
    def requests(self) -> int:
        """What was sent, retries too."""
        return self.request_counter.value

    @property
    def tool_calls(self) -> int:
        """The tools that were run."""
        return self.tool_call_counter.value

    @property
    def prompt_tokens(self) -> int:
        """The tokens of prompts."""
        return self.token_counters["prompt"].value

    @property
    def completion_tokens(self) -> int:
        """The tokens of answers."""
        return self.token_counters["completion"].value

    @property
    def estimated_tokens(self) -> int:
        """How many of all tokens are estimated."""
        return self.token_counters["estimated"].value

    @property
    def total_tokens(self) -> int:
        """The tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    def __repr__(self) -> str:
        return f"Spent(requests={self.requests}, total_tokens={self.total_tokens})"


class _Counter:
    """Counts up to a most, without a lock: each step is a single one of the interpreter, whatever comes between.

    A lock would be taken for ever by an interrupt, by a forked child, or by a stream that the garbage collector closes
    while this very thread holds it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = iter(range(most))
        self._given_back: list[int] = []

    @property
    def value(self) -> int:
        """What has been counted."""
        return self._most - length_hint(self._left) - len(self._given_back)

    def take(self) -> bool:
        """Count one; give `False`, and count nothing, if there are no more."""
        with suppress(IndexError):
            self._given_back.pop()
            return True
        return next(self._left, None) is not None

    def give_back(self) -> None:
        """Count one less."""
        self._given_back.append(1)

    def add(self, number: int) -> None:
        """Count so many."""
        deque(islice(self._left, number), maxlen=0)


_scopes: ContextVar[tuple[Spent, ...]] = ContextVar("declarai_like_limits", default=())


def active_budgets() -> tuple[Spent, ...]:
    """Give the blocks that hold here, the outermost first."""
    return _scopes.get()


def count_request(blocks: tuple[Spent, ...]) -> None:
    """Count a request; raises `LimitExceeded`, and counts nothing, if a limit is reached."""
    used = [(name, most, getattr(block, name)) for block in blocks for name, most in block.most.items()]
    used = [(name, most, value) for name, most, value in used if name != "tool_calls"]
    for name, most, value in used:
        if value >= most:
            raise _limit_error(name, most, value)
    for number, block in enumerate(blocks):
        if not block.request_counter.take():  # another thread was faster
            for other in blocks[:number]:
                other.request_counter.give_back()  # a request is counted in each block or in none
            raise _limit_error("requests", block.most["requests"], block.requests)


def _limit_error(name: str, most: int, used: int) -> LimitExceeded:
    return LimitExceeded(
        f"the limit {name}={most} of this `with limits(...)` is reached ({used} used): nothing was sent"
    )


def count_tool_call(blocks: tuple[Spent, ...]) -> None:
    """Count a tool that is about to run; raises `LimitExceeded`, and counts nothing, if a limit is reached."""
    for number, block in enumerate(blocks):
        if not block.tool_call_counter.take():  # of this module
            for other in blocks[:number]:
                other.tool_call_counter.give_back()  # a call is counted in each block or in none
            raise LimitExceeded(
                f"the limit tool_calls={block.most['tool_calls']} of this `with limits(...)` is reached: "
                "the tool was not run"
            )


def count_answer(blocks: tuple[Spent, ...], request: Request, response: LLMResponse | None) -> None:
    """Count the tokens of an answer; none for a request that brought nothing."""
    if not blocks or response is None:
        return
    prompt, completion, estimated = response.prompt_tokens, response.completion_tokens, 0
    if prompt is None:
        prompt = sum(map(count_tokens, request.texts))
        estimated += prompt
    if completion is None:
        completion = count_tokens(response.response + (response.reasoning or ""))
        estimated += completion
    for block in blocks:
        for name, tokens in (("prompt", prompt), ("completion", completion), ("estimated", estimated)):
            block.token_counters[name].add(tokens)  # counted here only


@contextmanager
def limits(
    *,
    requests: int | None = None,
    tool_calls: int | None = None,
    total_tokens: int | None = None,
    prompt_tokens: int | None = None,
    completion_tokens: int | None = None,
) -> Iterator[Spent]:
    """Limit what all calls that begin in this block may use together; gives what they have used.

    A call that would begin when a limit is reached raises `LimitExceeded`, and nothing is sent. An answer's tokens
    are known when it ends, so the one that passes a limit is still given, and calls that run at the same time may
    pass it together. Blocks may be nested: each counts. asyncio tasks that are begun inside belong to it; a thread of
    one's own does if it is run in `contextvars.copy_context()`.
    """
    told = {
        "requests": requests,
        "tool_calls": tool_calls,
        "total_tokens": total_tokens,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }
    most = {name: value for name, value in told.items() if value is not None}
    for name, value in most.items():
        if value < 0:
            raise DefinitionError(f"expected {name} to be a number that is not negative, got {value!r}")
    spent = Spent(most)
    token = _scopes.set((*_scopes.get(), spent))
    try:
        yield spent
    finally:
        _scopes.reset(token)
