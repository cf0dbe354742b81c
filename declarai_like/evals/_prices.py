"""What calls cost, as far as the package `genai-prices` knows."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like.completions import Usage

__all__ = ["price"]

_PROVIDERS = {"azure-openai": "azure"}
"""Names of providers that differ from ours."""


def price(provider: str, model: str, usages: Iterable[Usage | None]) -> float | None:
    """Give the price in dollars of all these answers; `None`, never 0, where it cannot be known."""
    try:
        prices: Any = importlib.import_module("genai_prices")
    except ModuleNotFoundError:
        return None
    total = 0.0
    for usage in usages:
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached = (usage.details.get("prompt_tokens_details") or {}).get("cached_tokens")
        counts = prices.Usage(
            input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, cache_read_tokens=cached or None
        )
        try:
            total += float(prices.calc_price(counts, model, provider_id=_PROVIDERS.get(provider, provider)).total_price)
        except LookupError:  # a model or provider without a known price
            return None
    return total
