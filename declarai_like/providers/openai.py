"""OpenAI, and every server that speaks its format.

Requests go through the official client: its authentication and its connection pool. The bytes that
come back are read here, which costs an eighth of what the client's own objects cost.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.chat import ChunkDecoder, decode_answer
from declarai_like.errors import BadRequestError, ConfigurationError, EmptyResponse, InvalidResponse, ServerError
from declarai_like.providers._bodies import ajoined, areads_of, joined, reads_of
from declarai_like.providers._causes import cause_of
from declarai_like.providers._clients import Clients
from declarai_like.providers._guards import awatched, guarded, watched
from declarai_like.providers._secrets import (
    address_secrets,
    check_address,
    client_secrets,
    header_secrets,
    is_secret_name,
    redactor_of,
    shown_address,
)
from declarai_like.providers._waits import Waits
from declarai_like.providers.base import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from declarai_like._outputs.schemas import Dialect
    from declarai_like.errors import DeclaraiError, ProviderError
    from declarai_like.requests import Limits, Request

__all__ = ["OpenAIProvider", "environment"]

_PATHS = {"chat": "/chat/completions", "completion": "/completions"}
_OPTIONAL = ("stream_options", "response_format")


def environment(*names: str) -> str | None:
    """Give the first of these environment variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


