"""What is asked of a provider: one request, in no provider's own format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._outputs import Output
    from declarai_like.messages import Message

__all__ = ["Limits", "Request"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds; `None` is no limit.

    `timeout` bounds the whole call with all its attempts and its stream, `connect` the connection,
    `first_chunk` the wait for a stream's first chunk, `idle` the wait between two chunks.
    """

    timeout: float | None = None
    connect: float | None = 5.0
    first_chunk: float | None = 60.0
    idle: float | None = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Exactly what is asked of a model.

    `params` are the model's own parameters (`temperature`, `max_tokens`, `n`, ...); only what was
    given is sent. `response_format` is the wire's, or `None` for free text. `prompt` is the text to
    continue when `kind` is `"completion"`; `messages` is empty then. `name` is the task's or chat's.
    `output` is how the answer will be read, for models that make answers up; it is not sent.
    """

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | list[str] | None = None
    kind: Literal["chat", "completion"] = "chat"
    stream: bool = False
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    response_format: Mapping[str, Any] | None = field(default=None, hash=False)
    tools: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    limits: Limits = field(default_factory=Limits)
    name: str = ""
    output: Output[Any] | None = field(default=None, compare=False, repr=False)

    @property
    def task(self) -> str:
        """The name of the task or chat that asks."""
        return self.name

    def replace(self, **changes: Any) -> Request:
        """Give a copy with some fields changed."""
        return replace(self, **changes)
