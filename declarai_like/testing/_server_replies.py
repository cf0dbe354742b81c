"""What a scripted server answers: a `Reply`, and builders for the shapes of the OpenAI format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Framing: TypeAlias = Literal["chunked", "length", "eof"]
End: TypeAlias = Literal["clean", "no_terminator", "drop", "reset", "hang"]

CREATED = 1_700_000_000
MODEL = "gpt-4o-mini"
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer, byte for byte, with its timing and its end.

    `writes` are the body: each is one TCP write, and one HTTP chunk when `framing` is `"chunked"`
    (`"length"` sends a Content-Length, `"eof"` ends the body by closing the connection).
    The status line and the headers are a write of their own, before the first.

    `delay_before` seconds pass before the status line, `pause_between` between two writes. From
    the write number `gate_after` on (counted from 0) each waits for `gate`: an `Event` lets all of
    them go once it is set, a `Semaphore` one for each release.

    `end` says what follows the last write: `"clean"` ends the body as HTTP demands and keeps the
    connection, `"no_terminator"` closes it without the end of the body, `"drop"` closes it inside
    a chunk, `"reset"` sends a TCP reset, `"hang"` sends nothing more until the client goes.
    """

    writes: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Framing = "chunked"
    end: End = "clean"
    delay_before: float = 0.0
    pause_between: float = 0.0
    gate: threading.Event | threading.Semaphore | None = None
    gate_after: int = 1

    @property
    def body(self) -> bytes:
        """The whole body; does not return for a reply that never ends."""
        return b"".join(self.writes)


def sse(chunk: Mapping[str, Any]) -> bytes:
    """Encode one chunk as a server-sent event."""
    return b"data: " + _dump(chunk) + b"\n\n"


def bytes_reply(
    body: bytes | Iterable[bytes],
    *,
    content_type: str = "text/event-stream",
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Reply:
    """Answer with exactly these bytes; `options` are the other fields of `Reply`."""
    writes = (body,) if isinstance(body, bytes) else body
    return Reply(writes=writes, headers={"Content-Type": content_type, **(headers or {})}, **options)


def json_reply(body: Mapping[str, Any], **options: Any) -> Reply:
    """Answer with one JSON document."""
    return bytes_reply(_dump(body), **{"content_type": "application/json", "framing": "length", **options})


def chunks_reply(chunks: Iterable[Mapping[str, Any]], *, done: bool = True, **options: Any) -> Reply:
    """Stream these chunks as they are, each in a write of its own, then `[DONE]`."""
    return bytes_reply((*map(sse, chunks), *((DONE,) if done else ())), **options)


def text_reply(
    text: str | None,
    *,
    usage: Mapping[str, int] | None = None,
    model: str = MODEL,
    finish_reason: str | None = "stop",
    message: Mapping[str, Any] | None = None,
    **options: Any,
) -> Reply:
    """Answer with a whole chat completion; `message` adds fields to it (`refusal`, `tool_calls`)."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **(message or {})},
        "finish_reason": finish_reason,
    }
    body = _object("chat.completion", "chatcmpl-1", model, [choice])
    return json_reply(_with_usage(body, usage), **options)


def stream_chunks(
    pieces: Iterable[str],
    *,
    usage: Mapping[str, int] | None = None,
    model: str = MODEL,
    finish_reason: str | None = "stop",
    role_chunk: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a streamed chat completion: role, pieces, finish, then usage if given."""
    deltas: Iterable[dict[str, Any]] = ({"content": piece} for piece in pieces)
    if role_chunk:
        deltas = chain(({"role": "assistant", "content": ""},), deltas)
    steps = chain(((delta, None) for delta in deltas), (({}, finish_reason),) if finish_reason is not None else ())
    for delta, reason in steps:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield _object("chat.completion.chunk", "chatcmpl-1", model, [choice])
    if usage is not None:
        yield _with_usage(_object("chat.completion.chunk", "chatcmpl-1", model, []), usage)


def stream_reply(
    pieces: Iterable[str],
    *,
    usage: Mapping[str, int] | None = None,
    model: str = MODEL,
    finish_reason: str | None = "stop",
    role_chunk: bool = True,
    done: bool = True,
    **options: Any,
) -> Reply:
    """Stream a chat completion; `finish_reason=None` leaves its finishing chunk out."""
    chunks = stream_chunks(pieces, usage=usage, model=model, finish_reason=finish_reason, role_chunk=role_chunk)
    return chunks_reply(chunks, done=done, **options)


def completion_reply(
    text: str,
    *,
    usage: Mapping[str, int] | None = None,
    model: str = MODEL,
    finish_reason: str | None = "stop",
    **options: Any,
) -> Reply:
    """Answer with a whole text completion, as `/v1/completions` does."""
    body = _object("text_completion", "cmpl-1", model, [_text_choice(text, finish_reason)])
    return json_reply(_with_usage(body, usage), **options)


def completion_stream_reply(
    pieces: Sequence[str],
    *,
    usage: Mapping[str, int] | None = None,
    model: str = MODEL,
    finish_reason: str | None = "stop",
    done: bool = True,
    **options: Any,
) -> Reply:
    """Stream a text completion; the last piece carries the finish reason, as OpenAI sends it."""
    reasons = chain(repeat(None, len(pieces) - 1), (finish_reason,))
    choices = [[_text_choice(piece, reason)] for piece, reason in zip(pieces, reasons, strict=False)]
    chunks = [_object("text_completion", "cmpl-1", model, choice) for choice in choices]
    if usage is not None:
        chunks.append(_with_usage(_object("text_completion", "cmpl-1", model, []), usage))
    return chunks_reply(chunks, done=done, **options)


def error_reply(
    status: int,
    message: str = "something went wrong",
    *,
    code: str | None = None,
    type: str | None = None,  # noqa: A002 - the wire's own field name
    param: str | None = None,
    **options: Any,
) -> Reply:
    """Answer with an error in OpenAI's form; `headers=` may add `Retry-After`."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return json_reply({"error": error}, status=status, **options)


def stream_error_reply(
    pieces: Iterable[str],
    message: str = "something went wrong",
    *,
    code: str | int | None = None,
    type: str | None = None,  # noqa: A002 - the wire's own field name
    **options: Any,
) -> Reply:
    """Stream some pieces, then an error inside the stream."""
    error = {"error": {"message": message, "type": type, "code": code}}
    return chunks_reply(chain(stream_chunks(pieces, finish_reason=None), (error,)), **{"done": False, **options})


def keep_alive_reply(pieces: Iterable[str] = (), *, interval: float = 0.02, **options: Any) -> Reply:
    """Stream some pieces, then nothing but comments, one each `interval` seconds, for ever."""
    events = tuple(map(sse, stream_chunks(pieces, finish_reason=None, role_chunk=False)))
    return bytes_reply(chain(events, repeat(KEEP_ALIVE)), pause_between=interval, **options)


def _object(kind: str, id: str, model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: A002 - as on the wire
    return {"id": id, "object": kind, "created": CREATED, "model": model, "choices": choices}


def _text_choice(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}


def _with_usage(body: dict[str, Any], usage: Mapping[str, int] | None) -> dict[str, Any]:
    return body if usage is None else {**body, "usage": dict(usage)}


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
