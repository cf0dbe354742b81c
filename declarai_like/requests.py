"""What is asked of a provider: one request, in no provider's own format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from declarai_like._calls.queues import Turns
    from declarai_like._outputs.output import Output
    from declarai_like._wire.hooks import Observer, TextFilter
    from declarai_like.messages import Message
    from declarai_like.providers.base import Provider

__all__ = ["Limits", "Request"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take: times in seconds, sizes, a place among others; `None` is no limit.

    `timeout` bounds the whole call with all its attempts and its stream, `connect` the connection,
    `first_chunk` the wait for a stream's first chunk, `idle` the wait between two chunks. `answer_bytes` bounds what
    is read of one answer, streamed or whole, `prompt_chars` what is sent. `places` are what calls wait for that
    share a `max_concurrency`.
    """

    timeout: float | None = None
    connect: float | None = 5.0
    first_chunk: float | None = 60.0
    idle: float | None = 60.0
    answer_bytes: int | None = 64 * 1024 * 1024
    prompt_chars: int | None = 10_000_000
    places: Turns | None = field(default=None, compare=False, repr=False)

    def replace(self, **changes: Any) -> Limits:
        """Give a copy with some limits changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Exactly what is asked of a model.

    `params` are the model's own parameters (`temperature`, `max_tokens`, `n`, ...); only what was
    given is sent. `response_format` is the wire's, or `None` for free text. `prompt` is the text to
    continue when `kind` is `"completion"`; `messages` is empty then. `name` is the task's or chat's,
    `prompt_version` a hash of what its prompt says around the arguments, `conversation` the id of a chat's session,
    `provider` who is asked, and `output` how the answer will be read; these are not sent. Each of `observers` is
    called with every chunk that is shown, and each of `filters` makes what rewrites the texts of one answer: see
    `declarai_like.middleware.observe` and `rewrite`.
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
    prompt_version: str = ""
    conversation: str | None = None
    output: Output[Any] | None = field(default=None, compare=False, repr=False)
    provider: Provider | None = field(default=None, compare=False, repr=False)
    observers: tuple[Observer, ...] = field(default=(), compare=False, repr=False)
    filters: tuple[Callable[[], TextFilter], ...] = field(default=(), compare=False, repr=False)

    @property
    def task(self) -> str:
        """The name of the task or chat that asks."""
        return self.name

    @property
    def texts(self) -> list[str]:
        """All texts that are sent."""
        if self.prompt is not None:
            return [self.prompt] if isinstance(self.prompt, str) else list(self.prompt)
        return [message.message for message in self.messages]

    def replace(self, **changes: Any) -> Request:
        """Give a copy with some fields changed."""
        return replace(self, **changes)
