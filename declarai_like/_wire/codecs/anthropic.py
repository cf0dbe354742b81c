"""Anthropic's Messages: the events of a stream, and whole messages, to chunks in the chat format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._values.buffers import VendorChunk
from declarai_like._values.outcomes import ending_of, finish_reason_of
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.codecs.anthropic_blocks import Blocks
from declarai_like._wire.codecs.anthropic_refusals import learn, read_refusal
from declarai_like._wire.codecs.anthropic_requests import encode_request
from declarai_like._wire.codecs.event_stream import StreamDecoder
from declarai_like._wire.codecs.json_text import BOM, decode_json, show_beginning
from declarai_like._wire.codecs.media_tables import ANTHROPIC
from declarai_like._wire.deltas import text_of
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like.errors import InvalidResponse
from declarai_like.media._parts import media_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from declarai_like._wire.codecs.base import Learned, Origin, Redact, Refusal
    from declarai_like.requests import Request

__all__ = ["AnthropicCodec", "MessageDecoder"]

_new = VendorChunk.__new__
_VERSION = "2023-06-01"
_FILES = "files-api-2025-04-14"
_DELTA_EVENT = b"event: content_block_delta\ndata: "
_BEGIN = len(_DELTA_EVENT)
_LF, _CR = b"\n\r"  # a byte is found faster by its number
_NO_WORDS = "the model declined to answer and gave no explanation"
_STATUSES = {"billing_error": 402, "request_too_large": 413, "timeout_error": 504}
"""What error types mean whose words do not say so."""


class MessageDecoder(StreamDecoder):
    """The chunks of one streamed message."""

    __slots__ = ("_blocks", "_id", "_started", "_stop", "_usage")

    def __init__(
        self,
        redact: Redact = lambda value: value,
        limit: int | None = None,
        *,
        check_time: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(redact, limit, check_time=check_time)
        self._blocks = Blocks()
        self._id: Any = None
        self._started = False
        self._stop: dict[str, Any] = {}
        """What has been told of the end, by a message's head."""
        self._usage: dict[str, Any] = {}

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            self.refuse_size()
        # Nearly all reads are one event with a piece of text: two searches prove it.
        data = read[_BEGIN:-2]
        if (
            read[:_BEGIN] == _DELTA_EVENT
            and read[-2:] == b"\n\n"
            and self._events.idle
            and _LF not in data
            and _CR not in data
        ):
            try:
                event = from_json(data)
                delta = event["delta"]
                text = delta["text"]
                block = self._blocks.text(event["index"])
                if (
                    block is not None
                    and isinstance(text, str)
                    and delta["type"] == "text_delta"
                    and event["type"] == "content_block_delta"
                ):
                    block.add("text_delta", "text", text)
                    chunk: VendorChunk = _new(VendorChunk)
                    chunk["choices"] = [{"index": 0, "delta": {"content": text}, "finish_reason": None}] if text else []
                    chunk.sent = event
                    return (chunk,)
            except (KeyError, TypeError, ValueError):
                pass  # another event
        return self._feed_any(read)

    def decode_document(self, body: bytes) -> Chunk:
        """Read the JSON document that came in the place of events; raises `InvalidResponse` if it is no message."""
        return decode_message(body, self._redact)

    def decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        """Give the chunks of an event, `DONE` if it says that the answer is whole."""
        if data.startswith(DONE_DATA):  # of gateways; the end of a message is its own
            return
        event = self._read_event(name, data)
        kind = event.get("type", name)
        if name == "error" or kind == "error" or "error" in event:
            yield _error_chunk(event, self._redact)
        elif kind == "message_start":
            yield self._start(event)
        elif kind == "content_block_start":
            yield _chunk(event, self._open(event))
        elif kind == "content_block_delta":
            yield _chunk(event, self._add(event))
        elif kind == "content_block_stop":
            yield _chunk(event, self._blocks.close(_index(event)))
        elif kind == "message_delta":
            yield from self._end(event, {**self._stop, **_ending_of(event.get("delta"))})
        elif kind == "message_stop":
            yield from self._end(event, self._stop, is_last=True)
            yield DONE
        else:
            yield _chunk(event, {})

    def _read_event(self, name: str, data: bytes) -> dict[str, Any]:
        try:
            event = decode_json(data)
        except ValueError:
            event = data.decode("utf-8", "replace") if name == "error" else None
        if isinstance(event, dict) and (name or not event or "error" in event or isinstance(event.get("type"), str)):
            return event
        if name == "error":
            return {"error": {"message": event if isinstance(event, str) else ""}}
        shown = show_beginning(data, self._redact)
        raise InvalidResponse(f"expected an event of a message, got {shown!r}", phase="stream", body=shown)

    def _start(self, event: dict[str, Any]) -> Chunk:
        """Begin the message; the same head once more is nothing new."""
        message = _mapping(event.get("message"))
        if self._started:
            if message.get("id") != self._id:
                raise InvalidResponse(
                    f"expected one message, got another one in its midst: {message.get('id')!r:.80} "
                    f"after {self._id!r:.80}; two answers were mixed up on the way",
                    phase="stream",
                )
            return _chunk(event, {})
        self._started, self._id, self._stop = True, message.get("id"), _ending_of(message)
        delta: dict[str, Any] = {"role": "assistant"}
        for index, block in enumerate(_content(message)):
            _join(delta, self._blocks.open(index, block))
            _join(delta, self._blocks.close(index))
        head = {"id": message.get("id"), "model": message.get("model"), **self._count(message)}
        return _chunk(event, delta, **head)

    def _open(self, event: Mapping[str, Any]) -> dict[str, Any]:
        block = event.get("content_block")
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            return {}
        return self._blocks.open(_index(event), block)

    def _add(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._blocks.add(_index(event), _mapping(event.get("delta")))
        except LookupError:
            raise InvalidResponse(
                f"expected a block to have begun, got a piece of its input: index {event.get('index')!r:.40}",
                phase="stream",
            ) from None

    def _end(self, event: dict[str, Any], stop: Mapping[str, Any], *, is_last: bool = False) -> Iterator[Chunk]:
        """Give the end of the message, once: at the first event that tells it, after what is still open."""
        usage = self._count(event)
        if self.ended or not (is_last or finish_reason_of(stop.get("stop_reason"))):
            yield _chunk(event, {}, **usage)
            return
        for told in self._blocks.close_all():
            yield _chunk(event, told)
        delta, choice = _ending(stop, self._blocks)
        if "paused" in choice and self._usage:
            usage = {"usage": chat_usage(self._usage)}  # of the whole message, whichever event has told it
        self.ended = "finish_reason" in choice
        yield _chunk(event, delta, choice, **usage)

    def _count(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Give the usage with what an event tells of it: its counts are those so far, the last one counts."""
        usage = {name: value for name, value in _mapping(told.get("usage")).items() if value is not None}
        self._usage |= usage
        return {"usage": chat_usage(self._usage)} if usage else {}


class AnthropicCodec:
    """The format of Anthropic's Messages; see `base.Codec`."""

    name = "anthropic"
    media = ANTHROPIC

    def path(self, request: Request) -> str:
        """Give the path below the base URL."""
        return "/v1/messages"

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give the version of the format, and what files that are told by their ids need."""
        has_ids = any(media.file_id is not None for media in media_in(request.messages))
        return {"anthropic-version": _VERSION, **({"anthropic-beta": _FILES} if has_ids else {})}

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, less what the server has refused."""
        self.media.check(request)
        return encode_request(request, learned, origin)

    def decoder(self, request: Request, redact: Redact, check_time: Callable[[], object]) -> MessageDecoder:
        """Give the decoder of one streamed answer."""
        return MessageDecoder(redact, request.limits.answer_bytes, check_time=check_time)

    def decode_answer(self, body: bytes, redact: Redact) -> Chunk:
        """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
        return decode_message(body, redact)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        """Read the answer to a request that was refused."""
        return read_refusal(headers, body)

    def learn(self, status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
        """Give what a refusal teaches that was not known when the request was encoded."""
        return learn(status, refusal, request, learned)


def decode_message(body: bytes, redact: Redact) -> Chunk:
    """Read the JSON document of a whole message; raises `InvalidResponse` if it is none."""
    try:
        message = decode_json(body.strip().removeprefix(BOM))
    except ValueError:
        message = None
    if isinstance(message, dict) and (message.get("type") == "error" or message.get("error")):
        return _error_chunk(message, redact)
    if not isinstance(message, dict) or not isinstance(message.get("content"), (list, str)):
        shown = show_beginning(body, redact)
        raise InvalidResponse(f"expected a message in Anthropic's format, got {shown!r}", body=shown)
    blocks = Blocks()
    told: dict[str, Any] = {"role": "assistant", "content": ""}
    for index, block in enumerate(_content(message)):
        _join(told, blocks.open(index, block))
        _join(told, blocks.close(index))
    delta, choice = _ending(message, blocks)
    told["tool_calls"] = _join_calls(told.get("tool_calls", ()))
    usage = {"usage": chat_usage(message["usage"])} if isinstance(message.get("usage"), dict) else {}
    choice = {"index": 0, "message": {**told, **delta}, "finish_reason": None, **choice}
    head = {"id": message.get("id"), "model": message.get("model"), "object": "chat.completion"}
    return VendorChunk({**head, "choices": [choice], **usage}, message)


def chat_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the counts as chat completions do, beside the vendor's own.

    >>> usage = chat_usage({"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 5})
    >>> usage["prompt_tokens"], usage["total_tokens"], usage["prompt_tokens_details"]
    (10, 15, {'cached_tokens': 7})
    """
    usage = dict(told)
    counted = [told.get(name) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")]
    prompt, output = sum(count for count in counted if isinstance(count, int)), told.get("output_tokens")
    if isinstance(counted[0], int):
        usage["prompt_tokens"] = prompt
    if isinstance(output, int):
        usage["completion_tokens"] = output
        usage["total_tokens"] = prompt + output
    cached = {"cached_tokens": counted[1], "cache_write_tokens": counted[2]}
    if known := {name: count for name, count in cached.items() if count is not None}:
        usage["prompt_tokens_details"] = known
    if (thought := _mapping(told.get("output_tokens_details")).get("thinking_tokens")) is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": thought}
    return usage


def _ending(stop: Mapping[str, Any], blocks: Blocks) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what the end of a message says: its delta, and what stands beside that in the choice."""
    delta: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    reason = finish_reason_of(stop.get("stop_reason"))
    truncated = ending_of(reason) == "truncated"
    if reason is not None:
        choice["finish_reason"] = reason
    if reason == "pause_turn":  # not whole: the server's own tools go on when it is sent back
        choice |= {"outcome": "truncated", "paused": blocks.paused()}
    if reason == "refusal":
        delta["refusal"] = _mapping(stop.get("stop_details")).get("explanation") or _NO_WORDS
    if (state := blocks.state(truncated=truncated)) is not None:
        delta["state"] = state
    return delta, choice


def _error_chunk(event: Mapping[str, Any], redact: Redact) -> Chunk:
    """Spell an error as the chunk that says it."""
    error = event.get("error") or event
    if isinstance(error, dict):
        error = {"code": _STATUSES.get(str(error.get("type"))), **error}
        error["message"] = error.get("message") or "the provider reported an error without a word"
        if "prompt is too long" in str(error["message"]):
            error["code"] = "context_length_exceeded"
    return VendorChunk(redact({"error": error}), redact(event))


def _chunk(event: Any, delta: Mapping[str, Any], choice: Mapping[str, Any] = {}, **head: Any) -> Chunk:
    """Make the chunk of an event; one that brings nothing has no choice."""
    if not delta and not choice:
        return VendorChunk({**head, "choices": []}, event)
    return VendorChunk({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}]}, event)


def _join(told: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what a block says to what those before it have said: texts and lists go on."""
    for name, value in more.items():
        told[name] = told[name] + value if name in told else value


def _join_calls(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make one entry of all that tell of the same call."""
    calls: dict[int, dict[str, Any]] = {}
    for entry in entries:
        function = entry["function"]
        call = calls.setdefault(entry["index"], {**entry, "function": {**function, "arguments": ""}})
        call["function"]["arguments"] += function["arguments"]
    return list(calls.values())


def _content(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the blocks of a message; some servers send a text alone."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": text_of(content)}]
    blocks = content if isinstance(content, list) else ()
    return [block for block in blocks if isinstance(block, dict) and isinstance(block.get("type"), str)]


def _ending_of(told: Any) -> dict[str, Any]:
    """Give what is told of a message's end."""
    names = ("stop_reason", "stop_details")
    return {name: told[name] for name in names if _mapping(told).get(name) is not None}


def _index(event: Mapping[str, Any]) -> Any:
    """Give the block that an event is of; all that name it by what can be no index mean one block."""
    index = event.get("index")
    return index if isinstance(index, int) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
