"""Requests of the Responses API, and what its refusals teach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.base import Lesson
from declarai_like._wire.codecs.lessons import PREVIOUS, TEACHING, knows, learn_format, learn_option, schema_key
from declarai_like._wire.codecs.responses_messages import encode_input, find_kept
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.codecs.base import Learned, Origin, Refusal
    from declarai_like.requests import Request

__all__ = ["encode_request", "learn"]

_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_NOT_HERE = ("stop", "seed", "logit_bias", "presence_penalty", "frequency_penalty", "functions", "function_call")
_TAKEN = frozenset(
    {
        "n", "logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort", "verbosity", "stream_options",
        "include", "tool_choice", *_NOT_HERE,
    }
)  # fmt: skip
"""Parameters that are spelled otherwise here."""


def encode_request(request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
    """Give the body of a request; raises `DefinitionError` for what the format cannot say."""
    _check(request)
    params = request.params
    body: dict[str, Any] = {"model": request.model}
    body.update((name, value) for name, value in params.items() if name not in _TAKEN and value is not None)
    if request.state == "server":
        stored = _continue(body, request, learned, origin)
    else:
        if not (params.get("background") or params.get("conversation")):
            body.setdefault("store", False)
        stored = body.get("store") is not False
        body["input"] = encode_input(request.messages, origin, stored=stored)
    _rename(body, params)
    _add_include(body, params, asks_encrypted=not stored and not knows(learned, request.model, _ENCRYPTED))
    if request.tools:
        body["tools"] = [_flatten(tool) for tool in request.tools]
    if (choice := params.get("tool_choice")) is not None:
        body["tool_choice"] = _flatten(choice, strict=False) if isinstance(choice, dict) else choice
    if (form := _choose_format(request, learned)) is not None:
        body["text"] = {**(body.get("text") or {}), "format": form}
    if request.stream:
        body["stream"] = True
        _add_stream_options(body, params, origin)
    return body


def _continue(body: dict[str, Any], request: Request, learned: Learned, origin: Origin) -> bool:
    """Ask to go on after the last reply that the provider keeps, with what came after it.

    What is lost is told anew: so thinking is asked for that can be sent back, and nothing counts as known by its id.
    """
    reply_id, known = find_kept(request.messages, origin) or ("", 0)
    if knows(learned, request.model, PREVIOUS, reply_id):
        reply_id, known = "", 0
    body["store"] = True
    if reply_id:
        body["previous_response_id"] = reply_id
    body["input"] = encode_input(request.messages, origin, stored=False, after=known)
    return False


def learn(status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
    """Give what a refusal teaches that was not known when the request was encoded."""
    if status not in TEACHING:
        return frozenset()
    if request.state == "server" and (lessons := _learn_previous(refusal, request, learned)):
        return lessons
    if not knows(learned, request.model, _ENCRYPTED) and _ENCRYPTED not in (request.params.get("include") or ()):
        named = refusal.param == "include" or "encrypted content" in refusal.message.lower()
        lessons = learn_option(refusal._replace(param=_ENCRYPTED) if named else refusal, request.model, _ENCRYPTED)
        if lessons:
            return lessons
    form = (_choose_format(request, learned) or {}).get("type")
    if isinstance(form, str) and not request.fixed_format:
        named = (refusal.param or "").startswith("text")
        return learn_format(refusal._replace(param="response_format") if named else refusal, request, form)
    return frozenset()


def _learn_previous(refusal: Refusal, request: Request, learned: Learned) -> Learned:
    """Give the lesson that a reply is not kept any more; that none is, where the field itself is refused."""
    words = f"{refusal.message} {refusal.code or ''} {refusal.param or ''}".lower()
    if "previous_response" not in words and "previous response" not in words:
        return frozenset()
    found = find_kept(request.messages, getattr(request.provider, "origin", None) or {})
    if found is None or knows(learned, request.model, PREVIOUS, found[0]):
        return frozenset()
    return frozenset({Lesson(request.model, PREVIOUS, found[0] if "not found" in words else "")})


def _check(request: Request) -> None:
    """Raise `DefinitionError` for what only chat completions have, and for two ways to keep one conversation."""
    if request.state == "server":
        _check_state(request)
    told = [name for name in _NOT_HERE if request.params.get(name) is not None]
    if (request.params.get("n") or 1) != 1:
        told.append("n")
    if request.kind == "completion":
        told.append("prompt")
    if told:
        raise DefinitionError(
            f'the Responses API has no {", ".join(map(repr, told))}: leave it out, or give api="chat"'
        )


def _check_state(request: Request) -> None:
    told = {**request.params, **request.extra_body}
    if told.get("store") is False:
        raise DefinitionError("state='server' has the provider keep the conversation, and store=False forbids it")
    others = [name for name in (PREVIOUS, "conversation") if told.get(name) is not None]
    if others:
        raise DefinitionError(f'state="server" keeps the conversation by itself: leave out {", ".join(others)}')


def _rename(body: dict[str, Any], params: Mapping[str, Any]) -> None:
    for name in ("max_completion_tokens", "max_tokens"):
        if params.get(name) is not None:
            body.setdefault("max_output_tokens", params[name])
    if params.get("reasoning_effort") is not None:
        body["reasoning"] = {"effort": params["reasoning_effort"], **(body.get("reasoning") or {})}
    if params.get("verbosity") is not None:
        body["text"] = {"verbosity": params["verbosity"], **(body.get("text") or {})}


def _add_include(body: dict[str, Any], params: Mapping[str, Any], *, asks_encrypted: bool) -> None:
    include = list(params.get("include") or ())
    include += [_ENCRYPTED] if asks_encrypted and _ENCRYPTED not in include else []
    if params.get("logprobs") and _LOGPROBS not in include:
        include.append(_LOGPROBS)
    if include:
        body["include"] = include


def _add_stream_options(body: dict[str, Any], params: Mapping[str, Any], origin: Origin) -> None:
    """Leave out the padding of OpenAI's events, unless it is asked for."""
    told = {name: value for name, value in (params.get("stream_options") or {}).items() if name != "include_usage"}
    if "//api.openai.com" in str(origin.get("base_url")):
        told.setdefault("include_obfuscation", False)
    if told:
        body["stream_options"] = told


def _flatten(tool: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """Spell a tool, or the choice of one, without the nesting of chat completions."""
    kind = tool.get("type")
    inner = tool.get(kind) if kind in ("function", "custom", "allowed_tools") else None
    flat = {"type": kind, **inner} if isinstance(inner, dict) else dict(tool)
    if kind == "function" and strict:
        flat = {"parameters": None, "strict": False, **flat}
    return flat


def _choose_format(request: Request, learned: Learned) -> dict[str, Any] | None:
    """Give the form in which a typed answer is asked for: the declared one, or the next that is not refused."""
    told = request.response_format
    if told is None:
        return None
    form = told.get("type")
    if not request.fixed_format:
        if form == "json_schema" and knows(learned, request.model, form, schema_key(told)):
            form = "json_object"
        if form == "json_object" and knows(learned, request.model, form):
            return None
    if form != "json_schema":
        return {"type": form}
    return {"type": form, **told["json_schema"]}
