"""The calls of one answer, made ready to be run: ids, arguments, and what cannot be run and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like.tools.arguments import UnreadableArguments, read_arguments
from declarai_like.tools.parameters import InvalidArguments
from declarai_like.tools.run_states import PendingCall, hash_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like.completions import ToolCall
    from declarai_like.tools.declarations import Tool
    from declarai_like.tools.run_states import RunState

__all__ = ["call_key", "read_calls", "spell_calls"]

_MOST_REPEATS = 2
"""In how many rounds in a row the same call is run; the next one is told the result that is known."""
_BROKEN_SIBLING = "not run: another call of this answer could not be read; call again"


def read_calls(calls: Sequence[ToolCall], tools: Mapping[str, Tool[Any, Any]], state: RunState) -> list[PendingCall]:
    """Give the calls in their order; those that cannot be run are done already, with what the model is shown.

    If the arguments of one are no whole JSON object, none is run: what else was meant is not known.
    """
    ids = _unique_ids(calls, state)
    pending = [_read_call(call, call_id) for call, call_id in zip(calls, ids, strict=True)]
    broken = any(call.stage == "done" for call in pending)
    for call in pending:
        if call.stage == "done":
            continue
        if broken:
            call.finish(_BROKEN_SIBLING, error=_BROKEN_SIBLING)
        else:
            _check_call(call, tools, state)
    _count_repeats(pending, state)
    return pending


def spell_calls(calls: Sequence[ToolCall], pending: Sequence[PendingCall]) -> list[dict[str, Any]]:
    """Give the calls as the assistant's message repeats them: as they came, under the ids of the results."""
    spelled = []
    for call, entry in zip(calls, pending, strict=True):
        wire = call.wire()
        arguments = call.arguments if call.arguments.strip() else "{}"
        spelled.append({**wire, "id": entry.id, "function": {**wire["function"], "arguments": arguments}})
    return spelled


def call_key(call: PendingCall) -> str:
    """Give what makes two calls the same."""
    return f"{call.name} {call.arguments_hash}"


def _unique_ids(calls: Sequence[ToolCall], state: RunState) -> list[str]:
    """Give each call an id of its own; one that the server gave first is kept."""
    told = [call.id for call in calls if call.id]
    taken, ids = {*told, *state.used_ids}, list[str]()
    number = 0
    for call in calls:
        call_id = call.id or ""
        if not call_id or call_id in ids:
            while (call_id := f"call_{number}") in taken:
                number += 1
            taken.add(call_id)
        ids.append(call_id)
    state.used_ids = sorted(taken)
    return ids


def _read_call(call: ToolCall, call_id: str) -> PendingCall:
    pending = PendingCall(call_id, call.name, call.arguments)
    try:
        pending.arguments = read_arguments(call.arguments)
    except UnreadableArguments as error:
        text = f"not run: the arguments could not be read: {error}"
        pending.finish(text, error=text, failed=True)
    else:
        pending.arguments_hash = hash_arguments(pending.arguments)
    return pending


def _check_call(call: PendingCall, tools: Mapping[str, Tool[Any, Any]], state: RunState) -> None:
    tool = tools.get(call.name)
    if tool is None:
        call.is_known = False
        text = f"not run: there is no tool {call.name!r}; the tools are: {', '.join(tools) or 'none'}"
        call.finish(text, error=text, failed=True)
        return
    try:
        call.values = tool.parameters.validate(call.arguments)
    except InvalidArguments as error:
        text = f"not run: the arguments are not what the tool takes:\n{error}"
        call.finish(text, error=text, failed=True)
        return
    known = state.known_results.get(call_key(call))
    if known is not None and not tool.options.repeatable and state.repeats.get(call_key(call), 0) >= _MOST_REPEATS:
        text = f"not run again: this call was made with the same arguments before, and its result was: {known}"
        call.finish(text, error=text)


def _count_repeats(pending: Sequence[PendingCall], state: RunState) -> None:
    """Count in how many rounds in a row each call was asked for."""
    keys = {call_key(call) for call in pending if call.arguments_hash}
    state.repeats = {key: state.repeats.get(key, 0) + 1 for key in sorted(keys)}
    state.known_results = {key: text for key, text in state.known_results.items() if key in keys}


def with_arguments(call: PendingCall, tool: Tool[Any, Any], changes: Mapping[str, Any]) -> None:
    """Put other arguments in the place of the model's; raises `InvalidArguments`."""
    arguments = json.loads(json.dumps({**call.arguments, **changes}))
    call.values = tool.parameters.validate(arguments)
    call.arguments, call.arguments_hash = arguments, hash_arguments(arguments)
