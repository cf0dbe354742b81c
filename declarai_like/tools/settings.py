"""Which tools a call may use, and how: the options `tools=` and its kin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from declarai_like.errors import DefinitionError
from declarai_like.tools.declarations import Tool, read_tool
from declarai_like.tools.sources import ToolSource, is_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.tools.run_stores import RunStore

__all__ = ["ToolSettings", "name_choice"]

ToolMode = Literal["auto", "native", "emulated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """What was said of tools: on the provider, the task, and the call, each laid over the one before."""

    listed: tuple[Tool[Any, Any] | ToolSource, ...] = ()
    """The tools, and those who tell theirs when a call begins, in their order."""
    schemas: tuple[Mapping[str, Any], ...] = ()
    """Raw schemas: their calls come back to the caller, nobody runs them."""
    tool_choice: Any = None
    max_rounds: int = 10
    parallel: int = 8
    at_limit: Literal["error", "answer"] = "error"
    tool_errors: Literal["show", "raise"] = "show"
    tool_mode: ToolMode = "auto"
    max_result_chars: int = 100_000
    approver: Any = None
    runs: RunStore | None = None
    deps: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def merge(self, told: Mapping[str, Any]) -> ToolSettings:
        """Give these settings with others laid over them; `deps` are merged. Raises `DefinitionError`."""
        changes = dict(told)
        for name, value in changes.items():
            _check(name, value)
        if "tools" in changes:
            changes["listed"], changes["schemas"] = _part(changes.pop("tools"))
        if "deps" in changes:
            changes["deps"] = {**self.deps, **changes["deps"]}
        merged = replace(self, **changes)
        merged.chosen()
        return merged

    def with_more(self, tools: Iterable[Tool[Any, Any]]) -> ToolSettings:
        """Give these settings with tools added behind the others."""
        return replace(self, listed=_refuse_doubles((*self.listed, *tools)))

    def with_found(self, found: Sequence[Iterable[Tool[Any, Any]]]) -> ToolSettings:
        """Give these settings with the tools that each source has told, in the places of the sources.

        Raises `DefinitionError` for two tools of one name, and for a `tool_choice` that none of them has.
        """
        told = iter(found)
        listed = (tool for one in self.listed for tool in ((one,) if isinstance(one, Tool) else next(told)))
        settled = replace(self, listed=_refuse_doubles(listed))
        settled.chosen()
        return settled

    def inject(self) -> dict[str, dict[str, Any]]:
        """Give what `deps` fill of each tool, by its name; raises `TypeError` for what is missing."""
        return {tool.name: tool.parameters.fill(self.deps) for tool in self.tools}

    def without_runs(self) -> ToolSettings:
        """Give these settings without a run store."""
        return replace(self, runs=None)

    @property
    def tools(self) -> tuple[Tool[Any, Any], ...]:
        """The tools that are known."""
        return tuple(one for one in self.listed if isinstance(one, Tool))

    @property
    def sources(self) -> tuple[ToolSource, ...]:
        """Those who tell their tools when a call begins."""
        return tuple(one for one in self.listed if not isinstance(one, Tool))

    @property
    def by_name(self) -> dict[str, Tool[Any, Any]]:
        """The tools by the names that the model knows."""
        return {tool.name: tool for tool in self.tools}

    @property
    def allowed(self) -> dict[str, Tool[Any, Any]]:
        """The tools that may be called, by name: all, or those that `tool_choice` lists."""
        listed = self.chosen() if isinstance(self.tool_choice, (list, tuple)) else None
        return {name: tool for name, tool in self.by_name.items() if listed is None or name in listed}

    def chosen(self) -> tuple[str, ...] | None:
        """Give the names of a `tool_choice` that names tools; `None` for one of the words, and without one.

        Raises `DefinitionError` for a name that no tool has.
        """
        choice = self.tool_choice
        is_word = isinstance(choice, str) and choice in {"auto", "none", "required"}
        if choice is None or is_word or isinstance(choice, Mapping):
            return None
        listed = choice if isinstance(choice, (list, tuple)) else (choice,)
        names = tuple(map(name_choice, listed))
        known = self.by_name
        for name in names if self.tools and not self.sources else ():
            if name not in known:
                raise DefinitionError(f"tool_choice: there is no tool {name!r}; the tools are: {', '.join(known)}")
        return names


def name_choice(one: Any) -> str:
    """Give the name of a tool that is chosen; raises `DefinitionError` for what is no single tool."""
    if isinstance(one, str):
        return one
    if not is_source(one):
        return read_tool(one).name
    if one.only_name is None:
        raise DefinitionError(f"tool_choice: expected one tool, got {one!r}: name one of them, as server['tool']")
    return str(one.only_name)


def _part(told: Any) -> tuple[tuple[Tool[Any, Any] | ToolSource, ...], tuple[Mapping[str, Any], ...]]:
    """Part `tools=` into those that are run and raw schemas; a list holds one kind."""
    listed = tuple(told)
    schemas = tuple(one for one in listed if isinstance(one, Mapping))
    if schemas and len(schemas) < len(listed):
        raise DefinitionError(
            "tools: expected tools that are run, or raw schemas whose calls come back to you, got both in one list"
        )
    if schemas:
        return (), schemas
    return _refuse_doubles(tool for one in listed for tool in _expand(one)), ()


def _expand(one: Any) -> Iterable[Tool[Any, Any] | ToolSource]:
    """Give the tools that one entry stands for: an object with `as_tools` stands for several."""
    if is_source(one):
        return (one,)
    if hasattr(one, "as_tools"):
        return tuple(map(read_tool, one.as_tools()))
    return (read_tool(one),)


def _refuse_doubles(listed: Iterable[Any]) -> tuple[Any, ...]:
    """Give tools and sources as they are; raises `DefinitionError` for two tools of one name."""
    listed = tuple(listed)
    names = [one.name for one in listed if isinstance(one, Tool)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DefinitionError(f"tools: two tools are named {twice!r}; give one of them name=")
    return listed


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_choice(value: Any) -> bool:
    return isinstance(value, (str, list, tuple, Mapping)) or callable(value) or is_source(value)


def _check(name: str, value: Any) -> None:
    rules: dict[str, tuple[Any, str]] = {
        "tools": (isinstance(value, (list, tuple)), "a list of tools"),
        "max_rounds": (_is_count(value), "a number above zero"),
        "parallel": (_is_count(value), "a number above zero"),
        "max_result_chars": (_is_count(value), "a number above zero"),
        "at_limit": (value in ("error", "answer"), "'error' or 'answer'"),
        "tool_errors": (value in ("show", "raise"), "'show' or 'raise'"),
        "tool_mode": (value in ("auto", "native", "emulated"), "'auto', 'native' or 'emulated'"),
        "approver": (callable(value), "a function of a ToolRequest"),
        "deps": (isinstance(value, Mapping), "a mapping of names to values"),
        "runs": (all(hasattr(value, method) for method in ("acquire", "commit", "release")), "a run store"),
        "tool_choice": (_is_choice(value), "a word, a tool, or tools"),
    }
    fits, what = rules[name]
    if not fits:
        raise DefinitionError(f"{name}: expected {what}, got {value!r:.200}")
