"""How a model is got, to declare tasks and chats on."""

from __future__ import annotations

from declarai_like._declarai.factories import anthropic, azure_openai, google, local, offline, openai
from declarai_like._declarai.model import Declarai, StreamingDeclarai

__all__ = ["Declarai", "StreamingDeclarai", "anthropic", "azure_openai", "google", "local", "offline", "openai"]
