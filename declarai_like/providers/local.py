"""A model that runs in this process: llama.cpp, asked as if it were a server elsewhere.

It serves three formats, and holds the model to a schema in two of them: what is asked in Anthropic's format goes by
chat completions where the answer has a type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.responses import ResponsesCodec
from declarai_like.providers._llamacpp import EmbeddedServer, embedded_server
from declarai_like.providers._model_files import find_model
from declarai_like.providers.base import Secret
from declarai_like.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from pathlib import Path

    from declarai_like._outputs.schemas import Dialect
    from declarai_like._wire.codecs.base import Codec, Learned, Origin
    from declarai_like.requests import LocalAPI, Request

__all__ = ["LocalProvider"]


class HeldResponsesCodec(ResponsesCodec):
    """The Responses API as llama.cpp has it.

    It leaves `text.format` alone, but takes `response_format` for it.
    """

    def encode(self, request: Request, learned: Learned, origin: Origin) -> dict[str, Any]:
        """Give the body of a request, with the schema where the server looks for it."""
        body = super().encode(request, learned, origin)
        form = (body.get("text") or {}).get("format")
        if form is not None:
            body["response_format"] = request.response_format if form["type"] == "json_schema" else form
        return body


class LocalProvider(OpenAIProvider):
    """A GGUF model on llama.cpp inside this process; it is loaded when it is first asked."""

    name = "local"

    def __init__(self, path: Path, *, streaming: bool = False, api: LocalAPI = "auto", **server: int) -> None:
        super().__init__(path.stem, streaming=streaming)
        self.path = path
        self._api = api
        self._server_options = server

    @classmethod
    def of(cls, model: str | None, **settings: Any) -> LocalProvider:
        """Find the model; raises `ConfigurationError` if there is none."""
        return cls(find_model(model), **settings)

    @property
    def schema_dialect(self) -> Dialect:
        """What is understood of a schema: llama.cpp holds the model to all that one says."""
        return "full"

    def codec_of(self, request: Request) -> Codec:
        """Give the codec of the format that was asked for; a type's schema is not held in Anthropic's."""
        api = self._api if request.api in (None, "auto") else request.api
        if api == "anthropic" and request.kind == "chat" and request.response_format is None:
            from declarai_like._wire.codecs.anthropic import AnthropicCodec

            return AnthropicCodec()
        return super().codec_of(request.replace(api="responses") if api == "responses" else request)

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path; the address ends in `/v1` already."""
        return codec.path(request).removeprefix("/v1")

    def responses_codec(self, request: Request) -> Codec:
        """Give the codec of the Responses API; llama.cpp does not say in it that the token limit was reached."""
        limits = map(request.params.get, ("max_output_tokens", "max_completion_tokens", "max_tokens"))
        return HeldResponsesCodec(limit_tokens=next((limit for limit in limits if limit is not None), None))

    @property
    def server(self) -> EmbeddedServer:
        """The server of this process, started if it is not running yet."""
        return embedded_server(self.path, **self._server_options)

    @property
    def api_key(self) -> Secret:
        """The random key that keeps other programs of this machine out."""
        return Secret(self.server.api_key)

    @property
    def where(self) -> str:
        """The provider and its model's file, for messages."""
        return f"{self.name} ({self.path})"

    @property
    def address(self) -> str:
        """The server's address, on the loopback interface."""
        return self.server.base_url

    @property
    def origin(self) -> dict[str, Any]:
        """The provider, as the `state` of a reply names it: its address is another one in each process."""
        return {"provider": self.name, "base_url": "local"}
