"""What is asked of a provider: one request, in no provider's own format."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

    from declarai_like._outputs.output import Output
    from declarai_like.errors import ProviderError
    from declarai_like.messages import Message

__all__ = ["API", "Cache", "HangUp", "Limits", "Observer", "Prefix", "Provider", "Queue", "Request", "TextFilter"]

Headers: TypeAlias = "Mapping[str, str] | Callable[[], Mapping[str, str]]"
"""Headers to send, or what gives them, asked before each request."""

API: TypeAlias = Literal["auto", "chat", "responses"]
"""Which of OpenAI's two formats is spoken; `"auto"` is chat completions until something needs the other."""

LocalAPI: TypeAlias = Literal["auto", "chat", "responses", "anthropic"]
"""In which format the embedded server is asked; `"auto"` is chat completions."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Have the tools and the system prompt of each request cached, for 5 minutes (`"5m"`) or an hour (`"1h"`).

    For providers whose caches are asked for, as Anthropic's is: `cache=Prefix(ttl="1h")`. Raises `DefinitionError` for
    another time.
    """

    ttl: Literal["5m", "1h"] = "5m"

    def __post_init__(self) -> None:
        if self.ttl not in {"5m", "1h"}:
            raise DefinitionError(f"Prefix: expected ttl to be '5m' or '1h', got {self.ttl!r:.80}")


Cache: TypeAlias = Literal["auto"] | Prefix
"""What the provider is to cache of a prompt: what it thinks best, or what all requests begin with."""

Observer: TypeAlias = "Callable[[dict[str, Any]], object]"
"""Called with each chunk as the provider sent it, or as the filters have left it."""


class TextFilter(Protocol):
    """Rewrites one text of an answer while it grows: it may hold back what it cannot judge yet."""

    def feed(self, text: str) -> str:
        """Take the next piece of the text; give what may be shown now."""
        ...

    def close(self) -> str:
        """Give what was held back, at the end of the text."""
        ...


