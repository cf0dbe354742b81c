"""Tools that are told by somebody else, when a call begins: a server, for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from declarai_like.tools.declarations import Tool

__all__ = ["ToolSource", "is_source"]


class ToolSource(Protocol):
    """Who tells its tools when a call begins; they stay the same until that call has ended."""

    @property
    def only_name(self) -> str | None:
        """The name by which the model calls it, if it stands for one tool."""

    def find_tools(self) -> Future[Iterable[Tool[Any, Any]]]:
        """Begin to find the tools; whoever waits no longer cancels what is given."""

    def outline(self) -> dict[str, Any]:
        """Tell what is known of the tools without asking for them, for a lock of prompts."""

    def write_lock(self) -> str | None:
        """Write down what the tools say now, and give the name of the file; `None` if there is none."""


def is_source(one: Any) -> bool:
    """Say whether this tells its tools when a call begins."""
    return hasattr(type(one), "find_tools")
