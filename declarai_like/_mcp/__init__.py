"""Tools of other programs, by the Model Context Protocol: servers, their connections, and their tools as ours."""

from declarai_like._mcp.factory import mcp
from declarai_like._mcp.servers import ServerTools, ToolServer

__all__ = ["ServerTools", "ToolServer", "mcp"]
