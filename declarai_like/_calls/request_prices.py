"""What a request costs: whose prices hold is told by who is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from declarai_like._values.prices import price
from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like.completions import Usage
    from declarai_like.requests import Request

__all__ = ["base_url_of", "request_price"]


def request_price(request: Request, usages: Iterable[Usage | None], *, model: str | None = None) -> float | None:
    """Give the price of tokens in US dollars; `model` is the one that answered. `None` where it cannot be known."""
    name = "" if request.provider is None else request.provider.name
    # Behind the format of OpenAI may be anybody's server: its address says whose prices hold.
    base_url = base_url_of(request) if name == "openai" else None
    return price(name, model or request.model, usages, base_url=base_url)


def base_url_of(request: Request) -> str | None:
    """Give the address that is asked; `None` of a model in this process, and where it is not known."""
    provider = request.provider
    if provider is None or provider.name == "local" or not hasattr(provider, "base_url"):
        return None
    try:
        endpoint = getattr(provider, "endpoint", None)
    except ConfigurationError:  # Azure's, that is told nowhere: the call will say so
        return None
    return str(endpoint or provider.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
