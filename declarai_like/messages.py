"""What is said in a conversation: messages and their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from declarai_like._writing.texts import mend_surrogates
from declarai_like.completions import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Attached", "Message", "MessageRole", "well_formed"]


class MessageRole(str, Enum):
    """Who speaks; a member equals its string: `MessageRole.user == "user"`."""

    system = "system"
    developer = "developer"
    user = "user"
    assistant = "assistant"
    tool = "tool"
    function = "function"

    __str__ = str.__str__


@runtime_checkable
class Attached(Protocol):
    """What may stand among the parts of a content beside dicts: media, as `declarai_like.Image`."""

    kind: Any
    """`"image"`, `"audio"`, `"document"` or `"file"`."""

    def describe(self) -> dict[str, Any]:
        """Tell it without its bytes."""
        ...

    def to_data(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    `message` is its text. `fields` holds what the provider's format knows besides role and text
    (`name`, `tool_calls`, `tool_call_id`, a `content` of several parts), sent as it is.
    `interrupted` marks a stored reply whose stream broke before its end, `pinned` a message that is sent whatever a
    chat's window leaves out; neither is told to the provider. `state` is what a provider told of a reply beside its
    text and calls, `{"provider", "base_url", "model", "data"}`: it goes back to that provider, and to no other.

    >>> Message("Hi"), Message("Hello.", "assistant").role == "assistant"
    (user: Hi, True)
    """

    message: str
    role: str = MessageRole.user
    interrupted: bool = False
    pinned: bool = False
    fields: Mapping[str, Any] | None = field(default=None, hash=False)
    state: Mapping[str, Any] | None = field(default=None, hash=False, repr=False)

    def __post_init__(self) -> None:
        """Make the role a `MessageRole`; raises `ValueError` for an unknown one."""
        object.__setattr__(self, "role", MessageRole(self.role))

    @classmethod
    def of(cls, source: Message | Mapping[str, Any]) -> Message:
        """Take a message in our form, as `{"role", "message"}`, or in the wire's `{"role", "content"}`.

        What else it holds (`name`, `tool_calls`, `tool_call_id`, a `content` of several parts) goes to `fields`.
        """
        if isinstance(source, Message):
            return source
        rest = dict(source)
        role = rest.pop("role", MessageRole.user)
        marks = {mark: bool(rest.pop(mark, False)) for mark in ("interrupted", "pinned")}
        state = rest.pop("state", None)
        text = rest.pop("message", None)
        if text is None and isinstance(rest.get("content"), str):
            text = rest.pop("content")
        if calls := rest.get("tool_calls"):
            rest["tool_calls"] = [call.wire() if isinstance(call, ToolCall) else call for call in calls]
        text = _text_of(rest.get("content")) if text is None else text
        return cls(text, role, fields=rest or None, state=state if isinstance(state, dict) else None, **marks)

    def wire(self) -> dict[str, Any]:
        """This message as the OpenAI format spells it, but of media only what they are: not their bytes."""
        told = {"role": str(self.role), "content": self.message, **(self.fields or {})}
        if not isinstance(told["content"], str):
            told["content"] = _plain_parts(told["content"], _described)
        return told

    @property
    def content(self) -> Any:
        """What it says: its text, or the list of its parts, media among them as values."""
        return (self.fields or {}).get("content", self.message)

    def well_formed(self) -> Message:
        """Give the message without lone halves of surrogate pairs, which no UTF-8 can hold: each becomes U+FFFD."""
        text, fields = well_formed(self.message), well_formed(self.fields)
        if text is self.message and fields is self.fields:
            return self
        return replace(self, message=text, fields=fields)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic (and so FastAPI) take a message in any form, and dump it in ours."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(dict)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core_schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe a message in our form."""
        roles = {"type": "string", "enum": [role.value for role in MessageRole]}
        properties = {"message": {"type": "string"}, "role": roles, "interrupted": {"type": "boolean"}}
        return {"title": cls.__name__, "type": "object", "properties": properties, "required": ["message", "role"]}

    def model_dump(self) -> dict[str, Any]:
        """Give the message in our form, as a dict of plain data."""
        return dict(self)

    def __repr__(self) -> str:
        return f"{self.role}: {self.message}"

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value pairs, so that `dict(message)` and JSON encoders work."""
        yield "message", self.message
        yield "role", str(self.role)
        if self.interrupted:
            yield "interrupted", True
        if self.pinned:
            yield "pinned", True
        for name, value in (self.fields or {}).items():
            yield name, _plain_parts(value, _written) if name == "content" else value
        if self.state is not None:
            yield "state", self.state


def _validated(value: Any) -> Message:
    """Take a message in any form; raises `ValueError` for what is none."""
    if isinstance(value, dict) and not any(name in value for name in ("message", "content", "tool_calls")):
        raise ValueError("expected a message: a dict with 'role' and 'message' or 'content'")
    if not isinstance(value, (dict, Message)):
        raise ValueError(f"expected a message: a dict with 'role' and 'message' or 'content', got {value!r:.80}")  # noqa: TRY004 - pydantic wants it
    return Message.of(value)


def _plain_parts(content: Any, tell: Callable[[Any], Any]) -> Any:
    """Give a content as plain data, its media as `tell` tells them."""
    if not isinstance(content, (list, tuple)) or not any(isinstance(part, Attached) for part in content):
        return content
    return [tell(part) if isinstance(part, Attached) else part for part in content]


def _described(media: Attached) -> dict[str, Any]:
    return {"type": media.kind, media.kind: media.describe()}


def _written(media: Attached) -> dict[str, Any]:
    return {"type": "media", "kind": media.kind, **media.to_data()}


def _text_of(parts: Any) -> str:
    """Join the text parts of a `content` that is a list of parts."""
    known = parts if isinstance(parts, (list, tuple)) else ()
    texts = [part.get("text") for part in known if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def well_formed(value: Any) -> Any:
    """Join the halves of surrogate pairs in plain data; a lone half becomes U+FFFD. What has none is given as it is."""
    return value if _is_well_formed(value) else _mended(value)


def _is_well_formed(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() or _has_no_halves(value)
    if isinstance(value, (dict, Mapping)):  # a dict is told at once, any other mapping by its base classes
        return all(map(_is_well_formed, value)) and all(map(_is_well_formed, value.values()))
    return not isinstance(value, (list, tuple)) or all(map(_is_well_formed, value))


def _has_no_halves(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return mend_surrogates(value)
    if isinstance(value, (dict, Mapping)):
        return {_mended(name): _mended(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(item) for item in value]
    return value
