"""Where users of declarai import these names from."""

from declarai_like.messages import Message, MessageRole
from declarai_like.providers.base import BaseLLM, LLMSettings
from declarai_like.responses import LLMResponse

__all__ = ["BaseLLM", "LLMResponse", "LLMSettings", "Message", "MessageRole"]
