"""Tasks as tools and prompts of the Model Context Protocol."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from mcp import MCPError, types
from pydantic import TypeAdapter

from declarai_like._calls import runner
from declarai_like.serve._arguments import to_json_data
from declarai_like.serve._problems import Problem, translate_error
from declarai_like.serve._served import read_result
from declarai_like.tools.declarations import read_tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.context import ServerRequestContext

    from declarai_like._calls.flow import Call
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._served import ServedTask

__all__ = ["TaskTools"]

_BETWEEN_PROGRESS = 0.1
"""Seconds: the text so far is told no more often, for each time it is told whole."""
_VALUE = "value"
"""Where a result stands that is no object: the protocol wants one."""


class TaskTools:
    """Answers what a client asks about tasks; each is a tool, and its messages are a prompt."""

    def __init__(self, tasks: Mapping[str, ServedTask], slots: Slots) -> None:
        self._tasks = tasks
        self._slots = slots
        self._tools = [_describe_tool(served) for served in tasks.values()]
        self._prompts = [_describe_prompt(served) for served in tasks.values()]

    async def list_tools(self, _context: Any, _params: Any) -> types.ListToolsResult:
        """Tell the tools."""
        return types.ListToolsResult(tools=self._tools)

    async def list_prompts(self, _context: Any, _params: Any) -> types.ListPromptsResult:
        """Tell the prompts."""
        return types.ListPromptsResult(prompts=self._prompts)

    async def call_tool(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Call a task; what goes wrong is told in a result that is marked as an error."""
        try:
            served = self._find(params.name)
            call = served.call(json.dumps(params.arguments or {}), {}, streaming=served.streaming)
            self._slots.acquire()
            try:
                await _run(call, context)
            finally:
                self._slots.release()
            return _result_of(served, call)
        except Exception as error:
            problem = translate_error(error, where=f"serve {params.name}")
            return types.CallToolResult(content=[_text(problem.message)], is_error=True)

    async def get_prompt(self, _context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Give the messages that a task would send."""
        try:
            served = self._find(params.name)
            call = served.call(json.dumps(_read_texts(served, params.arguments or {})), {}, streaming=False)
        except Exception as error:
            problem = translate_error(error, where=f"serve {params.name}")
            raise MCPError(types.INVALID_PARAMS, problem.message) from None
        messages = [
            types.PromptMessage(role=_role(message.role), content=_text(message.message))
            for message in call.first_request.messages
        ]
        return types.GetPromptResult(messages=messages)

    def _find(self, name: str) -> ServedTask:
        served = self._tasks.get(name)
        if served is None:
            raise Problem(404, f"there is no task of this name; the tasks are: {', '.join(self._tasks)}")
        return served


async def _run(call: Call[Any], context: ServerRequestContext[Any]) -> None:
    """Make a call, and tell the text so far to a client that wants to hear of it; who is cancelled asks no longer."""
    if not call.request.stream:
        await runner.arun(call)
        return
    told_at = 0.0
    async with aclosing(runner.astream(call)) as steps:
        async for response in steps:
            now = time.monotonic()
            if response.response and now - told_at >= _BETWEEN_PROGRESS:
                told_at = now
                await context.session.report_progress(len(response.response), message=response.response)


def _result_of(served: ServedTask, call: Call[Any]) -> types.CallToolResult:
    value, _ = read_result(call)
    if served.returns is None:
        return types.CallToolResult(content=[_text(value)])
    data = to_json_data(value)
    structured = data if _is_object(served.returns) else {_VALUE: data}
    return types.CallToolResult(content=[_text(json.dumps(data, ensure_ascii=False))], structured_content=structured)


def _describe_tool(served: ServedTask) -> types.Tool:
    """Tell what a task takes and gives, with the words of its docstring; it only reads, unless it has tools itself."""
    declared = read_tool(served.task).declaration
    return types.Tool(
        name=served.name,
        description=declared.description,
        input_schema={"type": "object", **declared.parameters.schema},
        output_schema=_output_schema(served),
        annotations=types.ToolAnnotations(read_only_hint=served.task.declared.options.tools is None),
    )


def _output_schema(served: ServedTask) -> dict[str, Any] | None:
    if served.returns is None:
        return None
    schema: dict[str, Any] = TypeAdapter(served.task.declared.output.annotation).json_schema(mode="serialization")
    if _is_object(served.returns):
        return schema
    definitions = schema.pop("$defs", None)
    wrapped = {"type": "object", "properties": {_VALUE: schema}, "required": [_VALUE]}
    return wrapped if definitions is None else {**wrapped, "$defs": definitions}


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object"


def _describe_prompt(served: ServedTask) -> types.Prompt:
    declared = read_tool(served.task).declaration
    schema = declared.parameters.schema
    arguments = [
        types.PromptArgument(
            name=name, description=part.get("description"), required=name in schema.get("required", ())
        )
        for name, part in schema["properties"].items()
    ]
    return types.Prompt(name=served.name, description=declared.description, arguments=arguments)


def _read_texts(served: ServedTask, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read arguments that come as texts: JSON, where the parameter is no text itself."""
    properties = served.arguments.schema["properties"]
    return {
        name: text if properties.get(name, {}).get("type") == "string" else _read_json(text)
        for name, text in texts.items()
    }


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _role(role: str) -> Any:
    """Give one of the two roles that a prompt's messages have: what is said to the system is said by the user."""
    return "assistant" if role == "assistant" else "user"


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)
