"""The lock of a server's tools: what their names, descriptions and schemas were when somebody read them.

A server can change what it tells the model at any time, and the model believes it; with a lock it is refused until
somebody has looked.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ToolServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like.tools.declarations import Tool

__all__ = ["check_lock", "describe_tools", "read_lock", "write_lock"]

FORMAT = 1


def describe_tools(tools: Iterable[Tool[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Give what the model is told of tools, by name, with its hash."""
    told = {tool.name: tool.wire["function"] for tool in tools}
    return {
        name: {
            "description": function.get("description", ""),
            "hash": sha256(json.dumps(function, sort_keys=True).encode()).hexdigest(),
        }
        for name, function in sorted(told.items())
    }


def check_lock(path: str, server: str, tools: Iterable[Tool[Any, Any]]) -> None:
    """Raise `ToolServerError` if the tools that are used are not as the lock has them."""
    locked, now = read_lock(path, server), describe_tools(tools)
    changed = [name for name in now if name in locked and locked[name]["hash"] != now[name]["hash"]]
    new = [name for name in now if name not in locked]
    if changed or new:
        told = [f"{kind}: {', '.join(names)}" for kind, names in (("changed", changed), ("new", new)) if names]
        raise ToolServerError(
            f"the tools of {server!r} are not as they were locked in {path} ({'; '.join(told)}): read what they say "
            "now, and run `declarai-like lock` if that is right"
        )


def read_lock(path: str, server: str) -> Mapping[str, Any]:
    """Give the tools of a lock; raises `ToolServerError` if there is none, or if it cannot be read."""
    try:
        locked = json.loads(Path(path).read_text("utf-8"))
        number, tools = locked["format"], locked["tools"]
        _ = [tool["hash"] for tool in tools.values()]
    except FileNotFoundError:
        raise ToolServerError(
            f"there is no {path!r} yet: run `declarai-like lock`, and read what the tools of {server!r} say"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolServerError(f"{path!r} is no lock of tools ({error}): write it with `declarai-like lock`") from None
    if number != FORMAT:
        raise ToolServerError(f"{path!r} has the format {number!r}, this version knows {FORMAT}: lock anew")
    return dict(tools)


def write_lock(path: str, server: str, tools: Iterable[Tool[Any, Any]]) -> None:
    """Write down what the tools say now; raises `OSError` if that cannot be."""
    locked = {"format": FORMAT, "server": server, "tools": describe_tools(tools)}
    Path(path).write_text(json.dumps(locked, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
