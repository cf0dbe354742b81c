"""Why a request failed below the HTTP library: what the network or the system said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cause_of"]


def cause_of(error: BaseException) -> OSError | None:
    """Give the innermost error of the network (`gaierror`, `SSLError`, ...) that an exception goes back to.

    It knows nothing of the frames it went through: their locals hold the key.
    """
    found = [each for each in _chain(error, set()) if isinstance(each, OSError)]
    if not found:
        return None
    cause = found[-1]
    cause.__traceback__ = cause.__cause__ = cause.__context__ = None
    return cause


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Give an exception and those below it, the innermost last."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for inner in getattr(error, "exceptions", ()):  # an ExceptionGroup, of the addresses that were tried
        yield from _chain(inner, seen)
    yield from _chain(error.__context__, seen)
    yield from _chain(error.__cause__, seen)
