"""A scripted reply in the format that the request asks for, as the bytes of an HTTP answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.requests import Request
from declarai_like.testing._formats.anthropic import AnthropicFormat
from declarai_like.testing._formats.base import Format, signature_of
from declarai_like.testing._formats.chat import ChatFormat
from declarai_like.testing._formats.google import GoogleFormat
from declarai_like.testing._formats.responses import ResponsesFormat
from declarai_like.testing._scripts import ScriptedReply
from declarai_like.testing._server_replies import Reply, bytes_reply, json_reply

if TYPE_CHECKING:
    from declarai_like.testing._http import RecordedRequest

__all__ = ["check_state", "play"]

_FORMATS: dict[str, Format] = {
    "/responses": ResponsesFormat(),
    "/messages": AnthropicFormat(),
    ":generateContent": GoogleFormat(),
    ":streamGenerateContent": GoogleFormat(),
}


def play(scripted: Any, request: RecordedRequest, *, signs: bool) -> Reply:
    """Spell a scripted reply, or a plain value, in the format of a request.

    With `signs` each reply has the opaque state that a strict server wants back; else only one that thinks has it.
    """
    told = scripted if isinstance(scripted, ScriptedReply) else ScriptedReply(value=scripted)
    spoken, body, delay = told.to_wire(Request(model="")), request.body or {}, told.delay or 0.0
    calls = [(name, arguments) for name, arguments, _ in spoken.tool_calls]
    signs = signs or (bool(spoken.reasoning) and not isinstance(_format_of(request), ChatFormat))
    signature = signature_of("".join(spoken.content), calls) if signs else None
    form = _format_of(request)
    if _streams(request):
        writes = tuple(form.writes(spoken, body, signature))
        end: Any = "drop" if told.breaks else "clean"
        return bytes_reply(writes, end=end, delay_before=delay, pause_between=delay)
    if told.breaks:
        return Reply(end="reset", delay_before=delay)
    return json_reply(form.whole(spoken, body, signature), delay_before=delay)


def check_state(request: RecordedRequest) -> Reply | None:
    """Give the refusal of a request whose replies came back without their state, as its vendor would; or nothing."""
    form = _format_of(request)
    for number, turn in enumerate(form.turns(request.body or {})):
        if turn.state != signature_of(turn.text, turn.calls):
            return json_reply(form.refusal(number), status=400)
    return None


def _format_of(request: RecordedRequest) -> Format:
    path = request.path.partition("?")[0]
    return next((form for ending, form in _FORMATS.items() if path.endswith(ending)), _CHAT)


_CHAT = ChatFormat()


def _streams(request: RecordedRequest) -> bool:
    return ":streamGenerateContent" in request.path or bool((request.body or {}).get("stream"))
