"""A run of a durable function: each call in it is a step, which is made once."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from declarai_like._calls.operations import Journal
from declarai_like._calls.request_keys import question_key
from declarai_like.errors import RunDiverged
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from collections.abc import Generator

    from declarai_like._calls.flow import Call
    from declarai_like._calls.operations import Operation
    from declarai_like.responses import Result
    from declarai_like.tools.run_stores import RunStore

__all__ = ["DurableRun"]

_FORMAT = 1
_KEPT = ("response", "model", "finish_reason", "outcome", "refusal", "reasoning", "tool_calls", "usage")
"""The fields of an answer that are kept."""


class DurableRun:
    """Numbers the calls of one run by their names; each step has a row of its own in the store."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._numbers: dict[str, count[int]] = {}

    def keep(
        self, call: Call[Any], flow: Generator[Operation, Any, Result[Any]]
    ) -> Generator[Operation, Any, Result[Any]]:
        """Make a call and keep what it brought, or give what was kept; raises `RunDiverged`."""
        step, asked = self._name_step(call.request.name), question_key(call.request)
        known = yield Journal(partial(self._read, step))
        if known is not None:
            return _restore(call, self._check(step, asked, known))
        result = yield from flow
        told = result.response.model_dump()
        state = {"v": _FORMAT, "asked": asked, "answer": {name: told[name] for name in _KEPT}}
        yield Journal(partial(self._write, step, json.dumps(state)))
        return result

    def begin_tools(self, name: str) -> tuple[RunStore, str]:
        """Give the store and the id for the run of a call with tools."""
        return self._store, self._name_step(f"{name}/tools")

    def _name_step(self, name: str) -> str:
        return f"{self._run_id}/{name}/{next(self._numbers.setdefault(name, count(1)))}"

    def _read(self, step: str) -> str | None:
        try:
            _, state = self._store.acquire(step)
        finally:
            self._store.release(step)
        return state

    def _write(self, step: str, state: str) -> None:
        self._store.commit(step, 1, state)

    def _check(self, step: str, asked: str, known: str) -> dict[str, Any]:
        """Read a step; raises `RunDiverged` if it was another question."""
        state = json.loads(known)
        if state.get("v") != _FORMAT or state["asked"] != asked:
            raise RunDiverged(
                f"the step {step!r} was made with another request: the function, its arguments or its prompts have "
                "changed since; begin a new run",
                run_id=self._run_id,
            )
        answer: dict[str, Any] = state["answer"]
        return answer


def _restore(call: Call[Any], answer: dict[str, Any]) -> Result[Any]:
    response = LLMResponse(**answer)
    value = call.value(response) if call.rounds is None else call.rounds.value(call, response)
    return call.conclude(value, response, call.request)
