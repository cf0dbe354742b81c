"""The runs of calls with tools: what they are called, where they are kept, and which decisions are taken."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from declarai_like.serve._problems import Problem
from declarai_like.tools import Answer, Approve, Deny, InMemoryRuns, Provide, Rerun

if TYPE_CHECKING:
    from declarai_like.tools.decisions import Decision

__all__ = ["AppRuns", "RunName", "no_such_run", "read_decisions"]

_RUN = re.compile(r"(?P<kind>task|chat)\.(?P<whose>.+)\.[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RunName:
    """Whose run it is: a task's, or that of a session of a chat."""

    name: str
    session: str | None = None

    def make(self) -> str:
        """Give the id of a new run. Its end is random: who was not told it cannot know it."""
        parts = ("task", self.name) if self.session is None else ("chat", self.name, self.session)
        return ".".join((*parts, token_hex(16)))

    @classmethod
    def read(cls, run_id: str) -> RunName:
        """Read whose run it is; raises `Problem` for what no run here is called."""
        match = _RUN.fullmatch(run_id)
        if match is None:
            raise no_such_run()
        if match["kind"] == "task":
            return cls(match["whose"])
        name, _, session = match["whose"].rpartition(".")
        return cls(name, session)


class AppRuns(InMemoryRuns):
    """The runs of an app that was given no store: the newest of those that wait, or have waited.

    A run that never waited is forgotten with its call.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._waited: dict[str, None] = {}

    def release(self, run_id: str) -> None:
        """End the work on a run, and forget what nobody can ask for any more."""
        with self._lock:
            super().release(run_id)
            _, state, _ = self._runs.get(run_id, (0, "", 0.0))
            if run_id not in self._waited and not (state and _waits(state)):
                self._runs.pop(run_id, None)
                return
            self._waited.pop(run_id, None)
            self._waited[run_id] = None
            for oldest in list(self._waited)[: -self._limit]:
                del self._waited[oldest]
                self._runs.pop(oldest, None)


def _waits(state: str) -> bool:
    told = json.loads(state)
    return "waits" in told or any(call["stage"] == "waiting" for call in told["pending"])


def read_decisions(body: dict[str, Any]) -> tuple[int, dict[str, Decision]]:
    """Read the round that is decided about, and the decision about each call; raises `Problem` for anything else."""
    number, told = body.pop("round", None), body.pop("decisions", None)
    if body or not isinstance(number, int) or isinstance(number, bool) or not isinstance(told, dict):
        raise Problem(422, "expected a JSON object of round, a number, and decisions, an object")
    return number, {call_id: _read_decision(decision) for call_id, decision in told.items()}


def _read_decision(told: Any) -> Decision:
    if isinstance(told, bool):
        return told
    word, value = next(iter(told.items())) if isinstance(told, dict) and len(told) == 1 else (None, None)
    if word == "approve" and isinstance(value, dict):
        return Approve(**value)
    if word == "deny" and isinstance(value, str):
        return Deny(value)
    if word == "answer" and isinstance(value, list):
        return Answer(*value)
    if word == "rerun" and value is True:
        return Rerun()
    if word == "provide":
        return Provide(value)
    raise Problem(
        422,
        "a decision is true, false, or an object of one: approve (an object of arguments), deny (a text), "
        "answer (a list), provide (a value), rerun (true)",
    )


def no_such_run() -> Problem:
    """Say that there is no such run, or none any more."""
    return Problem(404, "there is no such run")
