"""Our own transport: requests to any provider over the HTTP library, and the bytes that come back.

A codec says what is sent and reads what comes; `HTTPProvider` waits. The blocking and the awaiting halves stand side
by side, and a test compares them.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._version import __version__
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import ConfigurationError, EmptyResponse, InvalidResponse
from declarai_like.providers._bodies import (
    aiter_body,
    aread_body,
    aread_refusal_body,
    iter_body,
    read_body,
    read_refusal_body,
)
from declarai_like.providers._causes import cause_of
from declarai_like.providers._clients import Clients
from declarai_like.providers._header_waits import atrace_connection, limit_reads, trace_connection
from declarai_like.providers._http_library import build_async_client, build_client, http_library
from declarai_like.providers._messages import Message, official_post, timeouts_of, url_of
from declarai_like.providers._secrets import (
    address_secrets,
    client_secrets,
    header_secrets,
    is_secret_name,
    redactor_of,
    shown_address,
)
from declarai_like.providers._waits import Waits
from declarai_like.providers.base import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
    from typing import TypeAlias

    from declarai_like._wire.codecs.base import Chunk, Codec, Decoder, Learned, Redact
    from declarai_like.errors import DeclaraiError, ProviderError
    from declarai_like.requests import Headers, Limits, Request

    Key: TypeAlias = Secret | Callable[[], str | Awaitable[str]]

__all__ = ["HTTPProvider"]

logger = logging.getLogger("declarai_like")
_REFUSED = 300
"""From this status on an answer is none; a redirect would carry the prompt and the key to another host."""
_READABLE = frozenset({"", "identity", "gzip", "deflate"})


class HTTPProvider:
    """A model behind an HTTP address; a subclass names the address, the codec and the key's header.

    `key` may be a function that gives the key, and `headers` one that gives headers: both are asked before each
    request, and what they give is not kept. `client` and `async_client` are the official client's instances, which
    send in our transport's place.
    """

    name = "http"
    address_variable = "OPENAI_BASE_URL"
    """The environment variable that gives the base URL where no argument does."""
    _lost_login = False
    """Whether a login stood in the address of the provider that this one was pickled from."""

    def __init__(
        self,
        model: str,
        *,
        key: Key | None = None,
        base_url: str | None = None,
        headers: Headers | None = None,
        streaming: bool = False,
        http_client: Any = None,
        http_async_client: Any = None,
        client: Any = None,
        async_client: Any = None,
    ) -> None:
        self.model = model
        self.streaming = streaming
        self._base_url = base_url
        self._key = key
        self._headers: Headers = headers if callable(headers) else dict(headers or {})
        self._http_clients = (http_client, http_async_client)
        self._official = (client, async_client)
        self._start()

    def _start(self) -> None:
        owns, owns_async = (client is None for client in self._http_clients)
        self._clients = Clients(self._build, self._build_async, owns=owns, owns_async=owns_async)
        self._learned: Learned = frozenset()

    # What a subclass says

    def codec_of(self, request: Request) -> Codec:
        """Give the codec that a request is encoded with."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """The base URL that is asked, with its password and parameters. Raises `ConfigurationError` without one."""
        raise NotImplementedError

    @property
    def api_key(self) -> Secret:
        """The key as it stands in arguments or environment. Raises `ConfigurationError` if there is none."""
        raise NotImplementedError

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the headers that carry the key."""
        return {"Authorization": f"Bearer {key.reveal()}"}

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path below the base URL."""
        return codec.path(request)

    # What is known of it

    @property
    def provider(self) -> str:
        """The provider's name, as declarai spells it."""
        return self.name

    @property
    def base_url(self) -> str | None:
        """The address that was given, as it may be shown: without its password and parameters."""
        return None if self._base_url is None else shown_address(self._base_url)

    @property
    def where(self) -> str:
        """The provider and its address, for messages."""
        return f"{self.name} at {self._shown_address}"

    @property
    def _shown_address(self) -> str:
        official = next((client for client in self._official if client is not None), None)
        return shown_address(self.address if official is None else str(official.base_url))

    @property
    def origin(self) -> dict[str, Any] | None:
        """The provider and its address, as the `state` of a reply names them."""
        try:
            return {"provider": self.name, "base_url": self._shown_address}
        except ConfigurationError:  # told when it is asked
            return None

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the JSON body of a request, less what this server is known to refuse."""
        return self._encode(self.codec_of(request), request, self._learned)

    def _encode(self, codec: Codec, request: Request, learned: Learned) -> dict[str, Any]:
        origin = {**(self.origin or {}), "model": request.model}
        return {**codec.encode(request, learned, origin), **request.extra_body}

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Say whether a refusal has taught something, so that the same request, encoded anew, may succeed."""
        return bool(error.lessons)

    # What is sent and what comes

    def send(self, request: Request) -> Chunk:
        """Send a request and wait for the whole answer."""
        waits, codec, learned, key = Waits(request.limits, streaming=False), self.codec_of(request), self._learned, None
        try:
            key = self._ask_key()
            message = self._message(codec, request, learned, key, self._ask_headers(request))
            with limit_reads(waits):
                response = self._post(message, request.limits)
            try:
                waits.attach(response)
                if response.status_code >= _REFUSED:
                    return self._refuse(codec, request, learned, response, read_refusal_body(response), key=key)
                limit = request.limits.answer_bytes
                return self._answer(codec, response, read_body(iter_body(response), limit), key)
            finally:
                waits.detach()
                response.close()
        except Exception as error:
            raise self._translate(error, waits, codec, request, learned, key=key) from cause_of(error)

    async def asend(self, request: Request) -> Chunk:
        """Do what `send` does, in an event loop."""
        waits, codec, learned, key = Waits(request.limits, streaming=False), self.codec_of(request), self._learned, None
        try:
            key = await self._ask_key_async()
            message = self._message(codec, request, learned, key, await self._ask_headers_async(request))
            with limit_reads(waits):
                response = await self._post_async(message, request.limits)
            try:
                waits.attach(response)
                if response.status_code >= _REFUSED:
                    return self._refuse(codec, request, learned, response, await aread_refusal_body(response), key=key)
                limit = request.limits.answer_bytes
                return self._answer(codec, response, await aread_body(aiter_body(response), limit), key)
            finally:
                waits.detach()
                await response.aclose()
        except Exception as error:
            raise self._translate(error, waits, codec, request, learned, key=key) from cause_of(error)

    def stream(self, request: Request) -> Generator[Chunk, None, None]:
        """Send a request and give its chunks as they arrive."""
        waits, codec, learned, key = Waits(request.limits, streaming=True), self.codec_of(request), self._learned, None
        read = b""
        try:
            key = self._ask_key()
            message = self._message(codec, request, learned, key, self._ask_headers(request))
            decoder = codec.decoder(request, partial(self._redact, key), waits.check)
            with limit_reads(waits):
                response = self._post(message, request.limits)
            try:
                waits.attach(response)
                if response.status_code >= _REFUSED:
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
                self._check_began(waits, response, decoder)
            finally:
                waits.detach()
                response.close()
        except Exception as error:
            read = b""  # it may repeat the key, and a traceback may show it
            raise self._translate(error, waits, codec, request, learned, key=key) from cause_of(error)

    async def astream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Do what `stream` does, in an event loop."""
        waits, codec, learned, key = Waits(request.limits, streaming=True), self.codec_of(request), self._learned, None
        read = b""
        try:
            key = await self._ask_key_async()
            message = self._message(codec, request, learned, key, await self._ask_headers_async(request))
            decoder = codec.decoder(request, partial(self._redact, key), waits.check)
            with limit_reads(waits):
                response = await self._post_async(message, request.limits)
            try:
                waits.attach(response)
                if response.status_code >= _REFUSED:
                    yield self._refuse(codec, request, learned, response, await aread_refusal_body(response), key=key)
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
                self._check_began(waits, response, decoder)
            finally:
                waits.detach()
                await response.aclose()
        except Exception as error:
            read = b""  # it may repeat the key, and a traceback may show it
            raise self._translate(error, waits, codec, request, learned, key=key) from cause_of(error)

    def _post(self, message: Message, limits: Limits) -> Any:
        """Send a message; give the response when its headers have come."""
        official = self._official[0]
        if official is not None:
            return official.post(**official_post(message, limits))
        client = self._clients.blocking()
        return client.send(
            self._prepare(client, message, limits, trace_connection), stream=True, follow_redirects=False
        )

    async def _post_async(self, message: Message, limits: Limits) -> Any:
        """Send a message; give the response when its headers have come."""
        official = self._official[1]
        if official is not None:
            return await official.post(**official_post(message, limits))
        client = await self._clients.awaiting()
        return await client.send(
            self._prepare(client, message, limits, atrace_connection), stream=True, follow_redirects=False
        )

    def _prepare(self, client: Any, message: Message, limits: Limits, trace: Any) -> Any:
        """Build the HTTP library's request; a client of the user's adds its own headers and cookies."""
        if self._lost_login:
            raise ConfigurationError(
                f"the login in the address of {self.where} is not pickled: "
                f"set {self.address_variable} in the environment of the process that needs it"
            )
        url = url_of(self.address, message.path)
        content = json.dumps(message.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        extensions = {"timeout": timeouts_of(limits, streaming=bool(message.body.get("stream"))), "trace": trace}
        own = self._http_clients[0] is not client and self._http_clients[1] is not client
        build = http_library().Request if own else client.build_request
        return build("POST", url if own else str(url), headers=message.headers, content=content, extensions=extensions)

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
        return Message(path, {**told, **headers}, body)

    # The key and the headers

    def _ask_key(self) -> Secret | None:
        """Give the key of this request; raises `ConfigurationError` if there is none."""
        if self._official[0] is not None:
            return None
        return self._check_key(self._key()) if callable(self._key) else self.api_key

    async def _ask_key_async(self) -> Secret | None:
        """Do what `_ask_key` does, in an event loop, where a key may be awaited."""
        if self._official[1] is not None:
            return None
        if not callable(self._key):
            return self.api_key
        key: Any = self._key()
        return self._check_key(await key if hasattr(key, "__await__") else key)

    def _check_key(self, key: Any) -> Secret:
        """Check what a function has given as the key of this request."""
        if hasattr(key, "__await__"):
            key.close()
            raise ConfigurationError("the key's function is a coroutine function: blocking calls need a plain one")
        key = Secret(key) if isinstance(key, str) else key
        if not isinstance(key, Secret) or not key:
            raise ConfigurationError(f"expected the key's function to give a text, got {type(key).__name__}")
        self._keep_out(key)
        return key

    def _ask_headers(self, request: Request) -> dict[str, str]:
        """Give the headers of this request: the provider's, and over them those of its task."""
        return {**_mapping(_call(self._headers)), **_mapping(_call(request.headers))}

    async def _ask_headers_async(self, request: Request) -> dict[str, str]:
        """Do what `_ask_headers` does, in an event loop, where headers may be awaited."""
        told = [_call(self._headers), _call(request.headers)]
        known = [await each if hasattr(each, "__await__") else each for each in told]
        return {**_mapping(known[0]), **_mapping(known[1])}

    # Answers and errors

    def _answer(self, codec: Codec, response: Any, body: bytes, key: Secret | None) -> Chunk:
        """Read the body of a whole answer."""
        if not body.strip():
            raise EmptyResponse("expected a completion, got an empty body", status=response.status_code)
        redact = partial(self._redact, key)
        try:
            return codec.decode_answer(body, redact)
        except InvalidResponse as error:
            error.status = response.status_code
            error.args = (f"{error.message} ({_kind(response, redact)}): {_advice(response)}",)
            raise

    def _check_began(self, waits: Waits, response: Any, decoder: Decoder) -> None:
        """Raise `EmptyResponse` if a stream that has ended brought no chunk at all."""
        if waits.began:
            return
        redact = partial(self._redact, None)
        got = f"{decoder.shown()!r} ({_kind(response, redact)})" if decoder.begin else "nothing"
        raise EmptyResponse(
            f"expected an event stream, got {got}: {_advice(response)}",
            status=response.status_code,
            phase="first_chunk",
            body=decoder.shown(),
        )

    def _refuse(
        self, codec: Codec, request: Request, learned: Learned, response: Any, body: bytes, *, key: Secret | None
    ) -> Chunk:
        """Raise the error that a refusal is; give the answer where the refusal has one in it."""
        from declarai_like.providers._translation import refusal_error

        refusal = codec.read_refusal(response.status_code, response.headers, body)
        if refusal.code == "json_validate_failed":  # the server read what the model said, and would not hand it out
            words = refusal.failed_generation or refusal.message
            return {"model": request.model, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
            ]}  # fmt: skip
        error = refusal_error(response, refusal, self.where, partial(self._redact, key))
        lessons = codec.learn(response.status_code, refusal, request, learned)
        for lesson in lessons - self._learned:
            of = "this schema in " if lesson.schema else ""
            logger.warning(
                "%s does not take %s%s for %s: it is left out from now on", self.where, of, lesson.field, lesson.model
            )
        self._learned |= lessons
        error.lessons = tuple(sorted({lesson.field for lesson in lessons}))
        raise error

    def _translate(
        self, error: Exception, waits: Waits, codec: Codec, request: Request, learned: Learned, *, key: Secret | None
    ) -> DeclaraiError:
        """Tell an exception from below as ours; it knows nothing of the frames below, whose locals hold the key."""
        from declarai_like.providers._translation import translate_error

        response = getattr(error, "response", None)
        if response is not None and isinstance(getattr(error, "status_code", None), int):  # the official client's
            try:
                self._refuse(codec, request, learned, response, _content_of(response), key=key)
            except Exception as refusal:
                error = refusal
        try:
            where = self.where
        except ConfigurationError as missing:
            return missing.with_traceback(None)
        return translate_error(error, where=where, redact=partial(self._redact, key), waits=waits).with_traceback(None)

    def _redact(self, key: Secret | None, value: Any) -> Any:
        """Blank out every secret of this provider in what is no part of an answer."""
        return redactor_of(self._secrets(key))(value)

    def _secrets(self, asked: Secret | None) -> list[str]:
        """Give all that nobody is to see: keys, secret headers, the login in the address or in a client."""
        secrets = [] if asked is None else [asked.plain()]
        with suppress(ConfigurationError):
            if not callable(self._key):
                secrets.append(self.api_key.plain())
        with suppress(ConfigurationError):
            secrets += address_secrets(self.address)
        if not callable(self._headers):
            secrets += header_secrets(self._headers)
        for client in self._http_clients:
            secrets += client_secrets(client)
        for client in self._official:
            if isinstance(key := getattr(client, "api_key", None), str):
                secrets.append(key)
        return secrets

    # The clients

    def _build(self) -> Any:
        self._keep_out()
        given = self._http_clients[0]
        return build_client() if given is None else given

    def _build_async(self) -> Any:
        self._keep_out()
        given = self._http_clients[1]
        return build_async_client() if given is None else given

    def _keep_out(self, key: Secret | None = None) -> None:
        """Have the secrets blanked out in what the libraries below log."""
        from declarai_like.providers._log_redaction import keep_out

        keep_out(self, *map(Secret, self._secrets(key)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be carried to another process: keys, headers that hold secrets, the connections."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_clients", "_learned")}
        headers = {} if callable(self._headers) else self._headers
        headers = {name: value for name, value in headers.items() if not is_secret_name(name)}
        state |= {"_key": None, "_headers": headers, "_http_clients": (None, None), "_official": (None, None)}
        if self._base_url and any(address_secrets(self._base_url)):
            state |= {"_base_url": shown_address(self._base_url), "_lost_login": True}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"


def _content_of(response: Any) -> bytes:
    """Give the body of a refusal that the official client has read."""
    try:
        return bytes(response.content)
    except Exception:
        return b""


def _call(headers: Any) -> Any:
    return headers() if callable(headers) else headers or {}


def _mapping(headers: Any) -> Mapping[str, str]:
    if hasattr(headers, "items"):
        return headers  # type: ignore[no-any-return]  # a mapping then
    if hasattr(headers, "close"):
        headers.close()
    raise ConfigurationError(f"expected headers= to give a mapping of names to values, got {type(headers).__name__}")


def _kind(response: Any, redact: Redact) -> str:
    """Name the kind of a body, for a message."""
    return str(redact(response.headers.get("content-type", "no content type")))


def _advice(response: Any) -> str:
    encoding = response.headers.get("content-encoding", "")
    if encoding.lower() not in _READABLE:
        return f"its content-encoding {encoding!r:.40} is not understood here"
    return "check the base_url"
