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
    from declarai_like.testing._kept_responses import KeptResponses

__all__ = ["check_state", "play"]

_FORMATS: dict[str, Format] = {
    "/responses": ResponsesFormat(),
    "/messages": AnthropicFormat(),
    ":generateContent": GoogleFormat(),
    ":streamGenerateContent": GoogleFormat(),
}


def play(scripted: Any, request: RecordedRequest, kept: KeptResponses, *, signs: bool) -> Reply:
    """Spell a scripted reply, or a plain value, in the format of a request.

    With `signs` each reply has the opaque state that a strict server wants back; else only one that thinks has it. A
    response that is to be kept is kept.
    """
    told = scripted if isinstance(scripted, ScriptedReply) else ScriptedReply(value=scripted)
    form, spoken, delay = _format_of(request), told.to_wire(Request(model="")), told.delay or 0.0
    body = kept.expand(request.body or {})
    calls = [(name, arguments) for name, arguments, _ in spoken.tool_calls]
    signs = signs or (bool(spoken.reasoning) and not isinstance(form, ChatFormat))
    signature = signature_of("".join(spoken.content), calls) if signs else None
    if isinstance(form, ResponsesFormat) and not told.breaks:
        kept.keep(body, form.whole(spoken, body, signature))
    if _streams(request):
        writes = tuple(form.writes(spoken, body, signature))
        end: Any = "drop" if told.breaks else "clean"
        return bytes_reply(writes, end=end, delay_before=delay, pause_between=delay)
    if told.breaks:
        return Reply(end="reset", delay_before=delay)
    return json_reply(form.whole(spoken, body, signature), delay_before=delay)


def check_state(request: RecordedRequest, kept: KeptResponses) -> Reply | None:
    """Give the refusal of a request whose replies came back without their state, as its vendor would; or nothing."""
    form, body = _format_of(request), request.body or {}
    if isinstance(form, ResponsesFormat):
        refused, body = kept.refuse(body), kept.expand(body)
        if refused is not None:
            return json_reply(refused, status=400)
    for number, turn in enumerate(form.turns(body)):
        if turn.state != signature_of(turn.text, turn.calls):
            return json_reply(form.refusal(number), status=400)
    return None


def _format_of(request: RecordedRequest) -> Format:
    path = request.path.partition("?")[0]
    return next((form for ending, form in _FORMATS.items() if path.endswith(ending)), _CHAT)


_CHAT = ChatFormat()


def _streams(request: RecordedRequest) -> bool:
    return ":streamGenerateContent" in request.path or bool((request.body or {}).get("stream"))
