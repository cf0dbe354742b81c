"""Conversations in Anthropic's Messages format: roles that take turns, made of blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.anthropic_media import encode_part
from declarai_like._wire.state import is_from, state_for
from declarai_like._wire.tool_calls import json_or_none
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from declarai_like._wire.codecs.base import Origin
    from declarai_like.messages import Message

__all__ = ["encode_messages"]

_SYSTEM = frozenset({"system", "developer"})
_OPENING = "(The assistant opens the conversation.)"
"""What stands before a greeting: the first turn has to be the user's."""
_NOT_IN_AN_ID = re.compile("[^a-zA-Z0-9_-]")
_CALL_FIELDS = frozenset({"id", "type", "function", "index"})

Block = dict[str, Any]


def encode_messages(messages: Sequence[Message], origin: Origin) -> tuple[list[Block], list[dict[str, Any]]]:
    """Give the system prompt's blocks, and the turns; raises `DefinitionError` for what the format cannot say."""
    first = next((at for at, message in enumerate(messages) if message.role not in _SYSTEM), len(messages))
    system = [block for message in messages[:first] for block in _encode_parts(message)]
    turns: list[dict[str, Any]] = []
    for at, message in enumerate(messages[first:], first):
        follower = messages[at + 1].role if at + 1 < len(messages) else None
        role, blocks = _encode_message(message, origin, follower)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        turn["content"].sort(key=lambda block: turn["role"] == "user" and block["type"] != "tool_result")
    if turns and turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _OPENING}]})
    return system, turns


def _encode_message(message: Message, origin: Origin, follower: str | None) -> tuple[str, list[Block]]:
    if message.role == "assistant":
        return "assistant", _encode_reply(message, origin, follower)
    if message.role == "tool":
        return "user", [_encode_result(message)]
    if message.role == "function":
        raise DefinitionError("Anthropic's format has no messages of the role 'function': use 'tool'")
    blocks = list(_encode_parts(message))
    if message.role in _SYSTEM:
        text = "".join(block.get("text", "") for block in blocks)
        return "user", [{"type": "text", "text": f"<system>\n{text}\n</system>"}] if text else []
    return "user", blocks


def _encode_reply(message: Message, origin: Origin, follower: str | None) -> list[Block]:
    """Spell a reply: with the blocks that its provider wants back, or its text and its calls alone."""
    fields = message.fields or {}
    if fields.get("function_call"):
        raise DefinitionError("Anthropic's format has no function_call: use tool_calls")
    calls = (
        [] if message.interrupted else [_encode_call(call, message, origin) for call in fields.get("tool_calls") or ()]
    )
    kept = state_for(message, origin).get("content")
    if isinstance(kept, list):
        blocks = _restore(kept, message.message, {call["id"]: call for call in calls})
        return blocks if follower in ("tool", None) else _without_open_calls(blocks)
    return [*_encode_parts(message), *calls]


def _restore(kept: Iterable[Any], text: str, calls: dict[str, Block]) -> list[Block]:
    """Put the text and the calls of a reply back in among its other blocks."""
    blocks: list[Block] = []
    kept = [block for block in kept if isinstance(block, dict)]
    is_cut_alike = sum(block.get("characters", 0) for block in kept) == len(text)
    rest = text
    for block in kept:
        if block.get("type") == "text":
            length = block["characters"] if is_cut_alike else len(rest)
            piece, rest = rest[:length], rest[length:]
            citations = {"citations": block["citations"]} if is_cut_alike and block.get("citations") else {}
            blocks += [{"type": "text", "text": piece, **citations}] if piece.strip() else []
        elif block.get("type") == "tool_use":
            blocks += filter(None, [calls.pop(_plain_id(block.get("id")), None)])
        else:
            blocks.append(block)
    return [*blocks, *([{"type": "text", "text": rest}] if rest.strip() else ()), *calls.values()]


def _without_open_calls(blocks: list[Block]) -> list[Block]:
    """Leave out calls of the server's own tools that have no result: nothing but the pause itself may follow them."""
    results = {block.get("tool_use_id") for block in blocks}
    own = ("server_tool_use", "mcp_tool_use")
    return [block for block in blocks if block.get("type") not in own or block.get("id") in results]


def _encode_call(call: Mapping[str, Any], message: Message, origin: Origin) -> Block:
    function = call["function"]
    told = function.get("arguments") or "{}"
    arguments = json_or_none(told) if isinstance(told, str) else told
    if not isinstance(arguments, dict):  # the model sees what it wrote
        arguments = {"invalid_arguments": told}
    extra = (
        {name: value for name, value in call.items() if name not in _CALL_FIELDS} if is_from(message, origin) else {}
    )
    head = {"type": "tool_use", "id": _plain_id(call.get("id")), "name": function.get("name")}
    return {**head, "input": arguments, **extra}


def _encode_result(message: Message) -> Block:
    fields = message.fields or {}
    result: Block = {"type": "tool_result", "tool_use_id": _plain_id(fields.get("tool_call_id"))}
    if content := list(_encode_parts(message)):
        result["content"] = content
    return {**result, "is_error": True} if fields.get("is_error") else result


def _plain_id(told: Any) -> str:
    """Give a call's id as the format takes it: other providers have further characters in theirs."""
    return _NOT_IN_AN_ID.sub("_", str(told))


def _encode_parts(message: Message) -> Iterator[Block]:
    """Spell a message's content; texts without a word are refused, and left out."""
    content = message.content
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    for part in parts:
        block = encode_part(part)
        if block["type"] != "text" or block["text"].strip():
            yield block