@runtime_checkable
class Provider(Protocol):
    """One model behind one address. It is shared by threads and event loops, and never changes.

    Each method takes a request and gives what the model answers as dicts in the OpenAI format: the whole body, or
    the chunks of a stream. A stream ends with `DONE` when the other side said that it is whole. Errors are our
    `ProviderError`s, and a stream that is closed early closes its connection at once.
    """

    name: str
    model: str
    streaming: bool

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the body that would be sent, as this provider spells it."""
        ...

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Learn from a refusal; say whether the same request, encoded anew, may succeed."""
        ...

    def send(self, request: Request) -> dict[str, Any]:
        """Send a request and wait for the whole answer."""
        ...

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Send a request and give its chunks as they arrive."""
        ...

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        ...

    def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        ...


class Queue(Protocol):
    """What calls wait in: for their turn in a conversation, or for one of `max_concurrency` slots."""

    def ticket(self, reader: Callable[[], object] | None = None) -> Any:
        """Make a ticket, a future that is resolved when a slot is free; it is in no queue yet."""
        ...

    def enter(self, ticket: Any) -> None:
        """Join, to wait in this thread."""
        ...

    def aenter(self, ticket: Any) -> None:
        """Join, to wait in an event loop."""
        ...

    def leave(self, ticket: Any) -> None:
        """Give a slot or a place back, and let the next one in; nothing happens if it was given back before."""
        ...


class HangUp:
    """Ends the wait for an answer from another thread: `request` it, and who waits is woken by what it has armed."""

    __slots__ = ("_wake", "is_requested")

    def __init__(self) -> None:
        self._wake: Callable[[], object] | None = None
        self.is_requested = False

    def arm(self, wake: Callable[[], object]) -> None:
        """Say how the one who waits now is woken, in the place of what was said before."""
        self._wake = wake
        if self.is_requested:
            wake()

    def disarm(self) -> None:
        """Say that nobody waits now."""
        self._wake = None

    def request(self) -> None:
        """Wake who waits, now and whenever it would wait again."""
        self.is_requested = True
        if self._wake is not None:
            self._wake()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take: times in seconds, sizes, a slot among others; `None` is no limit.

    `timeout` bounds the whole call with all its attempts and its stream, `connect` the connection,
    `first_chunk` the wait for a stream's first chunk, `idle` the wait between two chunks. `answer_bytes` bounds what
    is read of one answer, streamed or whole, `prompt_chars` what is sent, `media_bytes` each of the media, and
    `request_bytes` all that is sent, `None` being what the provider takes. `slots` is the queue of the calls
    that share a `max_concurrency`, `hang_up` ends the wait of a stream that its reader closes.
    """

    timeout: float | None = None
    connect: float | None = 5.0
    first_chunk: float | None = 60.0
    idle: float | None = 60.0
    answer_bytes: int | None = 64 * 1024 * 1024
    prompt_chars: int | None = 10_000_000
    media_bytes: int | None = 20 * 1024 * 1024
    request_bytes: int | None = None
    slots: Queue | None = field(default=None, compare=False, repr=False)
    hang_up: HangUp | None = field(default=None, compare=False, repr=False)
    timeout_set: float | None = field(default=None, compare=False, repr=False)
    """The `timeout` that the user has set, where this one is what a call has left of it."""

    def replace(self, **changes: Any) -> Limits:
        """Give a copy with some limits changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Exactly what is asked of a model.

    `params` are the model's own parameters (`temperature`, `max_tokens`, `n`, ...); only what was
    given is sent. `response_format` is the wire's, or `None` for free text;
    with `fixed_format` it is sent as it is, also to a server that has refused it, and with `answer_as_tool` it is
    that of a tool, where there are tools. `prompt` is the text to
    continue when `kind` is `"completion"`; `messages` is empty then. `name` is the task's or chat's,
    `prompt_version` a hash of what its prompt says around the arguments, `conversation` the id of a chat's session,
    `provider` who is asked, `output`, `reading` and `reasoning_tags` how the answer will be read; these are not sent.
    With `state="server"` what the provider keeps of the conversation is not sent again: see `declarai_like.Chat`.
    Each of `observers` is called with every chunk that is shown, and each of `filters` makes what rewrites the texts
    of one answer: see `declarai_like.middleware.observe` and `rewrite`. `on_headers` is called with the headers of
    each answer, a refusal's too, by providers that are asked over HTTP.
    """

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | list[str] | None = None
    kind: Literal["chat", "completion"] = "chat"
    stream: bool = False
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    response_format: Mapping[str, Any] | None = field(default=None, hash=False)
    fixed_format: bool = False
    answer_as_tool: bool = False
    tools: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    limits: Limits = field(default_factory=Limits)
    name: str = ""
    prompt_version: str = ""
    conversation: str | None = None
    output: Output[Any] | None = field(default=None, compare=False, repr=False)
    reading: Literal["lenient", "strict"] = "lenient"
    reasoning_tags: bool = True
    provider: Provider | None = field(default=None, compare=False, repr=False)
    observers: tuple[Observer, ...] = field(default=(), compare=False, repr=False)
    filters: tuple[Callable[[], TextFilter], ...] = field(default=(), compare=False, repr=False)
    headers: Headers | None = field(default=None, compare=False, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    api: API | None = None
    cache: Cache | None = None
    state: Literal["server"] | None = None
    on_headers: Callable[[Mapping[str, str]], object] | None = field(default=None, compare=False, repr=False)

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
        """Give a copy with some fields changed.

        Raises `TypeError` for a name that no field has.
        """
        if not changes.keys() <= _SETTERS.keys():
            return replace(self, **changes)  # it says which
        copy = object.__new__(Request)
        for name, set_field in _SETTERS.items():  # `dataclasses.replace` takes twice as long, at each round of tools
            set_field(copy, changes[name] if name in changes else getattr(self, name))
        return copy


_SETTERS = {each.name: getattr(Request, each.name).__set__ for each in fields(Request)}
