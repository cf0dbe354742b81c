"""What stands in for every provider of this process, for a while: a recording, a scripted model."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from declarai_like.providers.base import Provider

    StandIn = Callable[[Provider], Provider]

# Not a context variable: a test's threads begin with an empty context, and what they ask must not reach a network.
_in_use: tuple[StandIn, ...] = ()


def stand_in_for(provider: Provider) -> Provider:
    """Give what is asked in a provider's place: the provider itself, outside of tests."""
    if getattr(provider, "stands_before", False):
        return provider  # it asks here itself, for the one behind it
    for stand_in in _in_use:
        provider = stand_in(provider)
    return provider


@contextmanager
def standing_in(stand_in: StandIn, *, behind: bool = False) -> Iterator[None]:
    """Put something in the place of all providers: in front of what is there already, or behind it."""
    global _in_use  # noqa: PLW0603 - the one place, see above
    _in_use = (stand_in, *_in_use) if behind else (*_in_use, stand_in)
    try:
        yield
    finally:
        _in_use = tuple(other for other in _in_use if other is not stand_in)
