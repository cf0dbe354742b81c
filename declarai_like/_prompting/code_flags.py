"""What `inspect` and `asyncio` see in a task: a function of the kind that calling it gives."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FunctionType

__all__ = ["code_of_kind", "code_without_arguments"]

_KINDS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_FLAGS = {
    (False, False): 0,
    (False, True): inspect.CO_GENERATOR,
    (True, False): inspect.CO_COROUTINE,
    (True, True): inspect.CO_ASYNC_GENERATOR,
}


def code_of_kind(function: Any, *, is_async: bool, streaming: bool) -> CodeType:
    """Give a function's code as that of a plain, generator, coroutine or async generator function.

    `inspect.iscoroutinefunction` and its kin read the flags of whatever has a function's attributes, on every Python;
    the mark that `inspect.markcoroutinefunction` sets came with 3.12, and there is none for generators.
    """
    inner: FunctionType = inspect.unwrap(function)
    return _with_flags(inner.__code__, _FLAGS[is_async, streaming])


def code_without_arguments(code: CodeType) -> CodeType:
    """Give the code of a function of the same kind that takes no arguments."""
    return _with_flags(_take_nothing.__code__, code.co_flags & _KINDS)


@lru_cache(maxsize=1024)
def _with_flags(code: CodeType, flags: int) -> CodeType:
    return code.replace(co_flags=code.co_flags & ~_KINDS | flags)


def _take_nothing() -> None: ...
