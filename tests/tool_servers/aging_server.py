"""A server that says how long its list of tools may be kept: `aging_server.py MILLISECONDS`; each list is another one."""

import asyncio
import sys
from itertools import count

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, Tool

NUMBERS = count(1)


async def list_tools(_context, _params):
    tool = Tool(name=f"do{next(NUMBERS)}", input_schema={"type": "object"})
    return ListToolsResult(tools=[tool], ttl_ms=int(sys.argv[1]))


async def call_tool(_context, _params):
    return CallToolResult(content=[])


async def main():
    server = Server("aging", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


asyncio.run(main())
