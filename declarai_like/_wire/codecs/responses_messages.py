"""Conversations as the input items of the Responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.media_tables import group_of
from declarai_like._wire.codecs.responses_items import CALLS, dicts_in, kind_of, reply_text
from declarai_like._wire.state import digests_of, state_for
from declarai_like.errors import DefinitionError
from declarai_like.media._parts import media_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from declarai_like._wire.codecs.base import Origin
    from declarai_like.media import Media
    from declarai_like.messages import Message

__all__ = ["encode_input", "find_kept"]

_HOSTED = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "web_search_call",
    }
)
"""Items of tools that the provider runs itself."""
_REPLY = {"type": "message", "role": "assistant"}
"""A reply's text; llama.cpp wants its type said, which OpenAI leaves to the caller."""
_RESULTS = ("output", "outputs", "result", "results", "tools")
_PARTS = frozenset({"input_text", "input_image", "input_file"})

Item = dict[str, Any]


def encode_input(messages: Sequence[Message], origin: Origin, *, stored: bool, after: int = 0) -> list[Item]:
    """Give the items of a conversation; `stored` says that the provider keeps its answers and knows their ids.

    The first `after` messages are left out: they are known. Raises `DefinitionError` for what the format cannot say.
    """
    items: list[Item] = []
    custom: set[Any] = set()
    for number, message in enumerate(messages):
        for item in _encode_message(message, origin, custom, stored=stored):
            if item.get("type") == "custom_tool_call":
                custom.add(item["call_id"])
            if number >= after:
                items.append(item)
    return items


def find_kept(messages: Sequence[Message], origin: Origin) -> tuple[str, int] | None:
    """Find the last reply that the provider keeps with all that was said before it: its id, and how many it ends.

    A reply that was edited, or before which something was changed, is none.
    """
    marked = [number for number, message in enumerate(messages) if (message.state or {}).get("asked")]
    digests = digests_of(messages) if marked else []
    for number in reversed(marked):
        message, told = messages[number], state_for(messages[number], origin)
        kept, reply_id = told.get("items"), told.get("id")
        is_same = digests[number] == (message.state or {})["asked"]
        if is_same and reply_id and isinstance(kept, list) and _holds(kept, message.message, _calls_of(message)):
            return str(reply_id), number + 1
    return None


def _encode_message(message: Message, origin: Origin, custom: set[Any], *, stored: bool) -> Iterator[Item]:
    wire = message.wire()
    role, content = wire["role"], message.content
    if role == "function" or wire.get("function_call"):
        raise DefinitionError('the Responses API has no function_call: use tool_calls, or ask with api="chat"')
    if role == "tool":
        call_id = wire.get("tool_call_id")
        kind = "custom_tool_call_output" if call_id in custom else "function_call_output"
        yield {"type": kind, "call_id": call_id, "output": _encode_content(content)}
        return
    if role != "assistant":
        yield {"role": role, "content": _encode_content(content)}
        return
    calls = _calls_of(message)
    kept = state_for(message, origin).get("items")
    if isinstance(kept, list) and _holds(kept, message.message, calls):
        yield from _restore(kept, stored=stored)
        return
    if message.message or not calls:
        yield {**_REPLY, "content": message.message}
    yield from calls


def _calls_of(message: Message) -> list[Item]:
    calls = () if message.interrupted else (message.fields or {}).get("tool_calls") or ()
    return [_encode_call(call) for call in calls]


def _holds(kept: list[Any], text: str, calls: list[Item]) -> bool:
    """Say whether the items of a reply still hold what the message says, which may have been edited."""
    known, made = reply_text(kept)
    told = [(call["call_id"], call["name"], call[CALLS[call["type"]][1]]) for call in calls]
    return bool(kept) and known.strip() == text.strip() and made == told


def _restore(kept: list[Any], *, stored: bool) -> list[Item]:
    """Give the items of a reply as the provider takes them back: thinking needs an item that it led to."""
    items: list[Item] = []
    for item in reversed(kept):
        spelled = _restore_item(item, stored=stored)
        if spelled is None or (spelled.get("type") == "reasoning" and not items):
            continue
        items.append(spelled)
    return items[::-1]


def _restore_item(item: Mapping[str, Any], *, stored: bool) -> Item | None:
    """Spell one item; `None` for one that the provider would not know again."""
    kind = kind_of(item)
    if kind == "reasoning":
        names = ("type", "id", "summary", "encrypted_content")
        is_known = stored or item.get("encrypted_content")
        return (
            None
            if not is_known
            else {"summary": [], **{name: item[name] for name in names if item.get(name) is not None}}
        )
    if stored:
        return dict(item)
    if kind == "message":
        return _restore_message(item)
    if kind in CALLS:
        return {name: value for name, value in item.items() if name not in ("id", "status") and value is not None}
    if kind in _HOSTED and not any(item.get(name) for name in _RESULTS):
        return None
    return dict(item) if kind in _HOSTED else {name: value for name, value in item.items() if name != "id"}


def _restore_message(item: Mapping[str, Any]) -> Item:
    text, _ = reply_text([{**item, "phase": None}])
    phase = {"phase": item["phase"]} if item.get("phase") else {}
    refusals = [part.get("refusal") for part in dicts_in(item.get("content")) if part.get("type") == "refusal"]
    return {**_REPLY, "content": text or "".join(map(str, refusals)), **phase}


def _encode_call(call: Mapping[str, Any]) -> Item:
    if call.get("type") == "custom":
        told = call.get("custom") or call.get("function") or {}
        text = told.get("input", told.get("arguments"))
        return {"type": "custom_tool_call", "call_id": call.get("id"), "name": told.get("name"), "input": text}
    function = call["function"]
    arguments = function.get("arguments") or ""
    return {"type": "function_call", "call_id": call.get("id"), "name": function.get("name"), "arguments": arguments}


def _encode_content(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    return [_encode_part(part) for part in content]


def _encode_part(part: Any) -> Item:
    media = media_of(part)
    if media is not None:
        return _encode_media(media)
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"type": "input_text", "text": part["text"]}
    if kind == "refusal":
        return {"type": "input_text", "text": part["refusal"]}
    if kind == "image_url":
        told = part["image_url"]
        told = told if isinstance(told, dict) else {"url": told}
        return {"type": "input_image", "image_url": told["url"], "detail": told.get("detail") or "auto"}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    if kind in _PARTS:
        return dict(part)
    raise DefinitionError(
        f'the Responses API takes text, images and files, not a part of the type {kind!r:.40}: ask with api="chat"'
    )


def _encode_media(media: Media) -> Item:
    """Spell media: as an image, or as a file of any other kind."""
    is_image = group_of(media) == "image"
    head: Item = {"type": "input_image", "detail": "auto"} if is_image else {"type": "input_file"}
    if media.file_id is not None:
        return {**head, "file_id": media.file_id}
    if is_image:
        return {**head, "image_url": media.address or media.data_url()}
    if media.address is not None:
        return {**head, "file_url": media.address}
    return {**head, "filename": media.name or _file_name(media), "file_data": media.data_url()}


def _file_name(media: Media) -> str:
    """Give a name to a file that has none: the format wants one."""
    return f"document.{str(media.media_type).rpartition('/')[2].replace('plain', 'txt')}"
