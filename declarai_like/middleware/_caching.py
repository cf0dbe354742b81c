"""Answers that are kept, and requests that are made once for all who ask the same at the same time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._calls.operations import Journal
from declarai_like._calls.request_keys import request_key
from declarai_like._calls.values import value_of
from declarai_like.errors import DefinitionError, OutputError
from declarai_like.middleware._cache_stores import CacheStore, InMemoryCache, SQLiteCache
from declarai_like.middleware._kept_answers import KeptAnswer, RecordingProvider, dump_rows
from declarai_like.middleware._shared_requests import SharedRequests

if TYPE_CHECKING:
    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like._outputs.output import Output
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["CacheStore", "InMemoryCache", "SQLiteCache", "cache"]


def cache(
    store: CacheStore, *, ttl: float | None = None, share: bool = False, only_deterministic: bool = True
) -> Middleware:
    """Make a middleware that keeps whole answers, and gives them again for an equal request.

    Two requests are equal if the same server would be sent the same body: model, messages, parameters, schema. Only
    complete answers that are of their type are kept, for `ttl` seconds (for ever without it). An answer that was kept
    streams the same chunks again; its response says `cached`, has the `usage` that it once had, and costs nothing.

    Requests whose `temperature` is not 0 are not kept unless `only_deterministic=False`; requests with tools never are.
    With `share=True` equal requests that are under way at the same time, from threads and event loops, are made once:
    all get all chunks, and the connection is closed when the last one leaves.

    Raises `DefinitionError` for a `store` that is none, or a `ttl` that is not positive.

    >>> import declarai_like as declarai
    >>> from declarai_like.middleware import InMemoryCache
    >>> llm = declarai.openai(model="gpt-4o-mini", middlewares=[cache(InMemoryCache(), ttl=3600)])
    """
    if not isinstance(store, CacheStore):
        raise DefinitionError(f"expected a store, as SQLiteCache(path) or InMemoryCache(), got {store!r:.80}")
    if ttl is not None and not ttl > 0:
        raise DefinitionError(f"expected ttl to be a positive number of seconds, got {ttl!r}")
    return Cache(store, ttl, SharedRequests() if share else None, only_deterministic=only_deterministic)


class Cache:
    """The middleware that `cache` makes."""

    def __init__(
        self, store: CacheStore, ttl: float | None, shared: SharedRequests | None, *, only_deterministic: bool
    ) -> None:
        self._store = store
        self._ttl = ttl
        self._shared = shared
        self._only_deterministic = only_deterministic

    def __call__(self, request: Request, send: Next) -> Flow:
        """Give what is kept, or ask and keep it."""
        if not self._takes(request):
            return (yield from send(request))
        key = request_key(request)
        kept = yield Journal(partial(self._store.get, key))
        if kept is not None:
            return (yield from send(_of_provider(request, KeptAnswer(request.provider, kept))))
        if self._shared is None:
            return (yield from self._ask(request, send, key))
        return (yield from self._ask_together(self._shared, request, send, key))

    def _ask(self, request: Request, send: Next, key: str) -> Flow:
        """Ask, and keep what came if it is whole."""
        recorder = RecordingProvider(request.provider)
        response = yield from send(request.replace(provider=recorder))
        if _is_worth_keeping(response, request):
            yield Journal(partial(self._store.set, key, dump_rows(recorder.rows), self._ttl))
        return response

    def _ask_together(self, shared: SharedRequests, request: Request, send: Next, key: str) -> Flow:
        """Ask once for all who ask the same now; the first one who has the whole answer keeps it."""
        provider = shared.provider(key, request.provider, partial(self._store.get, key))
        response = yield from send(request.replace(provider=provider))
        is_keeper = provider.claim()
        try:
            if is_keeper and _is_worth_keeping(response, request):
                yield Journal(partial(self._store.set, key, dump_rows(provider.rows), self._ttl))
        finally:
            if is_keeper:
                provider.forget()  # not before it is kept: who asks in between would ask anew
        return response

    def _takes(self, request: Request) -> bool:
        """Say whether the answer to a request may be kept: equal ones would get an equal answer."""
        if request.tools or request.provider is None:
            return False
        return not self._only_deterministic or request.params.get("temperature") == 0

    def __reduce__(self) -> Any:
        options: dict[str, Any] = {
            "ttl": self._ttl,
            "share": self._shared is not None,
            "only_deterministic": self._only_deterministic,
        }
        return partial(cache, **options), (self._store,)

    def __repr__(self) -> str:
        return f"cache({self._store!r})"


def _of_provider(request: Request, provider: KeptAnswer) -> Request:
    """Give a request that is answered at once: it waits for no slot."""
    return request.replace(provider=provider, limits=request.limits.replace(slots=None))


def _is_worth_keeping(response: LLMResponse, request: Request) -> bool:
    """Say whether an answer is whole, and of its type: another one would be wrong for ever."""
    return response.outcome == "complete" and (request.output is None or _has_value(response, request.output))


def _has_value(response: LLMResponse, output: Output[Any]) -> bool:
    try:
        value_of(response, output)
    except OutputError:
        return False
    return True
