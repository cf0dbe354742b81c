"""How a provider is told of tools: natively, or in words where it has none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from declarai_like._calls.dialects import NativeDialect
from declarai_like._calls.final_answers import FinalAnswerDialect, takes_final_answer
from declarai_like.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from declarai_like._calls.dialects import Dialect
    from declarai_like.requests import Provider, Request
    from declarai_like.tools.settings import ToolSettings

__all__ = ["choose_dialect", "emulated_dialect", "refuses_tools"]

_SCHEMA_AND_TOOLS = frozenset({"azure-openai", "anthropic"})
"""Providers that call tools also where the answer's schema is sent with them; of OpenAI, its own address does."""


def choose_dialect(settings: ToolSettings, request: Request) -> Dialect:
    """Choose how tools are told: natively, or in words where there are none."""
    if settings.tool_mode == "emulated" or (settings.tool_mode == "auto" and _has_no_tools(request.provider)):
        return emulated_dialect(settings, request)
    if takes_final_answer(request):
        return FinalAnswerDialect(settings, (request.response_format or {})["json_schema"])
    sends = request.response_format is None or _takes_schema_and_tools(request.provider)
    return NativeDialect(settings, sends_schema=sends)


def emulated_dialect(settings: ToolSettings, request: Request) -> Dialect:
    """Tell tools in words."""
    from declarai_like._calls.emulation import EmulatedDialect
    from declarai_like._outputs.output import Output

    return EmulatedDialect(settings, request.output or Output.of(str))


_without_tools: WeakSet[Any] = WeakSet()
"""The providers that have refused tools."""
_REFUSED = re.compile(
    r"support|unknown|unrecogni|unexpected|not allowed|not permitted|extra|enable|no endpoints", re.IGNORECASE
)


def _has_no_tools(provider: Any) -> bool:
    return getattr(provider, "name", "") == "local" or provider in _without_tools


def refuses_tools(error: Exception, settings: ToolSettings, provider: Any) -> bool:
    """Learn from a refusal; say whether the same call may succeed with tools that are told in words."""
    if settings.tool_mode != "auto" or not isinstance(error, (BadRequestError, NotFoundError)):
        return False
    words = f"{error.message} {error.body}"
    refuses = "tool" in words.lower() and _REFUSED.search(words) is not None
    if refuses:
        _without_tools.add(provider)
    return refuses


def _takes_schema_and_tools(provider: Provider | None) -> bool:
    name, where = getattr(provider, "name", ""), str(getattr(provider, "where", ""))
    return name in _SCHEMA_AND_TOOLS or (name == "openai" and "api.openai.com" in where)
