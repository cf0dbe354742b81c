"""Our own transport: requests to any provider over the HTTP library, and the bytes that come back.

A codec says what is sent and reads what comes; `HTTPProvider` waits. The blocking and the awaiting halves stand side
by side, and a test compares them.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._version import __version__
from declarai_like._wire.accumulator import DONE
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
from declarai_like.providers._exchanges import ExchangingEndpoint
from declarai_like.providers._header_waits import atrace_connection, limit_reads, trace_connection
from declarai_like.providers._http_library import http_library
from declarai_like.providers._messages import Message, timeouts_of, url_of
from declarai_like.providers._official_clients import official_post, refused_response
from declarai_like.providers._waits import Waits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from declarai_like._wire.codecs.base import Chunk, Codec, Learned
    from declarai_like.providers._media_downloads import MediaDownloads
    from declarai_like.providers.base import Secret
    from declarai_like.requests import Limits, Request

__all__ = ["HTTPProvider"]

_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class HTTPProvider(ExchangingEndpoint):
    """A model behind an HTTP address; a subclass names the address, the codec and the key's header.

    `key` may be a function that gives the key, and `headers` one that gives headers: both are asked before each
    request, and what they give is not kept. `client` and `async_client` are the official client's instances, which
    send in our transport's place.
    """

    downloads: MediaDownloads | None = None
    """How media are fetched that the provider does not fetch itself; `None` is from public addresses only."""

    def send(self, request: Request) -> Chunk:
        """Send a request and wait for the whole answer."""
        waits, codec, learned, key = Waits(request.limits, streaming=False), self.codec_of(request), self._learned, None
        try:
            key = self._ask_key()
            request = self._fetch_media(codec, request)
            message = self._message(codec, request, learned, key, self._ask_headers(request))
            with self._clients.used():
                with limit_reads(waits):
                    response = self._post(message, request.limits)
                try:
                    waits.attach(response)
                    _tell_headers(request, response)
                    if response.status_code >= REFUSED:
                        return self._refuse(codec, request, learned, response, read_refusal_body(response), key=key)
                    limit = request.limits.answer_bytes
                    return self._answer(codec, response, read_body(iter_body(response), limit), key)
                finally:
                    waits.detach()
                    response.close()
        except Exception as error:
            raise self._translate(error, waits, key) from cause_of(error)

    async def asend(self, request: Request) -> Chunk:
        """Do what `send` does, in an event loop."""
        waits, codec, learned, key = Waits(request.limits, streaming=False), self.codec_of(request), self._learned, None
        try:
            key = await self._ask_key_async()
            request = await self._fetch_media_async(codec, request)
            message = self._message(codec, request, learned, key, await self._ask_headers_async(request))
            with self._clients.aused():
                with limit_reads(waits):
                    response = await self._post_async(message, request.limits)
                try:
                    waits.attach(response)
                    _tell_headers(request, response)
                    if response.status_code >= REFUSED:
                        return self._refuse(
                            codec, request, learned, response, await aread_refusal_body(response), key=key
                        )
                    limit = request.limits.answer_bytes
                    return self._answer(codec, response, await aread_body(aiter_body(response), limit), key)
                finally:
                    waits.detach()
                    await response.aclose()
        except Exception as error:
            raise self._translate(error, waits, key) from cause_of(error)

    def stream(self, request: Request) -> Generator[Chunk, None, None]:
        """Send a request and give its chunks as they arrive."""
        waits, codec, learned, key = Waits(request.limits, streaming=True), self.codec_of(request), self._learned, None
        read = b""
        try:
            key = self._ask_key()
            request = self._fetch_media(codec, request)
            message = self._message(codec, request, learned, key, self._ask_headers(request))
            decoder = codec.decoder(request, partial(self._redact, key), waits.check)
            with self._clients.used():
                with limit_reads(waits):
                    response = self._post(message, request.limits)
                try:
                    waits.attach(response)
                    _tell_headers(request, response)
                    if response.status_code >= REFUSED:
                        yield self._refuse(codec, request, learned, response, read_refusal_body(response), key=key)
                        yield DONE
                        return
                    reads, feed = iter_body(response), decoder.feed
                    try:
                        for read in reads:
                            for chunk in feed(read):
                                waits.heard = True
                                yield chunk
                            if decoder.ended:
                                waits.expect_end()
                            if decoder.done:
                                waits.drain(reads)
                                return
                    except Exception:
                        for chunk in decoder.rest():
                            yield chunk
                        raise
                    for chunk in decoder.close():
                        waits.heard = True
                        yield chunk
                    self._check_began(waits, response, decoder, key)
                finally:
                    waits.detach()
                    response.close()
        except Exception as error:
            read = b""  # it may repeat the key, and a traceback may show it
            raise self._translate(error, waits, key) from cause_of(error)

    async def astream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Do what `stream` does, in an event loop."""
        waits, codec, learned, key = Waits(request.limits, streaming=True), self.codec_of(request), self._learned, None
        read = b""
        try:
            key = await self._ask_key_async()
            request = await self._fetch_media_async(codec, request)
            message = self._message(codec, request, learned, key, await self._ask_headers_async(request))
            decoder = codec.decoder(request, partial(self._redact, key), waits.check)
            with self._clients.aused():
                with limit_reads(waits):
                    response = await self._post_async(message, request.limits)
                try:
                    waits.attach(response)
                    _tell_headers(request, response)
                    if response.status_code >= REFUSED:
                        yield self._refuse(
                            codec, request, learned, response, await aread_refusal_body(response), key=key
                        )
                        yield DONE
                        return
                    reads, feed = aiter_body(response), decoder.feed
                    try:
                        async for read in reads:
                            for chunk in feed(read):
                                waits.heard = True
                                yield chunk
                            if decoder.ended:
                                waits.expect_end()
                            if decoder.done:
                                await waits.adrain(reads)
                                return
                    except Exception:
                        for chunk in decoder.rest():
                            yield chunk
                        raise
                    for chunk in decoder.close():
                        waits.heard = True
                        yield chunk
                    self._check_began(waits, response, decoder, key)
                finally:
                    waits.detach()
                    await response.aclose()
        except Exception as error:
            read = b""  # it may repeat the key, and a traceback may show it
            raise self._translate(error, waits, key) from cause_of(error)

    def _post(self, message: Message, limits: Limits) -> Any:
        """Send a message; give the response when its headers have come."""
        official = self._official[0]
        if official is not None:
            try:
                return official.post(**official_post(message, limits))
            except Exception as error:
                return refused_response(error)
        client = self._clients.blocking()
        return client.send(
            self._prepare(client, message, limits, trace_connection), stream=True, follow_redirects=False
        )

    async def _post_async(self, message: Message, limits: Limits) -> Any:
        """Send a message; give the response when its headers have come."""
        official = self._official[1]
        if official is not None:
            try:
                return await official.post(**official_post(message, limits))
            except Exception as error:
                return refused_response(error)
        client = await self._clients.awaiting()
        return await client.send(
            self._prepare(client, message, limits, atrace_connection), stream=True, follow_redirects=False
        )

    def _fetch_media(self, codec: Codec, request: Request) -> Request:
        """Give a request with the bytes of what the provider does not fetch itself."""
        return self._downloads().fill(request, codec.media) if codec.media.needs_downloads(request) else request

    async def _fetch_media_async(self, codec: Codec, request: Request) -> Request:
        """Do what `_fetch_media` does, in an event loop: in a thread, which ends within the time of a download."""
        if not codec.media.needs_downloads(request):
            return request
        from asyncio import to_thread

        return await to_thread(self._downloads().fill, request, codec.media)

    def _downloads(self) -> MediaDownloads:
        from declarai_like.providers._media_downloads import MediaDownloads  # most calls have none

        return self.downloads or MediaDownloads()

    def _prepare(self, client: Any, message: Message, limits: Limits, trace: Any) -> Any:
        """Build the HTTP library's request; a client of the user's adds its own headers and cookies."""
        if self._lost_login:
            raise ConfigurationError(
                f"the login in the address of {self.where} is not pickled: "
                f"set {self.address_variable} in the environment of the process that needs it"
            )
        url = url_of(self.address, message.path)
        content = _encode_json(message.body).encode()
        extensions = {"timeout": timeouts_of(limits, streaming=message.streams), "trace": trace}
        if self._http_clients[0] is client or self._http_clients[1] is client:
            return client.build_request(
                "POST", str(url), headers=message.headers, content=content, extensions=extensions
            )
        library, host = http_library(), {"Host": url.netloc}
        headers = {**host, **message.headers} if "host" not in map(str.lower, message.headers) else message.headers
        headers = {**headers, "Content-Length": str(len(content))}
        return library.Request("POST", url, headers=headers, stream=library.ByteStream(content), extensions=extensions)

    def _message(
        self, codec: Codec, request: Request, learned: Learned, key: Secret | None, headers: Mapping[str, str]
    ) -> Message:
        path, body = self.path_of(codec, request), self._encode(codec, request, learned)
        told = {
            "Accept": "application/json",
            # Compressed events wait in a buffer until there are enough of them.
            "Accept-Encoding": "identity" if request.stream else "gzip, deflate",
            "Content-Type": "application/json",
            "User-Agent": f"declarai-like/{__version__}",
            **codec.headers(request),
            **({} if key is None else self.key_headers(key)),
        }
        if headers:
            given = {name.lower() for name in headers}
            told = {name: value for name, value in told.items() if name.lower() not in given}
        return Message(path, {**told, **headers}, body, request.stream)


def _tell_headers(request: Request, response: Any) -> None:
    """Let who wants to know see the headers of an answer."""
    if request.on_headers is not None:
        request.on_headers(response.headers)
