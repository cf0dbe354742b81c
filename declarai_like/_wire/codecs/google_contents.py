"""Conversations in Google's format: contents of two roles, made of parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.google_media import encode_part
from declarai_like._wire.codecs.google_parts import SIGNATURE
from declarai_like._wire.state import state_for
from declarai_like._wire.tool_calls import json_or_none
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from declarai_like._wire.codecs.base import Origin
    from declarai_like.messages import Message

__all__ = ["encode_contents"]

_SYSTEM = frozenset({"system", "developer"})
_OPENING = "(The assistant opens the conversation.)"
"""What stands before a greeting: the first turn has to be the user's."""
_WANTS_SIGNATURES = re.compile(r"gemini-(?:[3-9]|\d\d)")
_NO_SIGNATURE = "skip_thought_signature_validator"
"""What stands for the signature of a call that another model made; Google's documentation names it."""

Part = dict[str, Any]


class Calls:
    """The calls of a conversation so far: what a result has to say of the call that it answers."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[int, str, bool]] = {}

    def note(self, call_id: str, name: str, *, tells_id: bool) -> None:
        """Note a call that is sent, and whether its id is."""
        self._calls[call_id] = (len(self._calls), name, tells_id)

    def place(self, call_id: str) -> int:
        """Give which call of the conversation this was: results without an id are told apart by their order."""
        return self._calls[call_id][0] if call_id in self._calls else len(self._calls)

    def head(self, call_id: str, name: str) -> dict[str, Any]:
        """Give the name and the id by which the result of a call is sent."""
        _, called, tells_id = self._calls.get(call_id, (0, name, True))
        return {**({"id": call_id} if tells_id else {}), "name": called}


def encode_contents(messages: Sequence[Message], origin: Origin) -> tuple[list[Part], list[dict[str, Any]]]:
    """Give the system prompt's parts, and the turns; raises `DefinitionError` for what the format cannot say."""
    first = next((at for at, message in enumerate(messages) if message.role not in _SYSTEM), len(messages))
    system = [part for message in messages[:first] for part in _encode_words(message)]
    calls = Calls()
    turns: list[dict[str, Any]] = []
    results: list[tuple[int, list[Part]]] = []
    for message in messages[first:]:
        if message.role == "tool":
            results.append(_encode_result(message, calls))
            continue
        _add_results(turns, results)
        _add(turns, *_encode_message(message, origin, calls))
    _add_results(turns, results)
    if turns and turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "parts": [{"text": _OPENING}]})
    return system, turns


def _add(turns: list[dict[str, Any]], role: str, parts: list[Part]) -> None:
    """Add parts to the turns; neighbours of one role are one turn."""
    if not parts:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"] += parts
    else:
        turns.append({"role": role, "parts": parts})


def _add_results(turns: list[dict[str, Any]], results: list[tuple[int, list[Part]]]) -> None:
    """Add the results of calls in the order of the calls, what media they have behind all of them."""
    results.sort(key=lambda result: result[0])
    _add(turns, "user", [parts[0] for _, parts in results])
    _add(turns, "user", [part for _, parts in results for part in parts[1:]])
    results.clear()


def _encode_message(message: Message, origin: Origin, calls: Calls) -> tuple[str, list[Part]]:
    if message.role == "assistant":
        return "model", _encode_reply(message, origin, calls)
    if message.role == "function":
        raise DefinitionError("Google's format has no messages of the role 'function': use 'tool'")
    parts = list(_encode_words(message))
    if message.role in _SYSTEM:
        text = "".join(part.get("text", "") for part in parts)
        return "user", [{"text": f"<system>\n{text}\n</system>"}] if text else []
    return "user", parts


def _encode_words(message: Message) -> Iterator[Part]:
    """Spell a message's content; a text without a word says nothing, and is left out."""
    content = message.content
    for told in [{"type": "text", "text": content}] if isinstance(content, str) else content or ():
        part = encode_part(told)
        if part.keys() != {"text"} or part["text"].strip():
            yield part


def _encode_reply(message: Message, origin: Origin, calls: Calls) -> list[Part]:
    """Spell a reply: with the parts that its provider wants back, or its text and its calls alone."""
    fields = message.fields or {}
    if fields.get("function_call"):
        raise DefinitionError("Google's format has no function_call: use tool_calls")
    made = [] if message.interrupted else list(fields.get("tool_calls") or ())
    kept = state_for(message, origin).get("parts")
    if isinstance(kept, list):
        parts = _restore([part for part in kept if isinstance(part, dict)], message.message, made, calls)
    else:
        parts = [*_encode_words(message), *(_encode_call(call, calls) for call in made)]
    return _sign(parts) if _WANTS_SIGNATURES.search(str(origin.get("model"))) else parts


def _restore(kept: list[Part], text: str, made: list[Any], calls: Calls) -> list[Part]:
    """Put the text and the calls of a reply back in among its other parts, each signature where it stood."""
    parts: list[Part] = []
    is_cut_alike = sum(part.get("characters", 0) for part in kept) == len(text)
    rest = text
    for part in kept:
        if "characters" in part:
            length = part["characters"] if is_cut_alike else len(rest)
            piece, rest = rest[:length], rest[length:]
            beside = {name: value for name, value in part.items() if name != "characters"}
            parts += [{"text": piece, **beside}] if piece or beside else []
        elif "call" in part:
            at = next((at for at, call in enumerate(made) if call.get("id") == part["call"]), None)
            if at is not None:
                beside = {name: value for name, value in part.items() if name not in {"call", "given"}}
                parts.append({**_encode_call(made.pop(at), calls, tells_id=bool(part.get("given"))), **beside})
        else:
            parts.append(part)
    parts += [{"text": rest}] if rest else []
    return parts + [_encode_call(call, calls) for call in made]


def _sign(parts: list[Part]) -> list[Part]:
    """See that the first call has a signature: the newer models refuse a reply without one."""
    at = next((at for at, part in enumerate(parts) if "functionCall" in part), None)
    if at is None or any(SIGNATURE in part for part in parts if "functionCall" in part):
        return parts
    return [*parts[:at], {**parts[at], SIGNATURE: _NO_SIGNATURE}, *parts[at + 1 :]]


def _encode_call(call: Mapping[str, Any], calls: Calls, *, tells_id: bool = True) -> Part:
    function, call_id = call["function"], str(call.get("id"))
    told = function.get("arguments") or "{}"
    arguments = json_or_none(told) if isinstance(told, str) else told
    if not isinstance(arguments, dict):  # the model sees what it wrote
        arguments = {"invalid_arguments": told}
    calls.note(call_id, str(function.get("name")), tells_id=tells_id)
    head = {"id": call_id} if tells_id else {}
    return {"functionCall": {**head, "name": function.get("name"), "args": arguments}}


def _encode_result(message: Message, calls: Calls) -> tuple[int, list[Part]]:
    """Spell a result: the place of its call, then its part, and those of its media."""
    fields = message.fields or {}
    call_id = str(fields.get("tool_call_id"))
    parts = list(_encode_words(message))
    media = [part for part in parts if "text" not in part]
    response = _response("".join(_texts(parts)), is_error=bool(fields.get("is_error")))
    head = calls.head(call_id, str(fields.get("name") or call_id))
    return calls.place(call_id), [{"functionResponse": {**head, "response": response}}, *media]


def _response(text: str, *, is_error: bool) -> dict[str, Any]:
    """Spell what a call gave: an object as it is, any other text as the output."""
    value = json_or_none(text)
    if isinstance(value, dict) and not is_error:
        return value
    return {"error" if is_error else "output": text}


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    return (part["text"] for part in parts if "text" in part)
