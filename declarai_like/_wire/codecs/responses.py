"""OpenAI's Responses API: the events of a stream, and whole responses, to chunks in the chat format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.codecs.event_stream import StreamDecoder
from declarai_like._wire.codecs.json_text import BOM, decode_json, show_beginning
from declarai_like._wire.codecs.refusals import read_refusal
from declarai_like._wire.codecs.responses_items import OutputItems, join_delta
from declarai_like._wire.codecs.responses_requests import encode_request, learn
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from declarai_like._wire.codecs.base import Learned, Origin, Redact, Refusal
    from declarai_like.requests import Request

__all__ = ["ResponseDecoder", "ResponsesCodec", "decode_response"]

_TEXT_EVENT = b"event: response.output_text.delta\ndata: "
_BEGIN = len(_TEXT_EVENT)
_LF, _CR = b"\n\r"  # a byte is found faster by its number
_HEADS = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_UNFINISHED = frozenset({"queued", "in_progress", "cancelled"})
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
_CUTS = {"content_filter": "filtered"}
_BAD_REQUESTS = ("image_", "invalid_", "empty_image", "failed_to_download_image", "unsupported_image")
_FILTERS = ("policy", "moderation", "content_filter", "safety")


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
                    return (_chunk(event, {"content": text}),)
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
        kind = event.get("type") or name
        if kind in _ENDS:
            yield self._end(event, kind)
            yield DONE
        elif kind in _ERRORS or (event.get("error") and not str(kind).startswith("response.")):
            yield _error_chunk(event, self._redact)
        elif kind in _HEADS:
            yield self._start(event)
        else:
            yield _chunk(event, self._decode_delta(str(kind), event), logprobs=event.get("logprobs"))

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
        return _chunk(event, delta, **_head(_mapping(event.get("response"))))

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
        response = _mapping(event.get("response"))
        status = kind.rpartition(".")[2]
        delta, choice = _ending({**response, "status": status}, self._items, self._limit_tokens, self._redact)
        self.ended = True
        shown = self._redact(event) if "error" in choice else event
        return _chunk(shown, {"role": "assistant", **delta}, choice, **_head(response), **_usage(response))


class ResponsesCodec:
    """The format of the Responses API; see `base.Codec`.

    An answer of `limit_tokens` counts as truncated: for servers that do not say so.
    """

    name = "responses"

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


def decode_response(body: bytes, redact: Redact, limit_tokens: int | None = None) -> Chunk:
    """Read the JSON document of a whole response; raises `InvalidResponse` if it is none."""
    try:
        response = decode_json(body.strip().removeprefix(BOM))
    except ValueError:
        response = None
    if isinstance(response, dict) and not isinstance(response.get("output"), list) and response.get("error"):
        return _error_chunk(response, redact)
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        shown = show_beginning(body, redact)
        raise InvalidResponse(f"expected a response in the Responses format, got {shown!r}", body=shown)
    status = response.get("status") or "completed"
    if status in _UNFINISHED:
        raise InvalidResponse(f"expected a response that has ended, got one whose status is {status!r:.40}")
    items = OutputItems()
    delta, choice = _ending({**response, "status": status}, items, limit_tokens, redact)
    delta["tool_calls"] = _join_calls(delta.get("tool_calls", ()))
    message = {"role": "assistant", "content": "", **delta}
    head = {**_head(response), **_usage(response), "object": "chat.completion"}
    if "error" in choice:
        head["error"] = choice["error"]
    choice = {"index": 0, "message": message, "finish_reason": None, **choice}
    return VendorChunk({**head, "choices": [choice]}, redact(response) if "error" in choice else response)


def _ending(
    response: Mapping[str, Any], items: OutputItems, limit_tokens: int | None, redact: Redact
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what the end of a response says: its delta, and what stands beside that in the choice."""
    delta: dict[str, Any] = {}
    output = response.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            join_delta(delta, items.settle(index, item))
    delta["final_items"] = items.all()
    delta["state"] = {"id": response.get("id"), "items": items.all()}
    if response["status"] == "failed":
        error = _mapping(response.get("error"))
        if _is_filter(error):
            return delta, {"finish_reason": error["code"], "outcome": "filtered"}
        return delta, {"error": redact(_facts_of(error))}
    if response["status"] == "incomplete":
        reason = _mapping(response.get("incomplete_details")).get("reason") or "incomplete"
        return delta, {"finish_reason": reason, "outcome": _CUTS.get(reason, "truncated")}
    if limit_tokens is not None and _mapping(response.get("usage")).get("output_tokens") == limit_tokens:
        return delta, {"finish_reason": "max_output_tokens", "outcome": "truncated"}
    outcome = {"outcome": "calls"} if items.has_calls else {}
    return delta, {"finish_reason": "completed", **outcome}


