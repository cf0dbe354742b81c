"""Anthropic, and every server that speaks its Messages format."""

from __future__ import annotations

from contextlib import aclosing, closing
from time import monotonic
from typing import TYPE_CHECKING

from declarai_like._wire.accumulator import DONE
from declarai_like._wire.codecs.anthropic import AnthropicCodec
from declarai_like._wire.codecs.anthropic_pauses import PausedTurn
from declarai_like.errors import ConfigurationError
from declarai_like.providers._api_option import refuse_api
from declarai_like.providers.base import Secret
from declarai_like.providers.openai import environment
from declarai_like.providers.transport import HTTPProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from declarai_like._wire.codecs.base import Chunk, Codec
    from declarai_like.requests import Request

__all__ = ["AnthropicProvider"]

_MESSAGES = AnthropicCodec()
_BASE_URL = "https://api.anthropic.com"


class AnthropicProvider(HTTPProvider):
    """A model of Anthropic's, or of a server that speaks its format."""

    name = "anthropic"
    address_variable = "ANTHROPIC_BASE_URL"

    @property
    def address(self) -> str:
        """The base URL: the argument's, else the environment's `ANTHROPIC_BASE_URL`, else Anthropic's own."""
        return self._base_url or environment("ANTHROPIC_BASE_URL") or _BASE_URL

    @property
    def api_key(self) -> Secret:
        """The key: the argument's, else the environment's. Raises `ConfigurationError` if there is none."""
        given = None if callable(self._key) else self._key
        told = given or environment("ANTHROPIC_API_KEY")
        if told:
            return Secret(told)
        if self._base_url or environment("ANTHROPIC_BASE_URL"):
            return Secret("no-key")  # a server of one's own seldom asks for one
        raise ConfigurationError("no Anthropic key: set the environment variable ANTHROPIC_API_KEY, or give api_key=")

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the key's header."""
        return {"x-api-key": key.reveal()}

    def codec_of(self, request: Request) -> Codec:
        """Give the codec of Messages."""
        refuse_api(request, self.name)
        return _MESSAGES

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path; a base URL that ends in `/v1`, as other formats have it, is taken too."""
        path, base = codec.path(request), self.address.partition("?")[0].rstrip("/")
        return path.removeprefix("/v1") if base.endswith("/v1") else path

    # A turn that the service pauses is sent again as it is, within the time of its call.

    def send(self, request: Request) -> Chunk:
        """Send a request and wait for the whole answer."""
        turn, end = PausedTurn(request, self.origin), _end_of(request)
        chunk = turn.take(super().send(turn.next_request()))
        while turn.is_paused:
            chunk = turn.take(super().send(_within(turn.next_request(), end)))
        return chunk

    async def asend(self, request: Request) -> Chunk:
        """Do what `send` does, in an event loop."""
        turn, end = PausedTurn(request, self.origin), _end_of(request)
        chunk = turn.take(await super().asend(turn.next_request()))
        while turn.is_paused:
            chunk = turn.take(await super().asend(_within(turn.next_request(), end)))
        return chunk

    def stream(self, request: Request) -> Generator[Chunk, None, None]:
        """Send a request and give its chunks as they arrive."""
        turn, end = PausedTurn(request, self.origin), _end_of(request)
        while True:
            source = super().stream(_within(turn.next_request(), end))
            with closing(source) as chunks, closing(source):
                for chunk in chunks:
                    if chunk is not DONE or not turn.is_paused:
                        yield turn.take(chunk)
            if not turn.is_paused:
                return

    async def astream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Do what `stream` does, in an event loop."""
        turn, end = PausedTurn(request, self.origin), _end_of(request)
        while True:
            source = super().astream(_within(turn.next_request(), end))
            async with aclosing(source) as chunks, aclosing(source):
                async for chunk in chunks:
                    if chunk is not DONE or not turn.is_paused:
                        yield turn.take(chunk)
            if not turn.is_paused:
                return


def _end_of(request: Request) -> float | None:
    return None if request.limits.timeout is None else monotonic() + request.limits.timeout


def _within(request: Request, end: float | None) -> Request:
    """Give what goes on with a turn no more time than its call has left."""
    if end is None:
        return request
    left = max(end - monotonic(), 0.001)
    limits = request.limits.replace(timeout=left, timeout_set=request.limits.timeout_set or request.limits.timeout)
    return request.replace(limits=limits)
