"""Requests in Google's format: the parameters, the tools, and the form of a typed answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.google_contents import encode_contents
from declarai_like._wire.codecs.google_schemas import narrow_schema
from declarai_like._wire.codecs.lessons import knows, schema_key
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.codecs.base import Learned, Origin
    from declarai_like.requests import Request

__all__ = ["FORMS", "JSON", "JSON_SCHEMA", "SCHEMA", "TOOL_SCHEMA", "choose_form", "encode_request"]

JSON_SCHEMA, SCHEMA, JSON = FORMS = ("responseJsonSchema", "responseSchema", "responseMimeType")
"""The forms in which a typed answer is asked for, one after the other; the last one is to say it in words."""
TOOL_SCHEMA = "parametersJsonSchema"
"""How a tool's parameters are told; where that is refused, in the words of the older `parameters`."""

_RENAMED = {
    "max_completion_tokens": "maxOutputTokens",
    "max_tokens": "maxOutputTokens",
    "modalities": "responseModalities",
    "n": "candidateCount",
    "stop": "stopSequences",
    "top_logprobs": "logprobs",
}
_UNKNOWN = frozenset({"audio", "logit_bias", "metadata", "parallel_tool_calls", "prediction", "user"})
"""Parameters of chat completions that the format cannot say."""
_BESIDE = frozenset(
    {"cachedContent", "generationConfig", "labels", "safetySettings", "serviceTier", "store", "toolConfig"}
)
"""Fields of the body itself; all other parameters are a part of `generationConfig`."""
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""What an effort is in tokens, for models before Gemini 3; as Google's own endpoint in OpenAI's format has it."""
_HAS_LEVELS = re.compile(r"gemini-(?:[3-9]|\d\d)")
_WORD_BEGINS = re.compile("_([a-z])")


def encode_request(request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
    """Give the body of a request, less what the server has refused.

    Raises `DefinitionError` for what the format cannot say.
    """
    if request.kind != "chat":
        raise DefinitionError("Google's format has no text completions: send messages")
    body = _encode_params(request.params, request.model)
    system, body["contents"] = encode_contents(request.messages, origin)
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = _encode_tools(request, learned)
    config = {**body.pop("generationConfig", {}), **_ask_for_type(request, choose_form(request, learned))}
    return {**body, "generationConfig": config} if config else body


def _encode_params(params: Mapping[str, Any], model: str) -> dict[str, Any]:
    told = {name: value for name, value in params.items() if value is not None}
    told.pop("stream_options", None)  # the usage always comes
    if told.get("parallel_tool_calls") is True:
        del told["parallel_tool_calls"]  # it is so
    if unknown := sorted(_UNKNOWN & told.keys()):
        raise DefinitionError(
            f"Google's format has no {', '.join(unknown)}: leave it out, "
            "or give it by extra_body= if this server knows it"
        )
    body: dict[str, Any] = {}
    config: dict[str, Any] = {}
    choice, effort = told.pop("tool_choice", None), told.pop("reasoning_effort", None)
    if isinstance(told.get("logprobs"), bool):
        config["responseLogprobs"] = told.pop("logprobs")
    for name, value in told.items():
        spelled = _RENAMED.get(name) or _WORD_BEGINS.sub(lambda begin: begin[1].upper(), name)
        (body if spelled in _BESIDE else config)[spelled] = value
    if isinstance(config.get("stopSequences"), str):
        config["stopSequences"] = [config["stopSequences"]]
    if effort is not None:
        config["thinkingConfig"] = {**_thinking(effort, model), **config.get("thinkingConfig", {})}
    if choice is not None:
        body["toolConfig"] = {**body.get("toolConfig", {}), "functionCallingConfig": _encode_choice(choice)}
    config = {**body.pop("generationConfig", {}), **config}
    if config.get("candidateCount") != told.get("n"):
        raise DefinitionError("candidateCount: give n=, by which the candidates are waited for")
    return {**body, "generationConfig": config} if config else body


def _thinking(effort: str, model: str) -> dict[str, Any]:
    """Spell an effort: as a level for models that have them, else as the tokens that it is."""
    if _HAS_LEVELS.search(model) or effort not in _BUDGETS:
        return {"thinkingLevel": effort}
    return {"thinkingBudget": _BUDGETS[effort]}


def _encode_choice(choice: Any) -> dict[str, Any]:
    """Spell which tools may be called."""
    told: Mapping[str, Any] = choice if isinstance(choice, dict) else {"type": choice}
    kind = str(told.get("type"))
    if kind in _MODES:
        return {"mode": _MODES[kind]}
    if kind == "function":
        return {"mode": "ANY", "allowedFunctionNames": [told["function"]["name"]]}
    if kind == "allowed_tools":
        allowed = told["allowed_tools"]
        names = [tool["function"]["name"] for tool in allowed["tools"]]
        # Of the modes that take names, this is the one that lets the model answer in words.
        mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
        return {"mode": mode, "allowedFunctionNames": names}
    raise DefinitionError(f"tool_choice: expected 'auto', 'none', 'required' or a tool, got {choice!r:.80}")


def _encode_tools(request: Request, learned: Learned) -> list[dict[str, Any]]:
    """Spell the functions as one tool; tools in the vendor's own form are sent as they are."""
    narrow = knows(learned, request.model, TOOL_SCHEMA)
    functions = [
        _encode_function(tool["function"], narrow=narrow)
        for tool in request.tools
        if isinstance(tool.get("function"), dict)
    ]
    own = [dict(tool) for tool in request.tools if not isinstance(tool.get("function"), dict)]
    return [*([{"functionDeclarations": functions}] if functions else ()), *own]


def _encode_function(function: Mapping[str, Any], *, narrow: bool) -> dict[str, Any]:
    spelled: dict[str, Any] = {"name": function.get("name")}
    if function.get("description"):
        spelled["description"] = function["description"]
    parameters = function.get("parameters")
    if not parameters or not (parameters.get("properties") or "$ref" in parameters):
        return spelled  # an object without properties is refused
    if narrow:
        schema = narrow_schema(parameters)
        if schema is None:
            raise DefinitionError(
                f"the server knows no {TOOL_SCHEMA}, and its older schemas cannot say what {spelled['name']!r:.80} "
                "takes: give it simpler parameters, without types that hold themselves, tuples, choices of numbers"
            )
        return {**spelled, "parameters": schema}
    return {**spelled, TOOL_SCHEMA: parameters}


def choose_form(request: Request, learned: Learned) -> str | None:
    """Give the form in which a typed answer is asked for: the first that is not refused; `None` is words alone."""
    told = request.response_format
    if told is None:
        return None
    if told.get("type") != "json_schema":
        return JSON if request.fixed_format or not knows(learned, request.model, JSON) else None
    if request.fixed_format:
        return JSON_SCHEMA
    key = schema_key(told)
    for form in FORMS:
        can_say = form != SCHEMA or narrow_schema(told["json_schema"]["schema"]) is not None
        if can_say and not knows(learned, request.model, form, key):
            return form
    return None


def _ask_for_type(request: Request, form: str | None) -> dict[str, Any]:
    """Give the fields that ask for a typed answer."""
    if form is None or request.response_format is None:
        return {}
    asked: dict[str, Any] = {"responseMimeType": "application/json"}
    if form != JSON:
        schema = request.response_format["json_schema"]["schema"]
        asked[form] = narrow_schema(schema) if form == SCHEMA else schema
    return asked