def chat_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the counts as chat completions do, beside the vendor's own.

    >>> chat_usage({"input_tokens": 3, "output_tokens": 5, "total_tokens": 8})["completion_tokens"]
    5
    """
    usage = dict(told)
    for name, known in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        if isinstance(told.get(known), int):
            usage[name] = told[known]
        if isinstance(details := told.get(f"{known}_details"), dict):
            usage[f"{name}_details"] = details
    return usage


def _usage(response: Mapping[str, Any]) -> dict[str, Any]:
    usage = response.get("usage")
    return {"usage": chat_usage(usage)} if isinstance(usage, dict) else {}


def _head(response: Mapping[str, Any]) -> dict[str, Any]:
    created = response.get("created_at")
    head = {"id": response.get("id"), "model": response.get("model"), "service_tier": response.get("service_tier")}
    return {**head, "created": int(created) if isinstance(created, (int, float)) else None}


def _error_chunk(event: Mapping[str, Any], redact: Redact) -> Chunk:
    """Spell an error event as the chunk that says it; a filter's verdict is an end, and no failure."""
    told = event.get("error") or {name: event.get(name) for name in ("code", "message", "param")}
    error = told if isinstance(told, dict) else {"message": str(told)}
    shown = redact(event)
    if _is_filter(error):
        return _chunk(shown, {"role": "assistant"}, {"finish_reason": error["code"], "outcome": "filtered"})
    return VendorChunk({"error": redact(_facts_of(error))}, shown)


def _is_filter(error: Mapping[str, Any]) -> bool:
    code = error.get("code")
    return isinstance(code, str) and any(word in code for word in _FILTERS)


def _facts_of(error: Mapping[str, Any]) -> dict[str, Any]:
    """Give an error's message, code and type; the type says what the codes of bad requests mean."""
    code, kind = error.get("code") or error.get("type"), error.get("type")
    if str(code).startswith(_BAD_REQUESTS):
        kind = "invalid_request_error"
    return {
        **error,
        "message": error.get("message") or "the response failed without a word",
        "code": code,
        "type": kind,
    }


def _chunk(
    event: Any, delta: Mapping[str, Any], choice: Mapping[str, Any] = {}, *, logprobs: Any = None, **head: Any
) -> Chunk:
    """Make the chunk of an event; one that brings nothing has no choice."""
    if not delta and not choice:
        return VendorChunk({**head, "choices": []}, event)
    told = {"index": 0, "delta": delta, "finish_reason": None, **choice}
    if logprobs:
        told["logprobs"] = {"content": logprobs}
    return VendorChunk({**head, "choices": [told]}, event)


def _join_calls(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make one entry of all that tell of the same call."""
    calls: dict[int, dict[str, Any]] = {}
    for entry in entries:
        if (known := calls.get(entry["index"])) is None:
            calls[entry["index"]] = {**entry, "function": dict(entry["function"])}
        else:
            known["function"]["arguments"] += entry["function"]["arguments"]
    return list(calls.values())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
