"""A task over many rows: what all kinds of task offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from declarai_like._prompting.plain_data import to_plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping

    from typing_extensions import Unpack

    from declarai_like._calls.flow import Call
    from declarai_like._outputs.output import Output
    from declarai_like._rows.maps import AsyncRows, Rows
    from declarai_like._rows.options import MapOptions
    from declarai_like._tasks.declarations import TaskDeclaration

__all__ = ["ManyRows", "RowsOfTask"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class MappedTask(Protocol[T_co]):
    """A task, as far as this module needs it."""

    declared: TaskDeclaration

    def bind_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give each parameter of the function its value."""

    def prepare_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[Any]:
        """Put a call together."""


class ManyRows(Generic[T]):
    """What a task does with many rows at once."""

    def map(self, rows: Iterable[Any], **options: Unpack[MapOptions]) -> Rows[T]:
        """Ask the model about each row, and give what became of each: an iterator of `Row`.

        Rows are mappings (arguments by name), tuples, or single values for a task of one argument; they are pulled as
        they are needed, and never listed. Nothing is sent before the first one is asked for. A row that fails is given
        like the others, with its `error`. A key that is not accepted, a model that does not exist and a quota that is
        used up stop the map, since all rows would fail: they are raised when the rows under way have been given.

        `concurrency` calls are made at a time, at first fewer; with `adaptive=False` so many at once. With
        `ordered=False` rows are given as they finish. `on_error="stop"` ends the map with the first error; a function
        is called with each failed row, and may give `"stop"`. `max_errors` is the most rows that may fail, or as a
        fraction the largest share of 20 rows or more; beyond it `TooManyErrors` is raised.

        With `checkpoint` each finished row is a line of that file, and a later map with the same file goes on where
        this one ended; failed rows are asked again unless `retry_failed=False`. A file of another task, prompt, model
        or type is a `CheckpointMismatch`, unless `fresh=True` begins a new one. `key` is a column, or a function of a
        row, by which rows are known; without it they are by all that is asked. Equal keys are asked once.

        `rpm` and `tpm` are the requests and tokens a minute that the provider allows, where it does not tell them
        itself. `progress` shows a line on a terminal, is `False`, or is called with a `Progress`. `executor` makes the
        calls elsewhere: any `concurrent.futures.Executor`, whose workers can import the task.

        Raises `DefinitionError` for an option's wrong value, `CheckpointBusy` where another map writes the file, and
        `BudgetReached` at the end if `with limits(...)` allowed no more.
        """
        from declarai_like._rows.maps import Rows
        from declarai_like._rows.settings import Settings

        return Rows(self._as_rows(), rows, Settings.of(options))

    def amap(self, rows: Iterable[Any] | AsyncIterable[Any], **options: Unpack[MapOptions]) -> AsyncRows[T]:
        """Do what `map` does in an event loop: an async iterator of `Row`. The rows may be an async iterable too."""
        from declarai_like._rows.maps import AsyncRows
        from declarai_like._rows.settings import Settings

        return AsyncRows(self._as_rows(), rows, Settings.of(options))

    def _as_rows(self) -> RowsOfTask[T]:
        return RowsOfTask(self)  # type: ignore[arg-type]  # each is a task


class RowsOfTask(Generic[T]):
    """A task as many rows see it."""

    def __init__(self, task: MappedTask[T]) -> None:
        self.task = task

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its arguments."""
        return tuple(self.task.declared.signature.signature.parameters)

    @property
    def output(self) -> Output[T]:
        """What it gives."""
        return self.task.declared.output

    def identity(self) -> dict[str, Any]:
        """Name all that an answer depends on beside the arguments, as plain data."""
        signature, output, prompt, provider, options = self.task.declared
        return {
            "task": signature.name,
            "prompt_version": prompt.version,
            "provider": provider.name,
            "model": options.model or provider.model,
            "params": dict(options.llm_params),
            "schema": {"type": "string"} if output.is_text else output.schema,
        }

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments by name as plain data; raises `TypeError` if they do not fit."""
        signature = self.task.declared.signature
        bound = self.task.bind_arguments(args, kwargs)
        return {name: to_plain(value, name, signature.where) for name, value in bound.items()}

    def prepare(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[T]:
        """Make a call of arguments; nothing is sent yet."""
        return self.task.prepare_call(args, kwargs)
