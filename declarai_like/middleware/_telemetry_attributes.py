"""A request and its answer as attributes, by the names of OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from declarai_like._calls.request_prices import base_url_of, request_price
from declarai_like._values.prices import detail

if TYPE_CHECKING:
    from declarai_like.completions import Completion, Usage
    from declarai_like.requests import Request

__all__ = ["COMMON", "Attributes", "answer_attributes", "cost", "request_attributes", "usage_attributes"]

Attributes = dict[str, Any]

COMMON = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "server.address",
    "server.port",
)
"""The attributes of a request that its metrics have too."""

_OPERATIONS = {"chat": "chat", "completion": "text_completion"}
_PROVIDERS = {"azure-openai": "azure.ai.openai", "google": "gcp.gemini", "local": "llama_cpp"}
"""Names of providers that differ from ours; another one keeps its own."""
_PARAMS: dict[str, tuple[str, type]] = {
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "temperature": ("gen_ai.request.temperature", float),
    "top_k": ("gen_ai.request.top_k", float),
    "top_p": ("gen_ai.request.top_p", float),
}
_DETAILS = {
    "gen_ai.usage.cache_read.input_tokens": ("prompt_tokens_details", "cached_tokens"),
    "gen_ai.usage.cache_creation.input_tokens": ("prompt_tokens_details", "cache_write_tokens"),
    "gen_ai.usage.reasoning.output_tokens": ("completion_tokens_details", "reasoning_tokens"),
}


def request_attributes(request: Request) -> Attributes:
    """Tell what is asked, of whom; nothing of the prompt."""
    provider, params = request.provider, request.params
    name = "unknown" if provider is None else provider.name
    attributes: Attributes = {
        "gen_ai.operation.name": _OPERATIONS[request.kind],
        "gen_ai.provider.name": _PROVIDERS.get(name, name),
        "gen_ai.request.model": request.model,
        "gen_ai.output.type": "json" if _is_json(request) else "text",
        **_address(request),
    }
    if request.name:
        attributes["gen_ai.prompt.name"] = request.name
    if request.prompt_version:
        attributes["gen_ai.prompt.version"] = request.prompt_version
    if request.conversation is not None:
        attributes["gen_ai.conversation.id"] = str(request.conversation)
    if request.stream:
        attributes["gen_ai.request.stream"] = True
    for param, (attribute, kind) in _PARAMS.items():
        if isinstance(params.get(param), (int, float)):
            attributes[attribute] = kind(params[param])
    if (params.get("n") or 1) != 1:
        attributes["gen_ai.request.choice.count"] = params["n"]
    stop = params.get("stop")
    if stop:
        attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    return attributes


def answer_attributes(completion: Completion) -> Attributes:
    """Tell what came; nothing of its text, and nothing that the provider did not tell."""
    reasons = [choice.finish_reason for choice in completion.choices if choice.finish_reason]
    told = {
        "gen_ai.response.id": completion.id,
        "gen_ai.response.model": completion.model,
        "gen_ai.response.finish_reasons": reasons or None,
        **usage_attributes(completion.usage),
    }
    return {name: value for name, value in told.items() if value is not None}


def usage_attributes(usage: Usage | None) -> dict[str, int]:
    """Tell the tokens that the provider has counted; each detail is a part of its sum."""
    if usage is None:
        return {}
    told = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        **{name: detail(usage, *place) for name, place in _DETAILS.items()},
    }
    return {name: count for name, count in told.items() if count is not None}


def cost(request: Request, completion: Completion) -> float | None:
    """Give the price of the answer in US dollars; `None` where it cannot be known."""
    if completion.usage is None:
        return None
    return request_price(request, [completion.usage], model=completion.model)


def _is_json(request: Request) -> bool:
    """Say whether a typed answer is asked for, by the format or in words."""
    return request.response_format is not None or (request.output is not None and not request.output.is_text)


def _address(request: Request) -> Attributes:
    """Tell the host that is asked, if it is known; a model in this process has none."""
    url = urlsplit(base_url_of(request) or "")
    if not url.hostname:
        return {}
    return {"server.address": url.hostname, "server.port": url.port or (80 if url.scheme == "http" else 443)}
