"""What an endpoint answers: whole answers read, refusals and network errors told as ours, and learned from."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.base import Refusal
from declarai_like._wire.codecs.lessons import PREVIOUS, remember
from declarai_like._wire.codecs.media_tables import has_parts
from declarai_like._wire.provider_errors import REFUSED_JSON
from declarai_like.errors import BadRequestError, ConfigurationError, DefinitionError, EmptyResponse, InvalidResponse
from declarai_like.providers._bodies import unknown_encoding
from declarai_like.providers._endpoints import Endpoint
from declarai_like.requests import Prefix

if TYPE_CHECKING:
    from declarai_like._wire.codecs.base import Chunk, Codec, Decoder, Learned, Lesson, Redact
    from declarai_like.errors import DeclaraiError, ProviderError
    from declarai_like.providers._waits import Waits
    from declarai_like.providers.base import Secret
    from declarai_like.requests import Request

__all__ = ["LearningEndpoint"]

logger = logging.getLogger("declarai_like")
_BAD_REQUEST = 400


class LearningEndpoint(Endpoint):
    """An endpoint whose answers are read, and that is not sent again what it has refused."""

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the JSON body of a request, less what this server is known to refuse."""
        return self._encode(self.codec_of(request), request, self._learned)

    def _encode(self, codec: Codec, request: Request, learned: Learned) -> dict[str, Any]:
        if isinstance(request.cache, Prefix) and codec.name != "anthropic":
            raise DefinitionError(f"cache=Prefix(): {self.name} caches by itself; leave it out, or give cache='auto'")
        if request.state == "server" and codec.name != "responses":
            raise DefinitionError(
                f'state="server": {self.name} keeps no conversations in this format; OpenAI does with api="responses"'
            )
        origin = {**(self.origin or {}), "model": request.model}
        return {**codec.encode(request, learned, origin), **request.extra_body}

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Say whether a refusal has taught something, so that the same request, encoded anew, may succeed."""
        if not error.lessons and isinstance(error, BadRequestError):  # a recording's or a script's: read it once more
            words = Refusal(error.message, error.code, error.type, body=error.body)
            self._learn(self.codec_of(request), words, request, self._learned, error)
        return bool(error.lessons)

    def _answer(self, codec: Codec, response: Any, body: bytes, key: Secret | None) -> Chunk:
        """Read the body of a whole answer."""
        if not body.strip():
            raise EmptyResponse("expected a completion, got an empty body", status=response.status_code)
        redact = partial(self._redact, key)
        try:
            return codec.decode_answer(body, redact)
        except InvalidResponse as error:
            error.status = response.status_code
            error.args = (f"{error.message} ({_kind(response, redact)}): {_advice(response, redact)}",)
            raise

    def _check_began(self, waits: Waits, response: Any, decoder: Decoder, key: Secret | None) -> None:
        """Raise `EmptyResponse` if a stream that has ended brought no chunk at all."""
        if waits.began:
            return
        redact = partial(self._redact, key)
        got = f"{decoder.excerpt()!r} ({_kind(response, redact)})" if decoder.begin else "nothing"
        raise EmptyResponse(
            f"expected an event stream, got {got}: {_advice(response, redact)}",
            status=response.status_code,
            phase="first_chunk",
            body=decoder.excerpt(),
        )

    def _refuse(
        self, codec: Codec, request: Request, learned: Learned, response: Any, body: bytes, *, key: Secret | None
    ) -> Chunk:
        """Raise the error that a refusal is; give the answer where the refusal has one in it."""
        from declarai_like.providers._translation import refusal_error

        refusal = codec.read_refusal(response.status_code, response.headers, body)
        if refusal.code == REFUSED_JSON:
            words = refusal.failed_generation or refusal.message
            return {"model": request.model, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
            ]}  # fmt: skip
        redact: Redact = partial(self._redact, key)
        if has_parts(request.messages):  # what is refused may be repeated, with all its bytes
            redact = _without_bytes(redact)
        error = refusal_error(response, refusal, self.where, redact)
        self._learn(codec, refusal, request, learned, error)
        raise error

    def _learn(self, codec: Codec, refusal: Refusal, request: Request, learned: Learned, error: ProviderError) -> None:
        """Take the lessons of a refusal, and note on the error that there were some."""
        lessons = codec.learn(error.status or _BAD_REQUEST, refusal, request, learned)
        for lesson in lessons - self._learned:
            self._tell(lesson)
        self._learned = remember(self._learned, lessons)
        error.lessons = tuple(sorted({lesson.field for lesson in lessons}))

    def _tell(self, lesson: Lesson) -> None:
        if lesson.field == PREVIOUS and lesson.schema:
            logger.warning("%s keeps the reply %s no more: the whole conversation is sent", self.where, lesson.schema)
            return
        of = "this schema in " if lesson.schema else ""
        logger.warning(
            "%s does not take %s%s for %s: it is left out from now on", self.where, of, lesson.field, lesson.model
        )

    def _translate(self, error: Exception, waits: Waits, key: Secret | None) -> DeclaraiError:
        """Tell an exception from below as ours; it knows nothing of the frames below, whose locals hold the key."""
        from declarai_like.providers._translation import translate_error

        try:
            where = self.where
        except ConfigurationError as missing:
            return missing.with_traceback(None)
        return translate_error(error, where=where, redact=partial(self._redact, key), waits=waits).with_traceback(None)


def _without_bytes(redact: Redact) -> Redact:
    from declarai_like.media._blanks import blank_bytes

    return lambda value: blank_bytes(redact(value))


def _kind(response: Any, redact: Redact) -> str:
    """Name the kind of a body, for a message."""
    return str(redact(response.headers.get("content-type", "no content type")))


def _advice(response: Any, redact: Redact) -> str:
    encoding = unknown_encoding(response.headers)
    return f"its content-encoding {redact(encoding)!r:.40} is not understood here" if encoding else "check the base_url"
