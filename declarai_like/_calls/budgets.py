"""What calls may use together: limits of requests and tokens that hold for a block of code."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from declarai_like._calls.counters import Counter
from declarai_like._calls.prompt_tokens import count_prompt_tokens
from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import BudgetReached, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like._calls.spending import Purse, Reservation
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["Spent", "active_budgets", "count_answer", "count_request", "count_tool_call", "limits"]


class Spent:
    """What the calls in a `with limits(...)` block have used so far.

    `requests` counts what was sent, retries too. A provider that does not tell its tokens, or a stream that broke
    before it could, has them estimated (four characters make one): `estimated_tokens` says how many of all they are.
    """

    def __init__(self, most: dict[str, int], purse: Purse | None = None) -> None:
        self.most = most
        """The limits, by name."""
        self.purse = purse
        """What may be spent in money; `None` without `usd=`."""
        self.request_counter = Counter(most.get("requests", sys.maxsize))
        self.tool_call_counter = Counter(most.get("tool_calls", sys.maxsize))
        self.token_counters = {name: Counter() for name in ("prompt", "completion", "estimated")}

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

    @property
    def usd(self) -> float | None:
        """What the answers have cost in US dollars, by the list price of their models; `None` without `usd=`."""
        return None if self.purse is None else self.purse.spent

    def __repr__(self) -> str:
        return f"Spent(requests={self.requests}, total_tokens={self.total_tokens})"


_scopes: ContextVar[tuple[Spent, ...]] = ContextVar("declarai_like_limits", default=())


def active_budgets() -> tuple[Spent, ...]:
    """Give the blocks that hold here, the outermost first."""
    return _scopes.get()


def count_request(blocks: tuple[Spent, ...], request: Request) -> tuple[Reservation, ...]:
    """Count a request, and give what is set aside for it in money.

    Raises `BudgetReached`, and counts nothing, if a limit is reached.
    """
    reservations: list[Reservation] = []
    try:
        for block in blocks:
            reservation = block.purse and block.purse.reserve(request)
            reservations += [reservation] if reservation else []
        _take_request(blocks)
    except BaseException:
        for reservation in reservations:
            reservation.settle(request, None)
        raise
    return tuple(reservations)


def _take_request(blocks: tuple[Spent, ...]) -> None:
    used = [(name, most, getattr(block, name)) for block in blocks for name, most in block.most.items()]
    used = [(name, most, value) for name, most, value in used if name not in {"requests", "tool_calls"}]
    for name, most, value in used:
        if value >= most:
            raise _limit_error(name, most, value)
    for number, block in enumerate(blocks):
        if not block.request_counter.take():
            for other in blocks[:number]:
                other.request_counter.give_back()  # a request is counted in each block or in none
            raise _limit_error("requests", block.most["requests"], block.requests)


def _limit_error(name: str, most: int, used: int) -> BudgetReached:
    return BudgetReached(
        f"the limit {name}={most} of this `with limits(...)` is reached ({used} used): nothing was sent"
    )


def count_tool_call(blocks: tuple[Spent, ...]) -> None:
    """Count a tool that is about to run; raises `BudgetReached`, and counts nothing, if a limit is reached."""
    for number, block in enumerate(blocks):
        if not block.tool_call_counter.take():  # of this module
            for other in blocks[:number]:
                other.tool_call_counter.give_back()  # a call is counted in each block or in none
            raise BudgetReached(
                f"the limit tool_calls={block.most['tool_calls']} of this `with limits(...)` is reached: "
                "the tool was not run"
            )


def count_answer(
    blocks: tuple[Spent, ...],
    request: Request,
    response: LLMResponse | None,
    reservations: tuple[Reservation, ...] = (),
) -> None:
    """Count the tokens of an answer, and what it has cost; nothing for a request that brought nothing."""
    for reservation in reservations:
        reservation.settle(request, response)
    if not blocks or response is None:
        return
    prompt, completion, estimated = response.prompt_tokens, response.completion_tokens, 0
    if prompt is None:
        prompt = count_prompt_tokens(request)
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
    usd: float | None = None,
    unknown: Literal["error", "ignore"] = "error",
) -> Iterator[Spent]:
    """Limit what all calls that begin in this block may use together; gives what they have used.

    A call that would begin when a limit is reached raises `BudgetReached`, a `LimitExceeded`, and nothing is sent. An
    answer's tokens are known when it ends, so the one that passes a limit is still given, and calls that run at the
    same time may pass it together.

    `usd` limits what they cost, in US dollars at the list price (the extra `prices`). What a request may cost is set
    aside before it is sent: its prompt, and `max_tokens` if the task says it. So calls that run at the same time do
    not pass the limit together; a stream that passes it all the same is closed there. A model whose price is not known
    is a `DefinitionError` before anything is sent; with `unknown="ignore"` it is not counted.

    Blocks may be nested: each counts. asyncio tasks that are begun inside belong to it; a thread of
    one's own does if it is run in `contextvars.copy_context()`.

    >>> from declarai_like.testing import FakeLLM
    >>> @FakeLLM(["Yes."]).task
    ... def answer(question: str) -> str:
    ...     "Answer the question"
    >>> with limits(requests=10) as used:
    ...     reply = answer("Is it late?")
    >>> used.requests
    1
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
    spent = Spent(most, None if usd is None else _purse(usd, unknown))
    token = _scopes.set((*_scopes.get(), spent))
    try:
        yield spent
    finally:
        _scopes.reset(token)


def _purse(usd: float, unknown: str) -> Purse:
    """Make the purse of a block; it takes the list of prices, which most programs need not load."""
    from declarai_like._calls.spending import Purse

    if not usd >= 0:
        raise DefinitionError(f"expected usd to be a number of dollars that is not negative, got {usd!r}")
    if unknown not in {"error", "ignore"}:
        raise DefinitionError(f"expected unknown to be 'error' or 'ignore', got {unknown!r:.80}")
    return Purse(usd, ignores_unknown=unknown == "ignore")
