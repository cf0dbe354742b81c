"""What calls cost together, in US dollars: reserved before a request, corrected after it, watched in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.counters import Amount
from declarai_like._calls.prompt_tokens import count_prompt_tokens
from declarai_like._calls.request_prices import request_price
from declarai_like._values.prices import price, price_list
from declarai_like._wire.deltas import choices_of
from declarai_like.completions import Usage
from declarai_like.errors import BudgetReached, DefinitionError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["MeteredReader", "Purse", "Reservation"]

_UNITS = 10_000_000
"""So many units are a dollar: sums are counted in whole ones, without a lock."""
_MANY = 1_000_000
_LIMITS_OF_ANSWERS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Purse:
    """What a block of calls may spend, and has spent. Nothing in it is locked; see `Counter`."""

    def __init__(self, most: float, *, ignores_unknown: bool) -> None:
        if price_list() is None:
            raise MissingExtra('limits(usd=) needs the prices of models: pip install "declarai-like[prices]"')
        self.most = most
        self._ignores_unknown = ignores_unknown
        self._spent, self._reserved, self._released = Amount(), Amount(), Amount()

    @property
    def spent(self) -> float:
        """What the answers have cost so far, in dollars."""
        return self._spent.value / _UNITS

    @property
    def reserved(self) -> float:
        """What the requests that are under way may cost, in dollars."""
        released = self._released.value  # first: what is reserved meanwhile is not taken for released
        return (self._reserved.value - released) / _UNITS

    def reserve(self, request: Request) -> Reservation | None:
        """Set aside what a request may cost; `None` if its price is not known, and that is ignored.

        Raises `BudgetReached`, and sets nothing aside, if it might pass the limit, and `DefinitionError` for a
        request whose price is not known.
        """
        prompt = count_prompt_tokens(request)
        answer = next((request.params[name] for name in _LIMITS_OF_ANSWERS if request.params.get(name)), 0)
        expected = _cost(request, [Usage(prompt, answer * (request.params.get("n") or 1), None)])
        rate = _cost(request, [Usage(0, _MANY, None)])
        if expected is None or rate is None:
            if self._ignores_unknown:
                return None
            raise DefinitionError(
                f"limits(usd=) cannot count {request.model!r}: its price is not known; nothing was sent. "
                'unknown="ignore" counts only what is known'
            )
        units = round(expected * _UNITS)
        self._reserved.add(units)
        if self.reserved + self.spent > self.most:  # in this order: what is settled meanwhile is not overlooked
            self._released.add(units)
            raise BudgetReached(
                f"the limit usd={self.most:g} of this `with limits(...)` might be passed: {self.spent:.4f} is spent, "
                f"and this request may cost {expected:.4f}: nothing was sent"
            )
        prompt_price = _cost(request, [Usage(prompt, 0, None)]) or 0.0
        return Reservation(self, units, prompt_price, rate / _MANY)

    def settle(self, units: int, cost: float) -> None:
        """Count what it has cost, then take back what was set aside: in between it counts twice, never not at all."""
        self._spent.add(round(cost * _UNITS))
        self._released.add(units)


class Reservation:
    """What is set aside for one request that is under way."""

    def __init__(self, purse: Purse, units: int, prompt_price: float, rate: float) -> None:
        self._purse = purse
        self._units = units
        self._rate = rate
        self.estimate = prompt_price
        """What it has cost so far, by an estimate of what has come."""

    def watch(self, tokens: float) -> str | None:
        """Count tokens that have come; say what is wrong if the limit is passed by now."""
        self.estimate += tokens * self._rate
        others = self._purse.reserved - self._units / _UNITS
        total = max(0.0, others) + self._purse.spent + self.estimate
        if total <= self._purse.most:
            return None
        return f"the limit usd={self._purse.most:g} of this `with limits(...)` is passed, at about {total:.4f}"

    def give_up(self) -> None:
        """Count a request whose answer nobody reads, by the estimate."""
        self._purse.settle(self._units, self.estimate)

    def settle(self, request: Request, response: LLMResponse | None) -> None:
        """Count what an answer has cost; one that broke off before it told its tokens, by the estimate."""
        cost: float | None = 0.0
        if response is not None:
            cost = _cost(request, [response.usage], model=response.model) if response.usage else None
        self._purse.settle(self._units, self.estimate if cost is None else cost)


class MeteredReader:
    """Reads chunks as the reader behind it does, and ends the call when its budget is passed."""

    __slots__ = ("_reader", "_reservations")

    def __init__(self, reader: Any, reservations: tuple[Reservation, ...]) -> None:
        self._reader = reader
        self._reservations = reservations

    def feed(self, raw: dict[str, Any]) -> Any:
        """Take in a chunk; raises `BudgetReached` if that is one too many."""
        shown = self._reader.feed(raw)
        tokens = _tokens_in(raw)
        for reservation in self._reservations if tokens else ():
            complaint = reservation.watch(tokens)
            if complaint:
                raise BudgetReached(f"{complaint}: the stream is closed; what had come is in `response`")
        return shown

    def finish(self) -> LLMResponse:
        """Close the answer."""
        response: LLMResponse = self._reader.finish()
        return response


def _cost(request: Request, usages: list[Usage | None], *, model: str | None = None) -> float | None:
    """Give a price by who is asked; behind an address that is not known, by the maker of the model, as `cost` does."""
    known = request_price(request, usages, model=model)
    return price(None, model or request.model, usages) if known is None else known


def _tokens_in(raw: Mapping[str, Any]) -> float:
    """Estimate the tokens that a chunk of a stream has brought."""
    deltas = [choice.get("delta") for _, choice in choices_of(raw)]
    texts = [
        text
        for delta in deltas
        if isinstance(delta, dict)
        for text in (delta.get("content"), delta.get("reasoning_content"), delta.get("reasoning"))
        if isinstance(text, str)
    ]
    return sum(len(text) / 4 if text.isascii() else len(text.encode(errors="replace")) / 3 for text in texts)
