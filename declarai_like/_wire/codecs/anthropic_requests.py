"""Requests in Anthropic's Messages format: the parameters, the tools, and the form of a typed answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.anthropic_blocks import ANSWER_TOOL
from declarai_like._wire.codecs.anthropic_messages import encode_messages
from declarai_like._wire.codecs.lessons import knows, schema_key
from declarai_like.errors import DefinitionError
from declarai_like.requests import Prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.codecs.base import Learned, Origin
    from declarai_like.requests import Cache, Request

__all__ = ["ANSWER", "FORMAT", "STRICT", "choose_format", "encode_request"]

FORMAT = "output_config.format"
STRICT = "strict tool"
ANSWER = "tool_choice"
"""The forms in which a typed answer is asked for, one after the other; the last one is to say it in words."""

_MOST_TOKENS = 8192
_RENAMED = {"max_completion_tokens": "max_tokens", "stop": "stop_sequences", "reasoning_effort": "effort"}
_UNKNOWN = frozenset(
    {"seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "audio", "modalities"}
)
"""Parameters of chat completions that the format cannot say."""
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def encode_request(request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
    """Give the body of a request, less what the server has refused.

    Raises `DefinitionError` for what the format cannot say.
    """
    if request.kind != "chat":
        raise DefinitionError("Anthropic's format has no text completions: send messages")
    body: dict[str, Any] = {"model": request.model, "max_tokens": _MOST_TOKENS, **_encode_params(request.params)}
    system, body["messages"] = encode_messages(request.messages, origin)
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_encode_tool(tool) for tool in request.tools]
    elif body.get("tool_choice", {}).get("type") in {"auto", "none"}:
        del body["tool_choice"]  # refused where there is nothing to choose from
    _ask_for_type(body, request, choose_format(request, learned))
    _ask_for_cache(body, request.cache)
    if request.stream:
        body["stream"] = True
    return body


def _encode_params(params: Mapping[str, Any]) -> dict[str, Any]:
    told = {_RENAMED.get(name, name): value for name, value in params.items() if value is not None}
    told.pop("stream_options", None)  # the usage always comes
    unknown = sorted(_UNKNOWN & told.keys())
    if unknown or told.pop("n", 1) != 1:
        raise DefinitionError(
            f"Anthropic's format has no {', '.join(unknown) or 'n'}: leave it out, "
            "or give it by extra_body= if this server knows it"
        )
    if isinstance(told.get("stop_sequences"), str):
        told["stop_sequences"] = [told["stop_sequences"]]
    if "user" in told:
        told["metadata"] = {"user_id": told.pop("user"), **told.get("metadata", {})}
    if "effort" in told:
        told["output_config"] = {**told.get("output_config", {}), "effort": told.pop("effort")}
    _encode_choice(told)
    return told


def _encode_choice(told: dict[str, Any]) -> None:
    """Spell which tools may be called, and whether several at once."""
    choice, parallel = told.pop("tool_choice", None), told.pop("parallel_tool_calls", True)
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise DefinitionError(f"tool_choice: expected 'auto', 'none', 'required' or a tool, got {choice!r:.80}")
        choice = {"type": _CHOICES[choice]}
    elif isinstance(choice, dict) and choice.get("type") == "function":
        choice = {"type": "tool", "name": choice["function"]["name"]}
    if parallel is False:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice = {**choice, "disable_parallel_tool_use": True}
    if choice is not None:
        told["tool_choice"] = choice


def _encode_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Spell a function as a tool; tools in the vendor's own form are sent as they are."""
    function = tool.get("function")
    if not isinstance(function, dict):
        spelled = dict(tool)
    else:
        rest = {name: value for name, value in tool.items() if name not in {"type", "function"}}
        spelled = {"name": function.get("name"), **rest}
        if function.get("description"):
            spelled["description"] = function["description"]
        spelled["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
        if function.get("strict"):
            spelled["strict"] = True
    if str(spelled.get("name")).startswith(ANSWER_TOOL):
        raise DefinitionError(f"the name of the tool {spelled['name']!r:.80} begins with {ANSWER_TOOL!r}: rename it")
    return spelled


def choose_format(request: Request, learned: Learned) -> str | None:
    """Give the form in which a typed answer is asked for: the first that is not refused; `None` is words alone."""
    told = request.response_format
    if told is None:
        return None
    if told.get("type") != "json_schema":
        raise DefinitionError(
            f"Anthropic's format has no {told.get('type')!r:.40} answers: ask with output='json_schema', or 'auto'"
        )
    is_strict = bool(told["json_schema"].get("strict"))
    is_refused = knows(learned, request.model, FORMAT, schema_key(told))
    if request.fixed_format or (is_strict and not is_refused):
        return FORMAT
    if _thinks(request.params) or knows(learned, request.model, ANSWER) or not _may_answer(request):
        return None
    return STRICT if is_strict and not knows(learned, request.model, STRICT) else ANSWER


def _thinks(params: Mapping[str, Any]) -> bool:
    """Say whether the model is to think first: no tool can be forced then."""
    thinking = params.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


def _may_answer(request: Request) -> bool:
    """Say whether the model may answer, and need not call one of the task's own tools."""
    return not request.tools or request.params.get("tool_choice") in ("auto", "none", None)


def _ask_for_type(body: dict[str, Any], request: Request, form: str | None) -> None:
    """Put the form of a typed answer into the body."""
    if form is None or request.response_format is None:
        return
    told = request.response_format["json_schema"]
    if form == FORMAT:
        body["output_config"] = {
            **body.get("output_config", {}),
            "format": {"type": "json_schema", "schema": told["schema"]},
        }
        return
    tool = {
        "name": f"{ANSWER_TOOL}{told['name']}"[:64],
        "description": "Give the answer: what is asked for goes into the arguments.",
        "input_schema": told["schema"],
    }
    if form == STRICT:
        tool["strict"] = True
    choosing = request.tools and request.params.get("tool_choice") != "none"
    body["tools"] = [*body.get("tools", ()), tool]
    body["tool_choice"] = {"type": "any"} if choosing else {"type": "tool", "name": tool["name"]}


def _ask_for_cache(body: dict[str, Any], cache: Cache | None) -> None:
    """Say what is to be cached: by the provider's choice, or the tools and the system prompt."""
    if cache == "auto":
        body.setdefault("cache_control", {"type": "ephemeral"})
    elif isinstance(cache, Prefix):
        mark = {"type": "ephemeral", "ttl": cache.ttl}
        for name in ("tools", "system"):
            if body.get(name):
                *others, last = body[name]
                body[name] = [*others, {**last, "cache_control": mark}]
