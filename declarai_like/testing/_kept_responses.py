"""The responses that a scripted server keeps: what `previous_response_id` goes on after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeptResponses"]

_Body = dict[str, Any]


class KeptResponses:
    """The conversations that a server knows, each by the id of its last response."""

    def __init__(self) -> None:
        self._items: dict[str, list[Any]] = {}

    def expand(self, body: Mapping[str, Any]) -> _Body:
        """Give a body with all that was said; what came after a response that is not kept is all there is."""
        known = self._items.get(str(body.get("previous_response_id")), [])
        told = body.get("input")
        new = [{"role": "user", "content": told}] if isinstance(told, str) else list(told or ())
        return {**body, "input": [*known, *new]} if known or told is not None else dict(body)

    def keep(self, body: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """Keep a response to an expanded body, unless that forbids it."""
        if body.get("store") is not False:
            self._items[response["id"]] = [*body.get("input", ()), *response["output"]]

    def refuse(self, body: Mapping[str, Any]) -> _Body | None:
        """Give the error for a body that goes on after what is not kept, or tells results of calls nobody made."""
        previous = body.get("previous_response_id")
        if previous is not None and previous not in self._items:
            words = f"Previous response with id '{previous}' not found."
            return _error(words, "previous_response_id", "previous_response_not_found")
        items = [item for item in self.expand(body).get("input", ()) if isinstance(item, dict)]
        made = {item.get("call_id") for item in items if item.get("type") == "function_call"}
        told = [item.get("call_id") for item in items if item.get("type") == "function_call_output"]
        lost = next((call for call in told if call not in made), None)
        return None if lost is None else _error(f"No tool call found for function call output with call_id {lost}.")


def _error(message: str, param: str = "input", code: str | None = None) -> _Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
