"""What is said of an option that does not exist, and of a key where a name belongs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["describe_unknown", "looks_like_key"]

_MODEL_PARAMS = (
    *("temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "n", "stop", "seed", "user"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs"),
    *("reasoning_effort", "verbosity", "service_tier", "store", "metadata", "tool_choice", "parallel_tool_calls"),
)
_OTHER_WORDS = {
    "stream": ("streaming",),
    "streaming": ("stream",),
    "key": ("api_key",),
    "token": ("api_key",),
    "api_token": ("api_key",),
    "openai_key": ("openai_token",),
    "openai_api_key": ("openai_token",),
    "azure_api_key": ("azure_openai_key",),
    "azure_endpoint": ("azure_openai_api_base",),
    "endpoint": ("base_url", "azure_openai_api_base"),
    "url": ("base_url", "azure_openai_api_base"),
    "api_base": ("base_url", "azure_openai_api_base"),
    "model_name": ("model",),
    "engine": ("model",),
    "deployment": ("deployment_name",),
    "system_prompt": ("system",),
    "instructions": ("system",),
    "prompt": ("system",),
    "memory": ("chat_history",),
    "history": ("chat_history",),
    "params": ("llm_params",),
    "parameters": ("llm_params",),
    "model_params": ("llm_params",),
    "num_retries": ("max_retries",),
    "concurrency": ("max_concurrency",),
}
_KEY = re.compile(
    r"(?:sk|pk|gsk|xai|hf|pplx|r8|csk|fw|tgp|nvapi|glpat)[-_][\w-]{6,}|AIza[\w-]{10,}|eyJ[\w-]{8,}\.[\w.-]+|[0-9a-fA-F]{32,}"
    r"|(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{40,}"
)


def describe_unknown(name: str, known: Collection[str]) -> str:
    """Say that there is no such option, which there are, and which one was meant, as far as that can be told."""
    meant = _find_meant(name, known)
    return f"unknown option {name!r}: expected one of {', '.join(known)}" + (f"; {meant}" if meant else "")


def looks_like_key(text: object) -> bool:
    """Say whether a text is spelled as keys are, and as no name of a model or version is."""
    return isinstance(text, str) and _KEY.fullmatch(text.strip()) is not None


def _find_meant(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    if name in _MODEL_PARAMS:
        return f"it is a parameter of the model: give llm_params={{{name!r}: ...}}"
    other = [word for word in _OTHER_WORDS.get(name, ()) if word in known]
    near = other or get_close_matches(name, [*known, *_MODEL_PARAMS], n=1, cutoff=0.7)
    if not near:
        return ""
    if near[0] in known:
        return f"did you mean {near[0]!r}?"
    return f"did you mean the model's parameter {near[0]!r}? Give llm_params={{{near[0]!r}: ...}}"
