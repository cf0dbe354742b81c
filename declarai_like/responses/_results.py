"""All that a call brought, and its tries that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from declarai_like.completions import ToolRun, Usage
    from declarai_like.messages import Message
    from declarai_like.responses._answers import LLMResponse

__all__ = ["Attempt", "Result"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call that did not succeed: what went wrong, what the model said, what it cost."""

    error: BaseException
    text: str = ""
    usage: Usage | None = None
    seconds: float = 0.0
    saved_tokens: int | None = None
    """About how many tokens did not come, as the answer was stopped early; `None` if that is not known."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """All that a call brought: its value and how it came about.

    `attempts` are the failed tries before the answer, `messages` what was sent in the end, `calls` every tool call in
    the order in which the model asked for them, and `rounds` how many requests were answered.

    >>> from declarai_like.testing import FakeLLM
    >>> @FakeLLM([5]).task
    ... def rank(message: str) -> int:
    ...     "Rank the severity of a message"
    >>> result = rank.run("Fire!")
    >>> result.value, result.response.outcome, result.rounds
    (5, 'complete', 1)
    """

    value: T
    response: LLMResponse
    attempts: tuple[Attempt, ...] = ()
    messages: tuple[Message, ...] = ()
    calls: tuple[ToolRun, ...] = ()
    rounds: int = 1

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer; `None` when the provider never said."""
        return self.response.usage

    @property
    def cost(self) -> float | None:
        """What the call has cost with its failed tries, in US dollars; `None` where that cannot be known.

        A request that the provider refused costs nothing.
        """
        from declarai_like._values.prices import price

        billed = [attempt.usage for attempt in self.attempts if (getattr(attempt.error, "status", None) or 0) < 400]  # noqa: PLR2004 - HTTP's own border
        if self.response.cached:
            return price(None, self.response.model, billed) if billed else 0.0
        return price(None, self.response.model, [*billed, self.usage])

    @property
    def repairs(self) -> tuple[str, ...]:
        """The names of the repairs that reading the value needed."""
        return self.response.repairs
