"""OpenAI, and every server that speaks its format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from declarai_like._wire.codecs.chat import ChatCodec
from declarai_like._wire.codecs.lessons import CHAT, knows
from declarai_like._wire.codecs.media_tables import CHAT as CHAT_MEDIA
from declarai_like._wire.codecs.media_tables import RESPONSES
from declarai_like.errors import ConfigurationError
from declarai_like.media._parts import media_in
from declarai_like.providers.base import Secret
from declarai_like.providers.transport import HTTPProvider

if TYPE_CHECKING:
    from declarai_like._outputs.schemas import Dialect
    from declarai_like._wire.codecs.base import Codec
    from declarai_like.requests import Request

__all__ = ["OpenAIProvider", "environment"]

_CHAT, _CHAT_ONLY = ChatCodec(), ChatCodec(may_switch=False)
_ONLY_RESPONSES = frozenset(
    ("previous_response_id", "background", "reasoning", "include", "conversation", "context_management")
)
"""Parameters that chat completions do not have."""
_BASE_URL = "https://api.openai.com/v1"


def environment(*names: str) -> str | None:
    """Give the first of these environment variables that is set and not empty."""
    for name in names:
        if value := os.environ.get(name):
            return value
    return None


class OpenAIProvider(HTTPProvider):
    """A model of OpenAI's, or of a server that speaks its format."""

    name = "openai"

    @property
    def address(self) -> str:
        """The base URL: the argument's, else the environment's `OPENAI_BASE_URL`, else OpenAI's own."""
        return self._base_url or environment("OPENAI_BASE_URL") or _BASE_URL

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        given = None if callable(self._key) else self._key
        told = given or environment("DECLARAI_OPENAI_API_KEY", "OPENAI_API_KEY")
        if told:
            return Secret(told)
        if self._base_url or environment("OPENAI_BASE_URL"):
            return Secret("no-key")  # a server of one's own seldom asks for one
        raise ConfigurationError(
            "no OpenAI key: set the environment variable OPENAI_API_KEY (or DECLARAI_OPENAI_API_KEY), "
            "or give openai_token=; declarai_like.local() needs none"
        )

    @property
    def schema_dialect(self) -> Dialect:
        """What this server's strict mode understands of a schema: OpenAI's is known, others' by what all do."""
        address = self._base_url or environment("OPENAI_BASE_URL")
        return "common" if address and "api.openai.com" not in str(address) else "openai"

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the key's header, and those that name the organization and the project."""
        headers = {"Authorization": f"Bearer {key.reveal()}"}
        for header, name in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
            if (told := environment(name)) is not None:
                headers[header] = told
        return headers

    def codec_of(self, request: Request) -> Codec:
        """Give the codec: what was asked for, else Responses where the request or the model needs it."""
        if request.kind == "completion" or request.api == "chat":
            return _CHAT_ONLY
        if request.api == "responses" or _needs_responses(request) or knows(self._learned, request.model, CHAT):
            return self.responses_codec(request)
        return _CHAT

    def responses_codec(self, request: Request) -> Codec:
        """Give the codec of the Responses API."""
        from declarai_like._wire.codecs.responses import ResponsesCodec

        return ResponsesCodec()


def _needs_responses(request: Request) -> bool:
    """Say whether a request asks for what chat completions do not have."""
    if request.state == "server":
        return True
    only = request.params.keys() & _ONLY_RESPONSES
    if any(request.params[name] is not None for name in only):
        return True
    if any(RESPONSES.takes(media) and not CHAT_MEDIA.takes(media) for media in media_in(request.messages)):
        return True
    return any(tool.get("type") not in ("function", "custom", None) for tool in request.tools)
