"""What a call has brought so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from declarai_like._wire.accumulator import Accumulator
    from declarai_like.responses import LLMResponse

__all__ = ["Answer"]


class Answer:
    """What a call has brought so far. It is kept when the call is gone, so it holds nothing of it."""

    __slots__ = ("accumulator", "final", "stream")

    def __init__(self) -> None:
        self.accumulator: Accumulator | None = None
        self.final: LLMResponse | None = None
        self.stream: Any = None
        """A weak reference to the generator that the caller reads."""

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far; `None` before its first chunk."""
        if self.final is not None:
            return self.final
        return None if self.accumulator is None else self.accumulator.response
