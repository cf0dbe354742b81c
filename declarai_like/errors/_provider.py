"""Errors of the other side: it refused, failed, or went away."""

from __future__ import annotations

from typing import Any

from declarai_like.errors._base import CallError

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "EmptyResponse",
    "InvalidResponse",
    "NotFoundError",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderTimeout",
    "RateLimited",
    "ServerError",
    "StreamInterrupted",
]


class ProviderError(CallError):
    """The provider refused, failed, or could not be reached.

    `status` is the HTTP status, `code` and `type` are the provider's own words, `body` is what it
    sent (secrets removed), `retry_after` is in seconds, `phase` is where it broke: `"connect"`,
    `"request"`, `"first_chunk"` or `"stream"`. `response` holds what had arrived of a stream. `retryable` says
    whether the same request may succeed later; `attempts` are all tries of the call, the last one last. `lessons`
    names the fields that the provider leaves out from now on, because of this refusal.
    """

    may_pass = False
    """Whether errors of this class are retryable, if the provider does not say."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | int | None = None,
        type: str | None = None,  # noqa: A002 - the provider's own field name
        request_id: str | None = None,
        retry_after: float | None = None,
        phase: str = "request",
        body: Any = None,
        retryable: bool | None = None,
        **evidence: Any,
    ) -> None:
        """Take the facts of the failure; `evidence` is what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.retryable = self.may_pass if retryable is None else retryable
        self.status = status
        self.code = code
        self.type = type
        self.request_id = request_id
        self.retry_after = retry_after
        self.phase = phase
        self.body = body
        self.lessons: tuple[str, ...] = ()


class ProviderConnectionError(ProviderError):
    """The provider could not be reached, or the connection broke before an answer."""

    may_pass = True


class ProviderTimeout(ProviderError):
    """The provider did not answer within the time limit; `phase` says which one."""

    may_pass = True


class AuthenticationError(ProviderError):
    """The provider did not accept the key (401) or forbids the use of the model (403)."""


class NotFoundError(ProviderError):
    """The provider knows no such model or address (404)."""


class BadRequestError(ProviderError):
    """The provider did not accept the request; the same request will fail again."""


class RateLimited(ProviderError):
    """Too many requests (wait `retry_after` seconds), or no quota is left (`code` says so)."""

    may_pass = True

    def __init__(self, message: str = "", *, code: str | int | None = None, **facts: Any) -> None:
        """Take the facts; waiting does not help when the quota is used up."""
        if code == "insufficient_quota":
            facts["retryable"] = False
        super().__init__(message, code=code, **facts)


class ServerError(ProviderError):
    """The provider failed by itself (5xx)."""

    may_pass = True


class InvalidResponse(ProviderError):
    """What came is not a model's answer: a web page, broken JSON, a foreign format."""


class EmptyResponse(InvalidResponse):
    """The provider ended its answer without sending any of it."""


class StreamInterrupted(ProviderError):
    """The stream ended before the answer did; `response` holds the text that had arrived."""
