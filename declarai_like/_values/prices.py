"""What answers cost, as far as the package `genai-prices` knows; its list is in the package, nothing is fetched."""

from __future__ import annotations

from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like.completions import Usage

__all__ = ["detail", "price", "price_list", "reported_price"]

_PROVIDERS = {"azure-openai": "azure"}
"""Names of providers that differ from ours."""


def price(
    provider: str | None, model: str | None, usages: Iterable[Usage | None], *, base_url: str | None = None
) -> float | None:
    """Give the price of all these answers in US dollars; `None`, never 0, where it cannot be known.

    What a provider has told of the price itself goes before its list price. Who was asked is told by the provider's
    name or, before it, by its address. Where neither is told, the model's name says who makes it.
    """
    usages = list(usages)
    told = [None if usage is None else reported_price(usage) for usage in usages]
    if usages and None not in told:
        return sum(price for price in told if price is not None)
    prices = price_list()
    if prices is None or not model:
        return None
    who: dict[str, Any] = {"provider_id": None if provider is None else _PROVIDERS.get(provider, provider)}
    if base_url is not None:
        who = {"provider_api_url": base_url}
    total = 0.0
    for usage, known in zip(usages, told, strict=True):
        if known is not None:
            total += known
            continue
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        try:
            total += float(prices.calc_price(_counts(prices, usage), model, **who).total_price)
        except (LookupError, ValueError):  # without a known price; or counts that contradict each other
            return None
    return total


def reported_price(usage: Usage) -> float | None:
    """Give what the provider says that an answer has cost: OpenRouter, DeepInfra and Perplexity do."""
    cost = usage.details.get("cost")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    cost = usage.details.get("estimated_cost") if cost is None else cost
    upstream = usage.details.get("cost_details")
    upstream = upstream.get("upstream_inference_cost") if isinstance(upstream, dict) else None
    if usage.details.get("is_byok") is True and _amount(upstream) is not None:  # paid to the maker by one's own key
        return (_amount(cost) or 0.0) + (_amount(upstream) or 0.0)
    return _amount(cost)


def _amount(told: Any) -> float | None:
    is_number = isinstance(told, (int, float)) and not isinstance(told, bool)
    return float(told) if is_number and 0 <= told < inf else None


def price_list() -> Any:
    """Import the package with the prices, which takes a moment; `None` if it is not installed."""
    try:
        return import_module("genai_prices")
    except ModuleNotFoundError:
        return None


def detail(usage: Usage, part: str, name: str) -> int | None:
    """Give a count that the provider told beside the usual ones; `None` if it did not."""
    told = usage.details.get(part)
    count = told.get(name) if isinstance(told, dict) else None
    return count if isinstance(count, int) else None


def _counts(prices: Any, usage: Usage) -> Any:
    """Count what has a price of its own; what there is none of is left out."""
    return prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=_cached(usage) or None,
        input_audio_tokens=detail(usage, "prompt_tokens_details", "audio_tokens") or None,
        output_audio_tokens=detail(usage, "completion_tokens_details", "audio_tokens") or None,
    )


def _cached(usage: Usage) -> int | None:
    """Give how many tokens of the prompt came from a cache: in the usual place, DeepSeek's or Moonshot's."""
    places = [detail(usage, "prompt_tokens_details", "cached_tokens")]
    places += [usage.details.get(name) for name in ("prompt_cache_hit_tokens", "cached_tokens")]
    return next((count for count in places if isinstance(count, int)), None)
