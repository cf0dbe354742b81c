"""Tools for models that have none: told in words, called in text that a schema holds to its form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.instructions import render_packaged
from declarai_like._prompting.plain_data import to_json
from declarai_like._wire.envelopes import EnvelopeFilter
from declarai_like.completions import ToolCall
from declarai_like.media._parts import media_in, with_media
from declarai_like.messages import Message, MessageRole
from declarai_like.tools.arguments import UnreadableArguments, read_arguments
from declarai_like.tools.settings import name_choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like._calls.flow import Call
    from declarai_like._outputs.output import Output
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.tools.declarations import Tool
    from declarai_like.tools.run_states import PendingCall, RunState
    from declarai_like.tools.settings import ToolSettings

__all__ = ["EmulatedDialect"]


class EmulatedDialect:
    """Tools in words: the answer is one call, `{"tool": name, "arguments": {...}}`, or `{"answer": value}`."""

    def __init__(self, settings: ToolSettings, output: Output[Any]) -> None:
        self.tools, self._choice = settings.allowed, settings.tool_choice
        self._output = output
        self._filters: list[EnvelopeFilter] = []
        self._calls = 0

    def encode(self, first: Request, state: RunState, *, is_last: bool = False) -> Request:
        """Give the request of a round."""
        tools, may_answer = self._offer(state, is_last=is_last)
        self._filters = []
        return first.replace(
            messages=self._tell(first, state, tools, may_answer=may_answer),
            params={name: value for name, value in first.params.items() if name not in _NATIVE_PARAMS},
            response_format=self._format(tools, may_answer=may_answer),
            filters=(*first.filters, self._make_filter),
        )

    def _offer(self, state: RunState, *, is_last: bool) -> tuple[list[Tool[Any, Any]], bool]:
        """Give the tools that may be called in this round, and whether an answer is allowed."""
        choice = self._choice if state.number == 1 else None
        if is_last or choice == "none":
            return [], True
        if choice is None or isinstance(choice, (list, tuple)) or choice == "auto":
            return list(self.tools.values()), True
        name = None if choice == "required" or isinstance(choice, Mapping) else name_choice(choice)
        if name not in self.tools:
            return list(self.tools.values()), False
        return [self.tools[name]], False

    def _make_filter(self) -> EnvelopeFilter:
        made = EnvelopeFilter(is_text=self._output.is_text)
        self._filters.append(made)
        return made

    def _tell(
        self, first: Request, state: RunState, tools: Iterable[Tool[Any, Any]], *, may_answer: bool
    ) -> tuple[Message, ...]:
        told = [
            {
                "name": tool.name,
                "description": tool.declaration.description,
                "parameters": to_json(tool.parameters.schema),
            }
            for tool in tools
        ]
        words = render_packaged("tools", tools=told, may_answer=may_answer)
        messages = _in_words([*first.messages, *state.added])
        if messages and messages[0].role == MessageRole.system:
            opening = Message(f"{messages[0].message}\n\n{words}", MessageRole.system, fields=messages[0].fields)
            return (opening, *messages[1:])
        return (Message(words, MessageRole.system), *messages)

    def _format(self, tools: Iterable[Tool[Any, Any]], *, may_answer: bool) -> dict[str, Any]:
        definitions: dict[str, Any] = {}
        options = [
            _closed({"tool": {"const": tool.name}, "arguments": _hoist(tool.parameters.schema, tool.name, definitions)})
            for tool in tools
        ]
        if may_answer:
            answer = {"type": "string"} if self._output.is_text else _hoist(self._answer_schema, "answer", definitions)
            options.append(_closed({"answer": answer}))
        schema: dict[str, Any] = options[0] if len(options) == 1 else {"anyOf": options}
        if definitions:
            schema = {**schema, "$defs": definitions}
        return {"type": "json_schema", "json_schema": {"name": "call_or_answer", "strict": True, "schema": schema}}

    @property
    def _answer_schema(self) -> dict[str, Any]:
        """The schema of the value; a number or a truth stands bare, which a small model writes more surely."""
        schema = self._output.schema
        return schema["properties"][self._output.key] if self._output.is_scalar else schema

    def reads(self, reader: Any) -> Any:
        """Give the reader as it is: calls are found in the text, by a filter."""
        return reader

    def read(self, response: LLMResponse) -> None:
        """Put the call of an answer where it is looked for."""
        envelope = next((one for one in self._filters if one.kind == "tool"), None)
        if envelope is None:
            return
        self._calls += 1
        response.ask_for([_read_call(envelope.raw, f"call_{self._calls}")])

    def value(self, call: Call[Any], response: LLMResponse) -> Any:
        """Read the value of the last answer."""
        return call.value(response)

    def holds_back_schema(self, state: RunState) -> bool:
        """Say no: the schema is sent in every round."""
        return False

    def demand_schema(self) -> None:
        """Do nothing: the schema is sent in every round."""

    def result_message(self, call: PendingCall) -> Message:
        """Give the result of a call: stored as every other, and told in words when it is sent."""
        return Message(call.text, MessageRole.tool, fields={"tool_call_id": call.id, **call.content()})


_NATIVE_PARAMS = frozenset({"tool_choice", "parallel_tool_calls"})


def _read_call(text: str, call_id: str) -> ToolCall:
    """Read a call that was written as text; what cannot be read is left as it is, to be shown to the model."""
    try:
        told = read_arguments(text)
    except UnreadableArguments:
        return ToolCall(0, call_id, "", text)
    arguments = told.get("arguments", {})
    return ToolCall(0, call_id, str(told.get("tool", "")), json.dumps(arguments, ensure_ascii=False))


def _in_words(messages: Iterable[Message]) -> list[Message]:
    """Tell calls and results in words, for a server that has no form for them."""
    names: dict[Any, str] = {}
    told = []
    for message in messages:
        fields = message.fields or {}
        calls = fields.get("tool_calls")
        if calls:
            names.update({call.get("id"): call["function"]["name"] for call in calls})
            told.append(Message("\n".join(map(_write_call, calls)), MessageRole.assistant))
        elif message.role == MessageRole.tool:
            name = names.get(fields.get("tool_call_id"), "the tool")
            words = Message(render_packaged("tool_result", name=name, result=message.message), MessageRole.user)
            told.append(with_media(words, list(media_in([message]))))
        else:
            told.append(message)
    return told


def _write_call(call: Mapping[str, Any]) -> str:
    function = call["function"]
    return f'{{"tool": {json.dumps(function["name"])}, "arguments": {function["arguments"]}}}'


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _hoist(schema: Mapping[str, Any], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Give a schema that can stand inside of another one; its definitions go to the root under names of their own."""
    inner = {name: part for name, part in schema.items() if name != "$defs"}
    for name, part in schema.get("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _rename(part, prefix)
    renamed: dict[str, Any] = _rename(inner, prefix)
    return renamed


def _rename(node: Any, prefix: str) -> Any:
    if isinstance(node, list):
        return [_rename(part, prefix) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        name: part.replace("#/$defs/", f"#/$defs/{prefix}.")
        if name == "$ref" and isinstance(part, str)
        else _rename(part, prefix)
        for name, part in node.items()
    }
