"""The tools that a server lists, as tools of ours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from declarai_like._mcp.names import model_name
from declarai_like._mcp.tool_calls import call_tool
from declarai_like.tools.declarations import Tool, ToolDeclaration, ToolOptions
from declarai_like.tools.schema_parameters import SchemaParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcp.types import Tool as ListedTool

    from declarai_like._mcp.connections import Connection
    from declarai_like.tools.contexts import ToolContext

__all__ = ["foreign_tool"]

_CONTEXT = "\0context"
"""Where the running call stands among the arguments: no model gives an argument of this name."""


def foreign_tool(
    listed: ListedTool, server: str, connect: Callable[[], Connection], options: Mapping[str, Any]
) -> Tool[Any, Any]:
    """Make a tool of one that a server lists; raises `DefinitionError` if its schema is none."""
    where = f"{listed.name!r} of the tool server {server!r}"
    parameters = SchemaParameters(where, {"properties": {}, **listed.input_schema}, contexts=(_CONTEXT,))
    parameters.check()
    told = ToolOptions(strict=False, approve=_needs_approval(listed), name=None)
    told = replace(told, **options)
    told.check(where)

    async def call(**arguments: Any) -> Any:
        context: ToolContext = arguments.pop(_CONTEXT)
        connection = connect()  # which need not be the one that told of the tool
        work = call_tool(listed, connection, arguments, context, told.timeout)
        return await asyncio.wrap_future(connection.submit(work))

    call.__name__ = call.__qualname__ = listed.name
    declaration = ToolDeclaration(
        where=where,
        name=model_name(server, listed.name),
        description=listed.description or listed.title or "",
        parameters=parameters,
        kind="coroutine",
    )
    return Tool(call, told, declaration=declaration)


def _needs_approval(listed: ListedTool) -> bool:
    """Say whether a call waits for a decision; what a server says of itself only spares it for what does no harm."""
    hints = listed.annotations
    return hints is None or not (hints.read_only_hint or hints.destructive_hint is False)
