"""The bytes of an answer to chunks: server-sent events whose data is JSON in the OpenAI format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._values.outcomes import finish_reason_of
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.codecs.base import Lesson
from declarai_like._wire.codecs.chat_messages import encode_messages
from declarai_like._wire.codecs.event_stream import StreamDecoder
from declarai_like._wire.codecs.json_text import BOM, decode_json, show_beginning
from declarai_like._wire.codecs.lessons import CHAT, TEACHING, knows, learn_format, learn_option, schema_key
from declarai_like._wire.codecs.media_tables import CHAT as CHAT_MEDIA
from declarai_like._wire.codecs.refusals import read_refusal
from declarai_like._wire.deltas import choices_of
from declarai_like._wire.provider_errors import error_in_choice, error_of, is_error_document, is_plain, redact_error
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from declarai_like._wire.codecs.base import Learned, Origin, Redact, Refusal
    from declarai_like.requests import Request

_MISPLACED = frozenset({400, 404})
_PATHS = {"chat": "/chat/completions", "completion": "/completions"}
_LF, _CR = b"\n\r"  # a byte is found faster by its number
_IS_ERROR_EVENT = re.compile("error|exception|fail", re.IGNORECASE).search


class ChunkDecoder(StreamDecoder):
    """The chunks of a streamed chat completion; `choices` is how many were asked for."""

    __slots__ = ("_choices", "_finished")

    def __init__(
        self,
        redact: Redact = lambda value: value,
        limit: int | None = None,
        *,
        choices: int = 1,
        check_time: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(redact, limit, check_time=check_time)
        self._choices = choices
        self._finished: set[int] = set()

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            self.refuse_size()
        # The way nearly all servers write: one read is one event of one line. Two searches prove it, and what JSON
        # there may be that is not so simple (bad UTF-8) fails to parse and goes the long way.
        data = read[6:-2]
        if (
            read[:7] == b"data: {"
            and read[-2:] == b"\n\n"
            and self._events.idle
            and _LF not in data
            and _CR not in data
        ):
            try:
                chunk: Chunk = from_json(data)
                (choice,) = chunk["choices"]
                if (
                    choice["finish_reason"] is None
                    and "error" not in choice
                    and "error" not in chunk
                    and chunk.get("object") != "error"
                ):
                    self._sniffing = False
                    return (chunk,)
            except (KeyError, TypeError, ValueError):
                pass
        return self._feed_any(read)

    def decode_document(self, body: bytes) -> Chunk:
        """Read the JSON document that came in the place of events; raises `InvalidResponse` if it is no answer."""
        return decode_answer(body, self._redact)

    def decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        """Give the chunks of an event, `DONE` if it says that the answer is whole."""
        if _IS_ERROR_EVENT(name):
            yield self._redact(_error_chunk(data))
            return
        for value in _values(data, self._redact):
            if value is DONE:
                yield DONE
            elif isinstance(value, dict) and (name in ("", "message") or "choices" in value or "error" in value):
                yield self._note(value)

    def _note(self, chunk: Chunk) -> Chunk:
        """Note the choices that end with a chunk; give it without secrets where it is no part of an answer."""
        if is_plain(chunk):
            return chunk
        if _is_error(chunk):
            return redact_error(chunk, self._redact)
        for index, choice in choices_of(chunk):
            if finish_reason_of(choice.get("finish_reason")):
                self._finished.add(index)
                self.ended = len(self._finished) >= self._choices
        return chunk


class ChatCodec:
    """The format of chat completions, and of the text completions before them; see `base.Codec`.

    `may_switch` says that a model that is refused here may be asked by the Responses API.
    """

    name = "chat"
    media = CHAT_MEDIA

    def __init__(self, *, may_switch: bool = True) -> None:
        self._may_switch = may_switch

    def path(self, request: Request) -> str:
        """Give the path below the base URL."""
        return _PATHS[request.kind]

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give no headers: the format wants none of its own."""
        return {}

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, less what the server has refused."""
        self.media.check(request)
        body: dict[str, Any] = {"model": request.model, **request.params}
        if request.kind == "chat":
            body["messages"] = encode_messages(request.messages, origin)
        else:
            body["prompt"] = request.prompt
        if request.tools:
            body["tools"] = list(request.tools)
        if (response_format := _choose_format(request, learned)) is not None:
            body["response_format"] = response_format
        if request.stream:
            body["stream"] = True
            if not knows(learned, request.model, "stream_options"):
                body.setdefault("stream_options", {"include_usage": True})
        if knows(learned, request.model, "stream_options"):
            body.pop("stream_options", None)
        return body

    def decoder(self, request: Request, redact: Redact, check_time: Callable[[], object]) -> ChunkDecoder:
        """Give the decoder of one streamed answer."""
        limit, choices = request.limits.answer_bytes, request.params.get("n") or 1
        return ChunkDecoder(redact, limit, choices=choices, check_time=check_time)

    def decode_answer(self, body: bytes, redact: Redact) -> Chunk:
        """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
        return decode_answer(body, redact)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        """Read the answer to a request that was refused."""
        return read_refusal(headers, body)

    def learn(self, status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
        """Give what a refusal teaches that was not known when the request was encoded."""
        if status not in TEACHING:
            return frozenset()
        if self._may_switch and _is_responses_only(status, refusal):
            return frozenset({Lesson(request.model, CHAT)})
        lessons: Learned = frozenset()
        if request.stream and not knows(learned, request.model, "stream_options"):
            lessons = learn_option(refusal, request.model, "stream_options")
        form = (_choose_format(request, learned) or {}).get("type")
        if not lessons and isinstance(form, str) and not request.fixed_format:
            lessons = learn_format(refusal, request, form)
        return lessons


def _is_responses_only(status: int, refusal: Refusal) -> bool:
    """Say whether a refusal names the Responses API as the way to ask this model."""
    words = refusal.message.lower()
    return status in _MISPLACED and "v1/responses" in words


def _choose_format(request: Request, learned: Learned) -> Mapping[str, Any] | None:
    """Give the form in which a typed answer is asked for: the declared one, or the next that is not refused."""
    told = request.response_format
    if told is None or request.fixed_format or not learned:
        return told
    form = told.get("type")
    if form == "json_schema" and knows(learned, request.model, form, schema_key(told)):
        told, form = {"type": "json_object"}, "json_object"
    return None if form == "json_object" and knows(learned, request.model, form) else told


def decode_answer(body: bytes, redact: Redact) -> Chunk:
    """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
    try:
        answer = decode_json(body.removeprefix(BOM))
    except ValueError:
        answer = None
    answers = [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else [answer]
    for one in answers:  # Gemini tells its errors in a list
        if isinstance(one, dict) and (one.get("choices") or is_error_document(one)):
            return redact_error(one, redact) if _is_error(one) else one
    shown = show_beginning(body, redact)
    raise InvalidResponse(f"expected a completion in the OpenAI format, got {shown!r}", body=shown)


def _is_error(chunk: Chunk) -> bool:
    """Say whether a chunk is an error, has one, or is no part of an answer at all."""
    return not choices_of(chunk) or error_of(chunk) is not None or error_in_choice(chunk) is not None


def _values(data: bytes, redact: Redact) -> Iterator[Any]:
    """Read the data of an event; raises `InvalidResponse` for the part that is not JSON."""
    for part in _parts(data):
        value = DONE if part.startswith(DONE_DATA) else _value(part, redact)
        if isinstance(value, list):  # Gemini tells its errors in a list
            yield from value
        else:
            yield value


def _value(data: bytes, redact: Redact) -> Any:
    try:
        return decode_json(data)
    except ValueError:
        shown = show_beginning(data, redact)
        raise InvalidResponse(f"expected a chunk of JSON, got {shown!r}", phase="stream", body=shown) from None


def _parts(data: bytes) -> list[bytes]:
    """Tell apart events that a server has parted by one newline only: lines that are no JSON together."""
    lines = [line for line in data.split(b"\n") if line]
    if len(lines) > 1:
        try:
            decode_json(data)
        except ValueError:
            return lines
    return [data]


def _error_chunk(data: bytes) -> Chunk:
    """Spell an error event as the chunk that says it."""
    try:
        error = decode_json(data)
    except ValueError:
        error = data.decode("utf-8", "replace")
    if isinstance(error, dict) and error.get("error"):
        return error
    return {"error": error or {"message": "the provider reported an error without a word"}}
