"""Requests beside those for answers, for files and jobs that an endpoint keeps: the same key, clients and errors."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ConfigurationError
from declarai_like.providers._bodies import (
    REFUSED,
    aiter_body,
    aread_body,
    aread_refusal_body,
    iter_body,
    read_body,
    read_refusal_body,
)
from declarai_like.providers._causes import cause_of
from declarai_like.providers._header_waits import limit_reads
from declarai_like.providers._http_library import http_library
from declarai_like.providers._messages import timeouts_of, url_of
from declarai_like.providers._refusals import LearningEndpoint
from declarai_like.providers._waits import Waits

if TYPE_CHECKING:
    from declarai_like._wire.codecs.base import Chunk
    from declarai_like.providers.base import Secret
    from declarai_like.requests import Request

__all__ = ["Exchange", "ExchangingEndpoint"]

_MOST_BYTES = 1 << 30
"""Of what a file may have: results of 50,000 rows."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: a path below the base URL, and what is sent there, if anything."""

    method: str
    path: str
    content: bytes | None = None
    content_type: str = "application/json"


class ExchangingEndpoint(LearningEndpoint):
    """An endpoint that keeps files and jobs."""

    def exchange(self, exchange: Exchange, request: Request) -> bytes:
        """Send something beside the requests for answers, with the headers and limits of `request`; give the body.

        Raises the same errors as a request for an answer.
        """
        waits, key = Waits(request.limits, streaming=False), None
        try:
            key = self._ask_key()
            message = self._exchange_message(exchange, request, key, self._ask_headers(request))
            with self._clients.used():
                with limit_reads(waits):
                    response = self._clients.blocking().send(message, stream=True, follow_redirects=False)
                try:
                    waits.attach(response)
                    if response.status_code >= REFUSED:
                        self._refuse_exchange(request, response, read_refusal_body(response), key)
                    return read_body(iter_body(response), _MOST_BYTES)
                finally:
                    waits.detach()
                    response.close()
        except Exception as error:
            raise self._translate(error, waits, key) from cause_of(error)

    async def aexchange(self, exchange: Exchange, request: Request) -> bytes:
        """Do what `exchange` does, in an event loop."""
        waits, key = Waits(request.limits, streaming=False), None
        try:
            key = await self._ask_key_async()
            message = self._exchange_message(exchange, request, key, await self._ask_headers_async(request))
            client = await self._clients.awaiting()
            with self._clients.aused():
                with limit_reads(waits):
                    response = await client.send(message, stream=True, follow_redirects=False)
                try:
                    waits.attach(response)
                    if response.status_code >= REFUSED:
                        self._refuse_exchange(request, response, await aread_refusal_body(response), key)
                    return await aread_body(aiter_body(response), _MOST_BYTES)
                finally:
                    waits.detach()
                    await response.aclose()
        except Exception as error:
            raise self._translate(error, waits, key) from cause_of(error)

    def read_result(self, request: Request, status: int, body: bytes) -> Chunk:
        """Read an answer that a job has brought, as if it had come by itself; a refusal is raised."""
        codec, response = self.codec_of(request), SimpleNamespace(status_code=status, headers={})
        if status >= REFUSED:
            return self._refuse(codec, request, self._learned, response, body, key=None)
        return self._answer(codec, response, body, None)

    def _refuse_exchange(self, request: Request, response: Any, body: bytes, key: Secret | None) -> None:
        self._refuse(self.codec_of(request), request, self._learned, response, body, key=key)

    def _exchange_message(
        self, exchange: Exchange, request: Request, key: Secret | None, headers: dict[str, str]
    ) -> Any:
        if self._official != (None, None) or key is None:
            raise ConfigurationError("a batch is sent by our own transport: leave out client= and async_client=")
        told = {
            **self.codec_of(request).headers(request),
            **self.key_headers(key),
            **({} if exchange.content is None else {"Content-Type": exchange.content_type}),
            **headers,
        }
        extensions = {"timeout": timeouts_of(request.limits, streaming=False)}
        url = url_of(self.address, exchange.path)
        library: Any = http_library()
        return library.Request(exchange.method, url, headers=told, content=exchange.content, extensions=extensions)
