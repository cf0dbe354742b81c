"""The turn of a conversation that waits for decisions, as other processes find it in the run store.

Beside the runs the store has a note for each conversation that has ever waited: which run is its last one. Whether that
one still waits, its own state tells; so nobody has to take the note away.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._calls.approvals import turn_if_denied
from declarai_like._calls.operations import Journal
from declarai_like.errors import RunBusy, RunError
from declarai_like.tools.run_states import RunState

if TYPE_CHECKING:
    from collections.abc import Generator

    from declarai_like._calls.operations import Operation
    from declarai_like._calls.protocols import ConversationTurn
    from declarai_like.tools.run_stores import RunStore

__all__ = ["end_waiting", "note_waiting", "settle_waiting"]

_TRIES = 100
_SECONDS = 0.02


def settle_waiting(store: RunStore, conversation: ConversationTurn, own_run: str) -> Generator[Operation, Any, None]:
    """Find out whether a turn of a conversation still waits, also for another process; give its run up if it is denied.

    Raises `RunBusy` while somebody goes on with it.
    """
    known, name = conversation.waiting_run, conversation.session_id
    if known is not None and known != own_run and (yield Journal(partial(_is_over, store, known))):
        conversation.note_waiting(None)
        known = None
    if known is None and name is not None:
        conversation.note_waiting((yield Journal(partial(_find_waiting, store, name, own_run))))
    given_up = conversation.given_up
    if given_up is not None:
        yield Journal(partial(_give_up, store, given_up))


def note_waiting(store: RunStore, conversation: str, run_id: str) -> None:
    """Note that a turn of a conversation waits, in this run."""
    name = _note_name(conversation)
    version, _ = _acquire(store, name)
    try:
        store.commit(name, version + 1, json.dumps({"waits": run_id}))
    finally:
        store.release(name)


def end_waiting(store: RunStore, conversation: str) -> None:
    """Give up the run of a turn that waits, if one does: its conversation is forgotten."""
    waiting = _find_waiting(store, conversation)
    if waiting is not None and waiting.run_id is not None:
        _give_up(store, waiting.run_id)


def _find_waiting(store: RunStore, conversation: str, own_run: str | None = None) -> RunError | None:
    name = _note_name(conversation)
    _, note = _acquire(store, name)
    store.release(name)
    run_id = None if note is None else json.loads(note)["waits"]
    if run_id is None or run_id == own_run:
        return None
    state = _read(store, run_id)
    return None if state is None or not _is_waiting(state) else _describe(state)


def _is_over(store: RunStore, run_id: str) -> bool:
    state = _read(store, run_id)
    return state is not None and not _is_waiting(state)


def _give_up(store: RunStore, run_id: str) -> None:
    version, known = store.acquire(run_id)
    try:
        if known is not None:
            state = RunState.load(known)
            state.is_given_up = True
            store.commit(run_id, version + 1, state.dump())
    finally:
        store.release(run_id)


def _describe(state: RunState) -> RunError:
    waiting = [call for call in state.pending if call.stage != "done"]
    error = RunError(
        run_id=state.run_id, pending=[call.request(state.number, "waits for a decision") for call in waiting]
    )
    error.turn = turn_if_denied(state)
    return error


def _is_waiting(state: RunState) -> bool:
    return state.final is None and not state.is_given_up and bool(state.pending)


def _read(store: RunStore, run_id: str) -> RunState | None:
    _, known = store.acquire(run_id)
    store.release(run_id)
    return None if known is None else RunState.load(known)


def _acquire(store: RunStore, name: str) -> tuple[int, str | None]:
    """Hold a note, which others hold for a moment only; raises `RunBusy` if that does not pass."""
    for _ in range(_TRIES):
        try:
            return store.acquire(name)
        except RunBusy:  # noqa: PERF203 - somebody else reads it
            time.sleep(_SECONDS)
    return store.acquire(name)


def _note_name(conversation: str) -> str:
    return f"conversation {conversation}"
