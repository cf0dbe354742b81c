"""Google's `generateContent`: the events of a stream, and whole answers, to chunks in the chat format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jiter import from_json

from declarai_like._values.buffers import VendorChunk
from declarai_like._values.outcomes import finish_reason_of
from declarai_like._wire.codecs.event_stream import StreamDecoder
from declarai_like._wire.codecs.google_facts import annotations_of, chat_logprobs, chat_usage, spell_error
from declarai_like._wire.codecs.google_parts import Parts
from declarai_like._wire.codecs.google_refusals import learn, read_refusal
from declarai_like._wire.codecs.google_requests import encode_request
from declarai_like._wire.codecs.json_text import BOM, decode_json, show_beginning
from declarai_like._wire.codecs.media_tables import GOOGLE
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from declarai_like._wire.accumulator import Chunk
    from declarai_like._wire.codecs.base import Learned, Origin, Redact, Refusal
    from declarai_like.requests import Request

__all__ = ["GenerationDecoder", "GoogleCodec", "decode_generation"]

_LF, _CR = b"\n\r"  # a byte is found faster by its number
_OF_ANSWERS = frozenset({"candidates", "promptFeedback", "usageMetadata", "responseId", "modelVersion"})
_WITH_INDEX = 2
"""How many fields a candidate has that is told with its index."""
_new = VendorChunk.__new__


class GenerationDecoder(StreamDecoder):
    """The chunks of one streamed answer; `choices` is how many candidates were asked for."""

    __slots__ = ("_candidates", "_choices", "_finished", "_text", "_untold")

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
        self._candidates: dict[int, Parts] = {}
        self._text: dict[str, int] | None = None
        """The length of the text that the only candidate goes on with, while it does."""
        self._finished: set[int] = set()
        self._untold: dict[str, Any] | None = None
        """The last event whose usage has not been told: it is on every event, and only the last one counts."""

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            self.refuse_size()
        # Nearly all reads are one event with a piece of text: two searches prove it.
        text = self._text
        if text is not None and read[:7] == b"data: {" and self._events.idle:
            data = read[6:-4] if read[-4:] == b"\r\n\r\n" else read[6:-2] if read[-2:] == b"\n\n" else b"\n"
            if _LF not in data and _CR not in data and (chunk := self._read_text(text, data)) is not None:
                return (chunk,)
        return self._feed_any(read)

    def _read_text(self, text: dict[str, int], data: bytes) -> Chunk | None:
        """Give the chunk of an event that goes on with the text alone; `None` for any other event."""
        try:
            event = from_json(data)
            (candidate,) = event["candidates"]
            (part,) = candidate["content"]["parts"]
            piece = part["text"]
            if (
                not piece
                or type(piece) is not str
                or len(part) > 1
                or "error" in event
                or (len(candidate) > 1 and (len(candidate) > _WITH_INDEX or candidate["index"] != 0))
            ):
                return None
        except (KeyError, TypeError, ValueError):
            return None
        text["characters"] += len(piece)
        self._untold = event
        chunk: VendorChunk = _new(VendorChunk)
        chunk["choices"] = [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]
        chunk.sent = event
        return chunk

    def decode_document(self, body: bytes) -> Chunk:
        """Read the JSON document that came in the place of events; raises `InvalidResponse` if it is no answer."""
        return decode_generation(body, self._redact)

    def decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        """Give the chunks of an event; the format has none that says that the answer is whole."""
        text = self._text
        if text is not None and not name and (chunk := self._read_text(text, data)) is not None:
            yield chunk
            return
        if data.startswith(DONE_DATA):  # of gateways: the end of a candidate is its own
            return
        for event in self._read_events(name, data):
            yield spell_error(event, self._redact) if "error" in event else self._read(event)

    def close(self) -> Iterator[Chunk]:
        """Give what the end of the bytes completes, and the usage that no chunk has told."""
        yield from super().close()
        if self._untold is not None:
            event, self._untold = self._untold, None
            if usage := chat_usage(event.get("usageMetadata")):
                yield VendorChunk({"choices": [], "usage": usage}, event)

    def _read_events(self, name: str, data: bytes) -> list[dict[str, Any]]:
        try:
            told = decode_json(data)
        except ValueError:
            told = data.decode("utf-8", "replace")
        events = [event for event in (told if isinstance(told, list) else [told]) if isinstance(event, dict)]
        if name == "error" and not any("error" in event for event in events):
            return [{"error": told}]
        if events or told == []:
            return events
        shown = show_beginning(data, self._redact)
        raise InvalidResponse(f"expected an event of Google's, got {shown!r}", phase="stream", body=shown)

    def _read(self, event: dict[str, Any]) -> Chunk:
        choices = [self._choice(index, candidate, event) for index, candidate in _candidates(event)]
        choices += _blocked(event)
        self._finished |= {choice["index"] for choice in choices if choice["finish_reason"]}
        self.ended = len(self._finished) >= self._choices
        alone = len(self._candidates) == 1 and not self._finished and self._choices == 1
        self._text = self._candidates[0].open_text if alone and 0 in self._candidates else None
        self._untold = None
        return VendorChunk({**_head(event), "choices": choices}, event)

    def _choice(self, index: int, candidate: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        parts = self._candidates.get(index)
        delta: dict[str, Any] = {}
        if parts is None:
            parts = self._candidates[index] = Parts(_prefix(event, index))
            delta["role"] = "assistant"
        return _choice(index, candidate, parts, delta)


class GoogleCodec:
    """The format of Google's `generateContent`; see `base.Codec`."""

    name = "google"
    media = GOOGLE

    def path(self, request: Request) -> str:
        """Give the path below the base URL: the model stands in it, and whether the answer is streamed."""
        model = request.model if "/" in request.model else f"models/{request.model}"
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        return f"/v1beta/{quote(model, safe='/@.-_')}:{method}"

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give no headers: the format wants none of its own."""
        return {}

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, less what the server has refused."""
        self.media.check(request)
        return encode_request(request, learned, origin)

    def decoder(self, request: Request, redact: Redact, check_time: Callable[[], object]) -> GenerationDecoder:
        """Give the decoder of one streamed answer."""
        limit, choices = request.limits.answer_bytes, request.params.get("n") or 1
        return GenerationDecoder(redact, limit, choices=choices, check_time=check_time)

    def decode_answer(self, body: bytes, redact: Redact) -> Chunk:
        """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
        return decode_generation(body, redact)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        """Read the answer to a request that was refused."""
        return read_refusal(headers, body)

    def learn(self, status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
        """Give what a refusal teaches that was not known when the request was encoded."""
        return learn(status, refusal, request, learned)


def decode_generation(body: bytes, redact: Redact) -> Chunk:
    """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none.

    A list of the answer's pieces, as a stream is without `alt=sse`, is read too, as are errors in a list.
    """
    try:
        told = decode_json(body.strip().removeprefix(BOM))
    except ValueError:
        told = None
    pieces = [piece for piece in (told if isinstance(told, list) else [told]) if isinstance(piece, dict)]
    for piece in pieces:
        if "error" in piece:
            return spell_error(piece, redact)
    if not any(_OF_ANSWERS & piece.keys() for piece in pieces):
        shown = show_beginning(body, redact)
        raise InvalidResponse(f"expected an answer in Google's format, got {shown!r}", body=shown)
    answer = pieces[0] if len(pieces) == 1 else _join(pieces)
    return VendorChunk({**_head(answer), "object": "chat.completion", "choices": _messages(answer)}, answer)


def _messages(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the choices of a whole answer."""
    choices = []
    for index, candidate in _candidates(answer):
        choice = _choice(index, candidate, Parts(_prefix(answer, index)), {"role": "assistant", "content": ""})
        choice["message"] = choice.pop("delta")
        choice["message"]["tool_calls"] = _join_calls(choice["message"].get("tool_calls", ()))
        choices.append(choice)
    blocked = [{"index": 0, "message": each.pop("delta"), **each} for each in _blocked(answer)]
    return choices + blocked


