"""What a codec is: one wire format, as pure functions between our values and the bytes of a provider.

A codec neither waits nor looks at a clock: the transport sends what it encodes and feeds it what comes back. It is
built once and shared by all threads; a `Decoder` belongs to one streamed answer.

All codecs give chunks in the chat format, for one accumulator reads them all. A codec of another format gives a
`VendorChunk`: the chunk in the chat format, and beside it (`sent`) the event or body as it came. A chunk without
choices is fine (a ping, a head): it is shown to those who look at chunks, and brings nothing.

    {"id", "model", "created", "object": "chat.completion.chunk", "usage": ..., "choices": [
        {"index": 0, "delta": {...}, "finish_reason": ..., "outcome": ..., "error": ..., "logprobs": ...}]}

`message` in the place of `delta`, and `"object": "chat.completion"`, make a whole answer.

In a delta (or message), beside `role`, `content`, `refusal` and `tool_calls`:

| field | meaning |
| --- | --- |
| `reasoning_content` | a piece of the thinking, to be shown |
| `commentary` | a piece of text that is not the answer |
| `annotations` | a list, added to those before |
| `items` | a list of raw output items that are whole, added to those before |
| `final_items` | the list that takes the place of all items before |
| `state` | a dict, in the vendor's own form: what `encode` wants back (`state_for`) with the next turn; the last one \
counts, so a decoder sends it once, with its last chunk |

An entry of `tool_calls` is `{"index", "id", "type", "function": {"name", "arguments"}}`; the arguments are pieces of
text that are joined. What else it holds becomes `ToolCall.extra`, the last value of a field counts, and `wire()` gives
it back in the same place.

In a choice, beside the delta:

| field | meaning |
| --- | --- |
| `finish_reason` | the vendor's own word, not translated; with it the choice has ended |
| `outcome` | how it ended, where that word alone does not say so: `"complete"`, `"calls"`, `"truncated"`, \
`"filtered"`, `"refused"`; whole answers with tool calls are `"calls"` by themselves |
| `error` | `{"message", "code", "type"}`: the choice failed; what had come is kept. For a whole answer that failed it \
stands on the chunk itself |

A refusal is a text: give the vendor's explanation as `refusal`, or a sentence of our own where there is none. Its
details stay in `raw_response`.

`usage` is spelled as chat completions spell it: `prompt_tokens` (with what came from and went to caches),
`completion_tokens` (with the thinking), `total_tokens`, `prompt_tokens_details` with `cached_tokens` and
`cache_write_tokens`, `completion_tokens_details` with `reasoning_tokens`; fields of the vendor's own may stand beside.

Chunks of one answer never part in meaning by how its bytes were cut. A decoder yields `DONE` when the other side said
that the answer is whole. When the bytes just end, it yields nothing: the accumulator knows whether all choices have
their finish reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE, Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from declarai_like._wire.codecs.media_tables import MediaTable
    from declarai_like.requests import Request

__all__ = ["DONE", "Chunk", "Codec", "Decoder", "Learned", "Lesson", "Origin", "Redact", "Refusal", "VendorChunk"]

Origin: TypeAlias = "Mapping[str, Any]"
"""Who is asked: `provider`, `base_url` and `model`, as `Message.state` names them."""

Redact: TypeAlias = "Callable[[Any], Any]"
"""Blanks out keys in what is shown as an error; never used on content."""


class Lesson(NamedTuple):
    """A field that a model's server has refused: it is sent no more.

    `field` is the codec's own word for what is left out or spelled otherwise, e.g. `"stream_options"` or
    `"json_schema"`. `schema` is the `schema_key` of the one schema that was refused; `""` stands for all.
    """

    model: str
    field: str
    schema: str = ""


Learned: TypeAlias = "frozenset[Lesson]"
"""What refusals have taught; never changed, a new one is made with each lesson."""


class Refusal(NamedTuple):
    """What a refusal says, read from its status, headers and body; nothing in it is redacted yet."""

    message: str
    """The provider's words; `""` where it has none."""
    code: str | int | None = None
    type: str | None = None
    param: str | None = None
    """The field that it names."""
    request_id: str | None = None
    retry_after: float | None = None
    """The seconds that it asks to wait."""
    body: Any = None
    """The body as data, or as text where it is no JSON."""
    failed_generation: str | None = None
    """The model's own words, where the server refuses to hand them out as an answer."""


class Decoder(Protocol):
    """Turns the reads of one streamed answer into chunks; see `declarai_like._wire.codecs.event_stream`.

    Raises `InvalidResponse` for what is no answer in this format.
    """

    done: bool
    """Whether the other side said that the answer is whole."""
    ended: bool
    """Whether every choice has its finish reason: what may follow is its usage."""
    begin: bytes
    """The first bytes, for a message about an answer that is none."""

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        ...

    def close(self) -> Iterable[Chunk]:
        """Give the chunks that the end of the bytes completes."""
        ...

    def rest(self) -> Iterable[Chunk]:
        """Give the chunks that a connection has left unfinished when it broke, if they are whole; never raises."""
        ...

    def excerpt(self) -> str:
        """Give the beginning of the answer, for a message."""
        ...


class Codec(Protocol):
    """One wire format."""

    name: str
    """`"chat"`, `"responses"`, `"anthropic"` or `"google"`."""
    media: MediaTable
    """Which media it takes, and in which form."""

    def path(self, request: Request) -> str:
        """Give the path below the base URL, as `"/chat/completions"`; it may end in a query."""
        ...

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give the headers that the format wants; the key's is not among them."""
        ...

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, less what the server has refused.

        Raises `DefinitionError` for what the format cannot say.
        """
        ...

    def decoder(self, request: Request, redact: Redact, check_time: Callable[[], object]) -> Decoder:
        """Give the decoder of one streamed answer; it is bounded by `request.limits.answer_bytes`.

        It calls `check_time` now and then within a long read, which may raise.
        """
        ...

    def decode_answer(self, body: bytes, redact: Redact) -> Chunk:
        """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
        ...

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        """Read the answer to a request that was refused, whatever it holds."""
        ...

    def learn(self, status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
        """Give the lessons of a refusal that are not in `learned`, by which the request was encoded; none is usual."""
        ...
