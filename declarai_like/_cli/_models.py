"""A model as a command line names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarai_like._declarai import Declarai

__all__ = ["HELP", "read_model"]

HELP = "openai:gpt-4o-mini, anthropic:claude-sonnet-4-5, google:gemini-2.5-flash, local, ..."


def read_model(text: str) -> Declarai | str:
    """Read `provider:model` or the name of a provider; else it is another model of a task's own provider."""
    from declarai_like._declarai import Declarai
    from declarai_like._declarai.opening import provider_names
    from declarai_like.providers.base import REGISTERED

    provider, _, model = text.partition(":")
    known = {*provider_names(), *(name for name, _ in REGISTERED)}
    return Declarai(provider, model or None) if provider in known else text
