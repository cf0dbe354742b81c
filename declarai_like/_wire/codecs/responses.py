"""OpenAI's Responses API: the events of a stream, and whole responses, to chunks in the chat format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.codecs.event_stream import StreamDecoder
from declarai_like._wire.codecs.json_text import decode_json, show_beginning
from declarai_like._wire.codecs.media_tables import RESPONSES
from declarai_like._wire.codecs.refusals import read_refusal
from declarai_like._wire.codecs.responses_endings import (
    decode_response,
    error_chunk,
    event_chunk,
    head_of,
    mapping_of,
    read_ending,
    usage_of,
)
from declarai_like._wire.codecs.responses_items import OutputItems
from declarai_like._wire.codecs.responses_requests import encode_request, learn
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from declarai_like._wire.codecs.base import Learned, Origin, Redact, Refusal
    from declarai_like.requests import Request

__all__ = ["ResponseDecoder", "ResponsesCodec"]

_new = VendorChunk.__new__
_TEXT_EVENT = b"event: response.output_text.delta\ndata: "
_BEGIN = len(_TEXT_EVENT)
_LF, _CR = b"\n\r"  # a byte is found faster by its number
_HEADS = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_ERRORS = frozenset({"error", "response.error"})
_TEXTS = {
    "response.output_text": ("text", "content_index", "text"),
    "response.refusal": ("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text": ("summary", "summary_index", "text"),
    "response.reasoning_text": ("reasoning", "content_index", "text"),
    "response.function_call_arguments": ("arguments", "", "arguments"),
    "response.custom_tool_call_input": ("arguments", "", "input"),
}
"""Events of texts: their kind, the number of their part, and where the whole text stands at the end."""


class ResponseDecoder(StreamDecoder):
    """The chunks of one streamed response.

    `limit_tokens` is the limit of output tokens that was sent to a server which does not say that it was reached.
    """

    __slots__ = ("_items", "_limit_tokens", "_started")

    def __init__(
        self,
        redact: Redact = lambda value: value,
        limit: int | None = None,
        *,
        limit_tokens: int | None = None,
        check_time: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(redact, limit, check_time=check_time)
        self._items = OutputItems()
        self._limit_tokens = limit_tokens
        self._started = False

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            self.refuse_size()
        # Nearly all reads are one event with a piece of text: two searches prove it.
        data = read[_BEGIN:-2]
        if (
            read[:_BEGIN] == _TEXT_EVENT
            and read[-2:] == b"\n\n"
            and self._events.idle
            and _LF not in data
            and _CR not in data
        ):
            try:
                event = from_json(data)
                text = event["delta"]
                pieces = self._items.pieces(event["output_index"], event["content_index"])
                if pieces and text and isinstance(text, str) and not event.get("logprobs"):
                    pieces.append(text)
                    chunk: VendorChunk = _new(VendorChunk)
                    chunk["choices"] = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
                    chunk.sent = event
                    return (chunk,)
            except (KeyError, TypeError, ValueError):
                pass  # another event
        return self._feed_any(read)

    def decode_document(self, body: bytes) -> Chunk:
        """Read the JSON document that came in the place of events; raises `InvalidResponse` if it is no response."""
        return decode_response(body, self._redact, self._limit_tokens)

    def decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        """Give the chunks of an event, `DONE` if it says that the answer is whole."""
        if data.startswith(DONE_DATA):  # some servers end so, but it says nothing: a response has an end of its own
            return
        event = self._read_event(name, data)
        kind = event["type"] if isinstance(event.get("type"), str) else name
        if kind in _ENDS:
            yield self._end(event, kind)
            yield DONE
        elif kind in _ERRORS or (event.get("error") and not kind.startswith("response.")):
            yield error_chunk(event, self._redact)
        elif kind in _HEADS:
            yield self._start(event)
        else:
            yield event_chunk(event, self._decode_delta(kind, event), logprobs=event.get("logprobs"))

    def _read_event(self, name: str, data: bytes) -> dict[str, Any]:
        try:
            event = decode_json(data)
        except ValueError:
            event = None
        if isinstance(event, dict) and (name or event.get("error") or isinstance(event.get("type"), str)):
            return event
        if name == "error":
            return {"type": "error", "message": data.decode("utf-8", "replace")}
        shown = show_beginning(data, self._redact)
        raise InvalidResponse(f"expected an event of a response, got {shown!r}", phase="stream", body=shown)

    def _start(self, event: dict[str, Any]) -> Chunk:
        """Give the head; the same once more is nothing new."""
        delta = {} if self._started else {"role": "assistant"}
        self._started = True
        return event_chunk(event, delta, **head_of(mapping_of(event.get("response"))))

    def _decode_delta(self, kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
        index, items = _number(event.get("output_index")), self._items
        stem, _, verb = kind.rpartition(".")
        if stem in _TEXTS and verb in ("delta", "done"):
            text, part, whole = _TEXTS[stem]
            number = _number(event.get(part))
            if verb == "delta":
                return items.add(text, index, number, event.get("delta"))
            return items.finish(text, index, number, event.get(whole))
        if kind == "response.output_text.annotation.added":
            return items.annotate(index, _number(event.get("content_index")), event.get("annotation"))
        item = event.get("item")
        if kind == "response.output_item.added" and isinstance(item, dict):
            return items.open(index, item)
        if kind == "response.output_item.done" and isinstance(item, dict):
            delta = items.settle(index, item)
            return {**delta, "items": [item]}
        return {}

    def _end(self, event: dict[str, Any], kind: str) -> Chunk:
        """Give the end: what no event before has told, how it ended, and the usage."""
        response = mapping_of(event.get("response"))
        status = kind.rpartition(".")[2]
        delta, choice = read_ending({**response, "status": status}, self._items, self._limit_tokens, self._redact)
        self.ended = True
        shown = self._redact(event) if "error" in choice else event
        return event_chunk(shown, {"role": "assistant", **delta}, choice, **head_of(response), **usage_of(response))


class ResponsesCodec:
    """The format of the Responses API; see `base.Codec`.

    An answer of `limit_tokens` counts as truncated: for servers that do not say so.
    """

    name = "responses"
    media = RESPONSES

    def __init__(self, *, limit_tokens: int | None = None) -> None:
        self._limit_tokens = limit_tokens

    def path(self, request: Request) -> str:
        """Give the path below the base URL."""
        return "/responses"

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give no headers: the format wants none of its own."""
        return {}

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, less what the server has refused."""
        self.media.check(request)
        return encode_request(request, learned, origin)

    def decoder(self, request: Request, redact: Redact, check_time: Callable[[], object]) -> ResponseDecoder:
        """Give the decoder of one streamed answer."""
        limit = request.limits.answer_bytes
        return ResponseDecoder(redact, limit, limit_tokens=self._limit_tokens, check_time=check_time)

    def decode_answer(self, body: bytes, redact: Redact) -> Chunk:
        """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
        return decode_response(body, redact, self._limit_tokens)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        """Read the answer to a request that was refused."""
        return read_refusal(headers, body)

    def learn(self, status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
        """Give what a refusal teaches that was not known when the request was encoded."""
        return learn(status, refusal, request, learned)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
