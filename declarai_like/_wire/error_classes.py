"""Which error a provider's refusal is: by its HTTP status, or by the provider's own code."""

from __future__ import annotations

from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerError,
)

__all__ = ["class_of"]

_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    408: ProviderTimeout,
    429: RateLimited,
}
_BY_CODE: dict[object, type[ProviderError]] = {
    "insufficient_quota": RateLimited,
    "invalid_api_key": AuthenticationError,
    "model_not_found": NotFoundError,
    "rate_limit_exceeded": RateLimited,
}


def class_of(status: int | None, code: object = None) -> type[ProviderError]:
    """Find the class of a provider's refusal by its HTTP status, or by the provider's code if there is none."""
    if status is None:
        return _BY_CODE.get(code, ProviderError) if isinstance(code, str) else ProviderError
    if status >= 500:  # noqa: PLR2004 - HTTP's own border
        return ServerError
    return _BY_STATUS.get(status, BadRequestError if status >= 300 else ProviderError)  # noqa: PLR2004 - HTTP's own border
