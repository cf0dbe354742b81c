"""What all errors have in common, and those that no provider and no model is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from declarai_like.completions import Completion, ToolRun
    from declarai_like.responses import Attempt, LLMResponse

__all__ = [
    "ArgumentError",
    "BudgetReached",
    "CallError",
    "ConfigurationError",
    "DeclaraiError",
    "DefinitionError",
    "LimitExceeded",
    "MediaError",
    "MissingExtra",
]


class DeclaraiError(Exception):
    """The root of all errors that this library raises on purpose."""

    cause: BaseException | None = None
    """The error beneath, if there is one, with its traceback; it does not go along when the error is pickled."""

    @property
    def message(self) -> str:
        """What went wrong and what to do, as shown by `str()`."""
        return str(self.args[0]) if self.args else ""

    def with_cause(self, cause: BaseException | None) -> Self:
        """Keep the error beneath as `cause`, and give this one, to be raised `from None`."""
        self.cause = cause
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the cause: another library's error, and what its frames hold, need not be picklable."""
        reduced: Any = super().__reduce__()
        kind, args = reduced[:2]
        return kind, args, {name: value for name, value in vars(self).items() if name != "cause"}


class DefinitionError(DeclaraiError):
    """A task or chat class cannot be declared like this; raised where it is defined."""


class ConfigurationError(DeclaraiError):
    """A key, a model or a provider is missing or unknown; nothing was sent."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class ArgumentError(DeclaraiError, TypeError):
    """An argument cannot be put into the prompt, or the arguments make none; nothing was sent."""


class MediaError(DeclaraiError, ValueError):
    """Media are not what they should be: their bytes, their type, or the address they stand at; nothing was sent."""


class LimitExceeded(DeclaraiError):
    """A limit that you set would be passed: `limits(...)`, `max_prompt_chars`, `max_concurrency`, `max_rounds`.

    Or the size that media or a request may have. Nothing was sent beyond it. `response` is the last answer of a call
    with tools, and `calls` are its tool calls.
    """

    def __init__(
        self, message: str = "", *, response: LLMResponse | None = None, calls: Sequence[ToolRun] = ()
    ) -> None:
        """Keep what had come before the limit."""
        super().__init__(message)
        self.response = response
        self.calls = tuple(calls)


class BudgetReached(LimitExceeded):
    """A limit of `with limits(...)` is reached, or a request might pass it: nothing was sent.

    A map raises it at its end, when the rows under way have finished: the others were not sent.
    """


class CallError(DeclaraiError):
    """A call that was made and failed, with the evidence of what came."""

    def __init__(
        self,
        message: str = "",
        *,
        response: LLMResponse | None = None,
        completion: Completion | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        """Keep what had arrived: `response` is `None` when nothing had."""
        super().__init__(message)
        self.response = response
        self.completion = completion
        self.attempts = tuple(attempts)
