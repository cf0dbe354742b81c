"""What calls may use together: limits of requests and tokens that hold for a block of code."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING

from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import DefinitionError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["Spent", "active_budgets", "count_answer", "count_request", "limits"]


class Spent:
    """What the calls in a `with limits(...)` block have used so far.

    `requests` counts what was sent, retries too. A provider that does not tell its tokens, or a stream that broke
    before it could, has them estimated (four characters make one): `estimated_tokens` says how many of all they are.
    """

    def __init__(self, most: dict[str, int]) -> None:
        self.most = most
        """The limits, by name."""
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.estimated_tokens = 0

    @property
    def total_tokens(self) -> int:
        """The tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    def __repr__(self) -> str:
        return f"Spent(requests={self.requests}, total_tokens={self.total_tokens})"


_lock = Lock()  # one for all blocks: a request is counted in each of them, or in none
_scopes: ContextVar[tuple[Spent, ...]] = ContextVar("declarai_like_limits", default=())


def active_budgets() -> tuple[Spent, ...]:
    """Give the blocks that hold here, the outermost first."""
    return _scopes.get()


def count_request(blocks: tuple[Spent, ...]) -> None:
    """Count a request; raises `LimitExceeded`, and counts nothing, if a limit is reached."""
    with _lock:
        told = ((name, most, getattr(block, name)) for block in blocks for name, most in block.most.items())
        for name, most, used in told:
            if used >= most:
                raise LimitExceeded(
                    f"the limit {name}={most} of this `with limits(...)` is reached ({used} used): nothing was sent"
                )
        for block in blocks:
            block.requests += 1


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
    with _lock:
        for block in blocks:
            block.prompt_tokens += prompt
            block.completion_tokens += completion
            block.estimated_tokens += estimated


@contextmanager
def limits(
    *,
    requests: int | None = None,
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
