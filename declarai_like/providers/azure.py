"""Azure OpenAI: the same format at other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from declarai_like.errors import ConfigurationError
from declarai_like.providers._guards import awatched, watched
from declarai_like.providers._secrets import shown_address
from declarai_like.providers.base import Secret
from declarai_like.providers.openai import OpenAIProvider, environment

if TYPE_CHECKING:
    from declarai_like._outputs.schemas import Dialect
    from declarai_like.requests import Request

__all__ = ["AzureOpenAIProvider"]


_ENDPOINTS = ("DECLARAI_AZURE_OPENAI_API_BASE", "AZURE_OPENAI_API_BASE", "AZURE_OPENAI_ENDPOINT")


class AzureOpenAIProvider(OpenAIProvider):
    """A deployment of Azure OpenAI; `model` is the deployment's name."""

    name = "azure-openai"

    def __init__(self, model: str, *, endpoint: str | None = None, api_version: str | None = None, **rest: Any) -> None:
        super().__init__(model, **rest)
        self._endpoint = endpoint
        self._api_version = api_version

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        told = self._key or environment(
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
        if address := self._address():
            return address
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
        _ = self.api_key, self.endpoint

    @property
    def schema_dialect(self) -> Dialect:
        """What Azure's strict mode understands of a schema: less than OpenAI's."""
        return "common"

    @property
    def where(self) -> str:
        """The provider and its address, for messages."""
        return f"{self.name} at {shown_address(self.endpoint)}"

    def _address(self) -> str:
        return self._endpoint or environment(*_ENDPOINTS) or ""

    def _build(self) -> Any:
        from openai import AzureOpenAI

        return AzureOpenAI(http_client=watched(self._http_clients[0]), **self._client_settings())

    def _build_async(self) -> Any:
        from openai import AsyncAzureOpenAI

        return AsyncAzureOpenAI(http_client=awatched(self._http_clients[1]), **self._client_settings())

    def _post(self, request: Request) -> dict[str, Any]:
        told = super()._post(request)
        # Not every version of the official client quotes the name of a deployment.
        return {**told, "path": f"/deployments/{quote(request.model, safe='')}{told['path']}"}

    def _client_settings(self) -> dict[str, Any]:
        # An address of this form is not mistaken for another one that the environment may tell (OPENAI_BASE_URL).
        _ = self.endpoint
        base_url = f"{self._checked_address().rstrip('/')}/openai"
        return {**super()._client_settings(), "base_url": base_url, "api_version": self.api_version}
