"""Azure OpenAI: the same format at other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from declarai_like.errors import ConfigurationError
from declarai_like.providers.base import Secret
from declarai_like.providers.openai import OpenAIProvider, environment

if TYPE_CHECKING:
    from declarai_like._outputs.schemas import Dialect
    from declarai_like._wire.codecs.base import Codec
    from declarai_like.requests import Request

__all__ = ["AzureOpenAIProvider"]


class AzureOpenAIProvider(OpenAIProvider):
    """A deployment of Azure OpenAI; `model` is the deployment's name."""

    name = "azure-openai"

    def __init__(
        self,
        model: str,
        *,
        endpoint: str | None = None,
        api_version: str | None = None,
        ad_token_provider: Any = None,
        **rest: Any,
    ) -> None:
        if ad_token_provider is not None:
            rest["key"] = ad_token_provider
        self._is_token = ad_token_provider is not None
        super().__init__(model, **rest)
        self._endpoint = endpoint
        self._api_version = api_version

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        given = None if callable(self._key) else self._key
        told = given or environment(
            "DECLARAI_AZURE_OPENAI_KEY", "DECLARAI_AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AZURE_OPENAI_API_KEY"
        )
        if told:
            return Secret(told)
        raise ConfigurationError(
            "no Azure OpenAI key: set the environment variable DECLARAI_AZURE_OPENAI_KEY, or give azure_openai_key="
        )

    @property
    def endpoint(self) -> str:
        """The resource's address. Raises `ConfigurationError` if it is told nowhere."""
        told = self._endpoint or environment(
            "DECLARAI_AZURE_OPENAI_API_BASE", "AZURE_OPENAI_API_BASE", "AZURE_OPENAI_ENDPOINT"
        )
        if told:
            return told
        raise ConfigurationError(
            "no Azure OpenAI address: set the environment variable DECLARAI_AZURE_OPENAI_API_BASE, "
            "or give azure_openai_api_base="
        )

    @property
    def api_version(self) -> str:
        """The version of the API, e.g. `2024-02-01`; `2023-05-15` unless it is told."""
        told = self._api_version or environment(
            "DECLARAI_AZURE_OPENAI_API_VERSION", "DECLARAI_AZURE_API_VERSION", "AZURE_API_VERSION"
        )
        return told or "2023-05-15"

    def check(self) -> None:
        """Raise `ConfigurationError` now if the key or the address is told nowhere."""
        if self._official == (None, None):
            _ = self._key if callable(self._key) else self.api_key
            _ = self.endpoint

    @property
    def schema_dialect(self) -> Dialect:
        """What Azure's strict mode understands of a schema: less than OpenAI's."""
        return "common"

    @property
    def address(self) -> str:
        """The base URL: of the deployments with their `api-version`, or the one that ends in `/openai/v1`, as it is."""
        endpoint, question, query = self.endpoint.partition("?")
        endpoint = endpoint.rstrip("/")
        if endpoint.endswith("/openai/v1"):
            return f"{endpoint}{question}{query}"
        queries = "&".join(filter(None, (query, f"api-version={quote(self.api_version, safe='')}")))
        return f"{endpoint.removesuffix('/openai')}/openai?{queries}"

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path of the deployment; the newer form names it in the body alone."""
        path = codec.path(request)
        if (
            codec.name == "responses"
            or self._official != (None, None)
            or self.address.partition("?")[0].endswith("/openai/v1")
        ):
            return path
        return f"/deployments/{quote(request.model, safe='')}{path}"

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the key's header: of a key, or of an Entra ID token."""
        if self._is_token:
            return {"Authorization": f"Bearer {key.reveal()}"}
        return {"api-key": key.reveal()}