def _choice(index: int, candidate: Mapping[str, Any], parts: Parts, delta: dict[str, Any]) -> dict[str, Any]:
    """Spell what an event says of a candidate, added to `delta`."""
    content = candidate.get("content")
    told = content.get("parts") if isinstance(content, dict) else None
    for part in told if isinstance(told, list) else ():
        if isinstance(part, dict):
            _extend(delta, parts.add(part))
    if annotations := annotations_of(candidate):
        delta["annotations"] = annotations
    choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
    if logprobs := chat_logprobs(candidate.get("logprobsResult")):
        choice["logprobs"] = logprobs
    reason = finish_reason_of(candidate.get("finishReason"))
    if reason is not None:
        _end(choice, candidate, parts, reason)
    return choice


def _end(choice: dict[str, Any], candidate: Mapping[str, Any], parts: Parts, reason: str) -> None:
    """Add the end of a candidate to its choice: a call that is still open makes the answer a cut one."""
    choice["finish_reason"] = reason
    delta = choice["delta"]
    if isinstance(candidate.get("finishMessage"), str):
        choice["finish_message"] = candidate["finishMessage"]
    if cut := parts.close_call():
        _extend(delta, {"tool_calls": cut})
        if reason == "STOP":
            choice["outcome"] = "truncated"
    if (state := parts.state()) is not None:
        delta["state"] = state


def _blocked(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the choice that says that the prompt was blocked; none if it was not."""
    feedback = event.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not reason or event.get("candidates"):
        return []
    told = finish_reason_of(reason) or "BLOCKED"
    return [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": told, "outcome": "filtered"}]


def _head(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an event says of the answer as a whole."""
    usage = chat_usage(event.get("usageMetadata"))
    head = {"id": event.get("responseId"), "model": event.get("modelVersion")}
    return {**head, "usage": usage} if usage else head


def _prefix(event: Mapping[str, Any], index: int) -> str:
    """Give how the ids begin that are made for a candidate's calls; no two answers of a conversation share them."""
    told = event.get("responseId")
    parts = [told if isinstance(told, str) else "", str(index or "")]
    return "_".join(["call", *filter(None, parts), ""])


def _candidates(event: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Give the candidates with their index; it is left out where it is 0."""
    candidates = event.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        if isinstance(candidate, dict):
            index = candidate.get("index", 0)
            yield (index if isinstance(index, int) else 0), candidate


def _extend(told: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what a part says to what those before it have said: texts and lists go on."""
    for name, value in more.items():
        told[name] = told[name] + value if name in told else value


def _join(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one answer of its pieces."""
    joined: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        for index, candidate in _candidates(piece):
            content, known = candidate.get("content"), joined.get(index, {"content": {"parts": []}})
            parts = content.get("parts") if isinstance(content, dict) else None
            parts = [*known["content"]["parts"], *(parts if isinstance(parts, list) else ())]
            joined[index] = {**known, **candidate, "content": {"parts": parts}}
    answer: dict[str, Any] = {}
    for piece in pieces:
        answer |= piece
    return {**answer, "candidates": [joined[index] for index in sorted(joined)]}


def _join_calls(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make one entry of all that tell of the same call."""
    calls: dict[int, dict[str, Any]] = {}
    for entry in entries:
        function = entry["function"]
        call = calls.setdefault(entry["index"], {**entry, "function": {**function, "arguments": ""}})
        call["function"]["arguments"] += function["arguments"]
    return list(calls.values())
