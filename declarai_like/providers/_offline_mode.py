"""Whether models may be asked at all: tests and demos set `DECLARAI_OFFLINE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like.providers.openai import environment

if TYPE_CHECKING:
    from declarai_like.providers.base import Provider

__all__ = ["is_offline", "or_offline"]


def is_offline() -> bool:
    """Say whether the environment wants no model to be asked: `DECLARAI_OFFLINE` is set, and not to `0`."""
    return environment("DECLARAI_OFFLINE") not in {None, "0"}


def or_offline(provider: Provider) -> Provider:
    """Give a provider, or one that makes its answers up if the environment wants no model to be asked."""
    if not is_offline():
        return provider
    from declarai_like.providers.offline import OfflineProvider

    return OfflineProvider(name=provider.name, model=provider.model, streaming=provider.streaming)
