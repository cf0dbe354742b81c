"""Google's models, and every server that speaks `generateContent`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.google import GoogleCodec
from declarai_like.errors import ConfigurationError
from declarai_like.providers._api_option import refuse_api
from declarai_like.providers.base import Secret
from declarai_like.providers.openai import environment
from declarai_like.providers.transport import HTTPProvider

if TYPE_CHECKING:
    from declarai_like._wire.codecs.base import Codec
    from declarai_like.requests import Request

__all__ = ["GoogleProvider"]

_GENERATE = GoogleCodec()
_BASE_URL = "https://generativelanguage.googleapis.com"
_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_HAS_VERSION = re.compile(r"/v\d[a-z0-9]*(?:/|$)")


class GoogleProvider(HTTPProvider):
    """A model of Google's, or of a server that speaks its format.

    `is_token` says that the key is an access token, as Vertex AI takes it.
    """

    name = "google"
    address_variable = "GOOGLE_GEMINI_BASE_URL"

    def __init__(self, model: str, *, is_token: bool = False, **endpoint: Any) -> None:
        super().__init__(model, **endpoint)
        self._is_token = is_token

    @property
    def address(self) -> str:
        """The base URL: the argument's, else the environment's `GOOGLE_GEMINI_BASE_URL`, else Google's own."""
        return self._base_url or environment(self.address_variable) or _BASE_URL

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        given = None if callable(self._key) else self._key
        told = given or environment(*_VARIABLES)
        if told:
            return Secret(told)
        if self._base_url or environment(self.address_variable):
            return Secret("no-key")  # a server of one's own seldom asks for one
        raise ConfigurationError("no Google key: set the environment variable GEMINI_API_KEY, or give api_key=")

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the key's header: a key never stands in the address, where logs would show it."""
        return super().key_headers(key) if self._is_token else {"x-goog-api-key": key.reveal()}

    def codec_of(self, request: Request) -> Codec:
        """Give the codec of `generateContent`."""
        refuse_api(request, self.name)
        return _GENERATE

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path; a base URL may name the version itself, and what follows it, as Vertex AI's do."""
        path, base = codec.path(request), self.address.partition("?")[0].rstrip("/")
        return path.removeprefix("/v1beta") if _HAS_VERSION.search(base) else path