class OpenAIProvider:
    """A model of OpenAI's, or of a server that speaks its format."""

    name = "openai"
    _lost_login = False
    """Whether a login stood in the address of the provider that this one was pickled from."""

    @property
    def provider(self) -> str:
        """The provider's name, as declarai spells it."""
        return self.name

    def __init__(
        self,
        model: str,
        *,
        key: Secret | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        streaming: bool = False,
        http_client: Any = None,
        http_async_client: Any = None,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.streaming = streaming
        self._key = key
        self._headers = dict(headers or {})
        self._http_clients = (http_client, http_async_client)
        self._start()

    def _start(self) -> None:
        owns, owns_async = (client is None for client in self._http_clients)
        self._clients = Clients(self._build, self._build_async, owns=owns, owns_async=owns_async)
        self._refused: set[str] = set()
        """What this server has refused to understand: sent no more."""

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        told = self._key or environment("DECLARAI_OPENAI_API_KEY", "OPENAI_API_KEY")
        if told:
            return Secret(told)
        if self.base_url or environment("OPENAI_BASE_URL"):
            return Secret("no-key")  # a server of one's own seldom asks for one, but the client wants some
        raise ConfigurationError(
            "no OpenAI key: set the environment variable OPENAI_API_KEY (or DECLARAI_OPENAI_API_KEY), "
            "or give openai_token=; declarai_like.local() needs none"
        )

    @property
    def schema_dialect(self) -> Dialect:
        """What this server's strict mode understands of a schema: OpenAI's is known, others' by what all do."""
        address = self.base_url or environment("OPENAI_BASE_URL")
        return "common" if address and "api.openai.com" not in str(address) else "openai"

    @property
    def where(self) -> str:
        """The provider and its address, for messages."""
        return f"{self.name} at {shown_address(self._address())}"

    def _address(self) -> str:
        """Give the address as it was told: it may hold a login."""
        return self.base_url or environment("OPENAI_BASE_URL") or "https://api.openai.com/v1"

    def _checked_address(self) -> str:
        """Give the address; raises `ConfigurationError` for one that no request can be sent to."""
        address = self._address()
        check_address(address)
        if self._lost_login:
            raise ConfigurationError(
                f"the login in the address of {self.where} is not pickled: "
                "set OPENAI_BASE_URL in the environment of the process that needs it"
            )
        return address

    def _build(self) -> Any:
        from openai import OpenAI

        return OpenAI(http_client=watched(self._http_clients[0]), **self._client_settings())

    def _build_async(self) -> Any:
        from openai import AsyncOpenAI

        return AsyncOpenAI(http_client=awatched(self._http_clients[1]), **self._client_settings())

    def _client_settings(self) -> dict[str, Any]:
        from declarai_like.providers._log_redaction import keep_out

        key = self.api_key
        keep_out(self, *map(Secret, self._secrets()))
        return {
            "api_key": key.reveal(),
            "base_url": self._checked_address(),
            "default_headers": self._headers,
            "max_retries": 0,  # our own `retry` is in charge: it knows the deadline and records the attempts
        }

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the JSON body of a request, less what this server is known to refuse."""
        body = self._encode(request)
        for name in self._refused & body.keys():
            del body[name]
        return body

    def _encode(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": request.model, **request.params}
        if request.kind == "chat":
            body["messages"] = [message.wire() for message in request.messages]
        else:
            body["prompt"] = request.prompt
        if request.tools:
            body["tools"] = list(request.tools)
        if request.response_format is not None:
            body["response_format"] = request.response_format
        if request.stream:
            body["stream"] = True
            body.setdefault("stream_options", {"include_usage": True})
        return body

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Learn from a refusal what this server does not know; say whether asking again makes sense.

        It does too when another call has learned it in the meantime.
        """
        if not isinstance(error, (BadRequestError, ServerError)):
            return False
        said = f"{error.message} {error.body}"
        full = self._encode(request)
        refused = {name for name in _OPTIONAL if name in full and (name in said or _alias(name) in said)}
        self._refused |= refused
        return bool(refused)

    def send(self, request: Request) -> dict[str, Any]:
        """Send a request and wait for the whole answer."""
        waits = Waits(request.limits, streaming=False)
        try:
            client = self._clients.blocking()
            with guarded(waits):
                response = client.post(**self._post(request))
            try:
                waits.attach(response)
                return self._answer(response, joined(reads_of(response), request.limits.answer_bytes))
            finally:
                waits.detach()
                response.close()
        except Exception as error:
            raise self._translate(error, waits) from cause_of(error)

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        waits = Waits(request.limits, streaming=False)
        try:
            client = await self._clients.awaiting()
            with guarded(waits):
                response = await client.post(**self._post(request))
            try:
                waits.attach(response)
                return self._answer(response, await ajoined(areads_of(response), request.limits.answer_bytes))
            finally:
                waits.detach()
                await response.aclose()
        except Exception as error:
            raise self._translate(error, waits) from cause_of(error)

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Send a request and give its chunks as they arrive."""
        waits = Waits(request.limits, streaming=True)
        decoder = self._decoder(request, waits)
        read = b""
        try:
            client = self._clients.blocking()
            with guarded(waits):
                response = client.post(**self._post(request))
            try:
                waits.attach(response)
                reads, feed = reads_of(response), decoder.feed
                try:
                    for read in reads:
                        for chunk in feed(read):
                            waits.heard = True
                            yield chunk
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
            raise self._translate(error, waits) from cause_of(error)

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        waits = Waits(request.limits, streaming=True)
        decoder = self._decoder(request, waits)
        read = b""
        try:
            client = await self._clients.awaiting()
            with guarded(waits):
                response = await client.post(**self._post(request))
            try:
                waits.attach(response)
                reads, feed = areads_of(response), decoder.feed
                try:
                    async for read in reads:
                        for chunk in feed(read):
                            waits.heard = True
                            yield chunk
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
            raise self._translate(error, waits) from cause_of(error)

    def _decoder(self, request: Request, waits: Waits) -> ChunkDecoder:
        limit, choices = request.limits.answer_bytes, request.params.get("n") or 1
        return ChunkDecoder(self._redact, limit, choices=choices, check_time=waits.check)

    def _post(self, request: Request) -> dict[str, Any]:
        """Give the arguments of the official client's `post`."""
        return {
            "path": _PATHS[request.kind],
            "body": self.encode(request),
            "cast_to": _http_response(),
            "stream": True,  # the body is read here, also that of a whole answer: it costs less, and it has a limit
            "options": {
                "timeout": _timeout(request.limits, streaming=request.stream),
                # A redirect would carry the prompt, and an `api-key` header, to another host.
                "follow_redirects": False,
                # Compressed events wait in a buffer until there are enough of them.
                "headers": {"Accept-Encoding": "identity"} if request.stream else {},
            },
        }

    def _answer(self, response: Any, body: bytes) -> dict[str, Any]:
        """Read the body of a whole answer."""
        if not body.strip():
            raise EmptyResponse("expected a completion, got an empty body", status=response.status_code)
        try:
            return decode_answer(body, self._redact)
        except InvalidResponse as error:
            error.status = response.status_code
            error.args = (f"{error.message} ({self._kind(response)}): check the base_url",)
            raise

    def _check_began(self, waits: Waits, response: Any, decoder: ChunkDecoder) -> None:
        """Raise `EmptyResponse` if a stream that has ended brought no chunk at all."""
        if waits.began:
            return
        got = f"{decoder.shown()!r} ({self._kind(response)})" if decoder.begin else "nothing"
        raise EmptyResponse(
            f"expected an event stream, got {got}: check the base_url",
            status=response.status_code,
            phase="first_chunk",
            body=decoder.shown(),
        )

    def _kind(self, response: Any) -> str:
        """Name the kind of a body, for a message."""
        return str(self._redact(response.headers.get("content-type", "no content type")))

    def _translate(self, error: Exception, waits: Waits) -> DeclaraiError:
        """Tell an exception from below as ours; it knows nothing of the frames below, whose locals hold the key."""
        from declarai_like.providers._translation import translate_error

        ours = translate_error(error, where=self.where, redact=self._redact, waits=waits)
        return ours.with_traceback(None)

    def _redact(self, value: Any) -> Any:
        """Blank out the key, headers and addresses that hold secrets in what is no part of an answer."""
        return redactor_of(self._secrets())(value)

    def _secrets(self) -> list[str]:
        """Give all that nobody is to see: the key, secret headers, the login in the address or in a client."""
        secrets = [*header_secrets(self._headers), *address_secrets(self._address())]
        for client in self._http_clients:
            secrets += client_secrets(client)
        with suppress(ConfigurationError):  # there may be no key
            secrets.append(self.api_key.plain())
        return secrets

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be carried to another process: the key, headers that hold secrets, the connections."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_clients", "_refused")}
        headers = {name: value for name, value in self._headers.items() if not is_secret_name(name)}
        state |= {"_key": None, "_headers": headers, "_http_clients": (None, None)}
        if self.base_url and any(address_secrets(self.base_url)):
            state |= {"base_url": shown_address(self.base_url), "_lost_login": True}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"


@cache
def _http_response() -> Any:
    """Find the response class of the HTTP library below the official client: httpx, or httpx2 since 3.0."""
    from openai import DefaultHttpxClient

    library = DefaultHttpxClient.__mro__[1].__module__
    return sys.modules[library].Response


def _timeout(limits: Limits, *, streaming: bool) -> Any:
    """Give the limits for the way to the first byte; `Waits` has those for the rest."""
    from openai import Timeout

    told = [limits.timeout, limits.first_chunk if streaming else None]
    most = min((limit for limit in told if limit is not None), default=None)
    connect = min((limit for limit in (most, limits.connect) if limit is not None), default=None)
    return Timeout(most, connect=connect)


def _alias(name: str) -> str:
    return "json_schema" if name == "response_format" else name
