"""Asking another model when one does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors import DefinitionError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.requests import Request

__all__ = ["fallback", "redirect", "require_models"]


class Fallback:
    """The middleware that `fallback` makes; an object, so that it can be pickled."""

    __slots__ = ("_llms", "_when")

    def __init__(self, llms: tuple[Any, ...], when: Callable[[ProviderError], bool] | None) -> None:
        self._llms = llms
        self._when = when

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send, and send to the next model while nothing has come."""
        for llm in self._llms:
            try:
                return (yield from send(request))
            except ProviderError as error:
                was_shown = error.response is not None and error.phase == "stream"
                if was_shown or not (self._when is None or self._when(error)):
                    raise
            request = redirect(llm, request)
        return (yield from send(request))

    def __repr__(self) -> str:
        return f"fallback({', '.join(map(repr, self._llms))})"


def fallback(*llms: Any, when: Callable[[ProviderError], bool] | None = None) -> Middleware:
    """Make a middleware that asks these models, one after the other, when the task's own does not answer.

    Each `ProviderError` before the first chunk counts, after the retries of the model that failed, unless `when` is
    given and says no to it; once a part of an answer has been shown nothing else is asked. Each model gets the task's
    parameters over its own, its own `api`, `cache` and `max_concurrency`; the call's time limits stay as they are. The
    error of the last one is raised; its `attempts` tell all. A model of another vendor gets the request in
    that vendor's format, without the state that the first one keeps in a conversation. A task's `headers` and
    `extra_body` go to the service that they were meant for, and to no other.

    >>> import declarai_like as declarai
    >>> spare = declarai.anthropic(model="claude-haiku-4-5", llm_params={"max_tokens": 1000})
    >>> llm = declarai.openai(model="gpt-4o-mini", middlewares=[fallback(spare)])
    """
    require_models(*llms)
    if not llms:
        raise DefinitionError("expected at least one model to fall back to, got none")
    return Fallback(llms, when)


def require_models(*llms: Any) -> None:
    """Raise `DefinitionError` for what is no model."""
    for llm in llms:
        if not (hasattr(llm, "llm") and hasattr(llm, "options")):
            raise DefinitionError(f"expected models, as declarai.openai() or declarai.local() give, got {llm!r:.200}")


def redirect(llm: Any, request: Request) -> Request:
    """Turn a request to another model; headers and fields of the body that are meant for one service stay with it."""
    provider, options = llm.llm, llm.options
    own = () if _is_same_service(provider, request.provider) else _OF_SERVICE
    return request.replace(
        provider=provider,
        model=options.model or provider.model,
        params={**options.llm_params, **request.params},
        api=options.api,
        cache=options.cache,
        limits=request.limits.replace(slots=options.limits.slots),
        **{name: getattr(options, name) for name in own},
    )


_OF_SERVICE = ("headers", "extra_body", "state")
"""What may hold a key, or mean something to one service only."""


def _is_same_service(one: Any, other: Any) -> bool:
    origins = [getattr(provider, "origin", None) for provider in (one, other)]
    return origins[0] == origins[1] and one.name == getattr(other, "name", None)
