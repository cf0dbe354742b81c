"""Tools: typed, docstring-annotated functions that a model may call.

Plain functions, methods, coroutine functions, generator functions and tasks can be listed in `tools=` as they are;
`tool` says more about one.
"""

from declarai_like.completions import Question, ToolRequest, ToolRun
from declarai_like.errors import ToolError
from declarai_like.tools.contexts import Injected, ToolContext
from declarai_like.tools.decisions import Answer, Approve, Deny, Provide, Rerun
from declarai_like.tools.declarations import Tool, tool
from declarai_like.tools.run_stores import InMemoryRuns, RunStore
from declarai_like.tools.sqlite_runs import SQLiteRuns

__all__ = [
    "Answer",
    "Approve",
    "Deny",
    "InMemoryRuns",
    "Injected",
    "Provide",
    "Question",
    "Rerun",
    "RunStore",
    "SQLiteRuns",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolRequest",
    "ToolRun",
    "tool",
]
