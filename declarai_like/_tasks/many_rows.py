"""A task over many rows: what all kinds of task offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from declarai_like._prompting.plain_data import to_plain

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Iterable, Sequence

    from typing_extensions import Unpack

    from declarai_like._calls.flow import Call
    from declarai_like._outputs.output import Output
    from declarai_like._rows.batches.job import BatchJob
    from declarai_like._rows.estimates import Estimate
    from declarai_like._rows.frames import Frame
    from declarai_like._rows.inputs import KeyOption
    from declarai_like._rows.maps import AsyncRows, Rows
    from declarai_like._rows.options import MapOptions, WorkerOptions
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

    def estimate(self, rows: Iterable[Any], *, sample: int = 50) -> Estimate:
        """Say what `map` would take for these rows, without a request: tokens, money, time.

        The prompts of the first `sample` rows are written, and four characters are counted as a token.
        """
        from declarai_like._rows.estimates import estimate

        return estimate(self._as_rows(), rows, sample=sample)

    def batch(
        self,
        rows: Iterable[Any],
        *,
        checkpoint: str | os.PathLike[str],
        key: KeyOption = None,
        output_expires_after: int | None = None,
    ) -> BatchJob[T]:
        """Give a job that the provider makes within a day, for half the price; nothing is sent before `submit()`.

        It is for models of `openai()` and `anthropic()`. Rows and keys are those of `map`, and so is the checkpoint:
        what is in it is not sent. OpenAI and Azure delete the files of results `output_expires_after` seconds after the
        batch was made, an hour to 30 days. Raises `DefinitionError` for another provider, a task with tools, or where
        no row can be asked.
        """
        from declarai_like._rows.batches.job import BatchJob

        return BatchJob(self._as_rows(), rows, checkpoint, key=key, output_expires_after=output_expires_after)

    def rows(self, rows: Sequence[Any], **options: Unpack[WorkerOptions]) -> list[dict[str, Any]]:
        """Ask about rows in a worker of another program: a dict of plain data for each, `value error usage key`.

        Rows are as for `map`; what is no argument of the task is left out of a mapping. A row that fails has the words
        of its error in `error`, and nothing is raised for it. `workers` is how many of them share `rpm` and `tpm`.
        """
        from declarai_like._rows.frames import plain_rows

        return plain_rows(self._as_rows(), rows, **options)

    def frame(
        self, *, column: str = "value", error_column: str | None = "error", **options: Unpack[WorkerOptions]
    ) -> Frame:
        """Give a function of a DataFrame (pandas or Polars) that asks about each row, and adds a column of values.

        The arguments are the columns of their names. It can be pickled, so that engines can send it to their workers.
        `error_column` has the words of what failed; `None` leaves it out.
        """
        from declarai_like._rows.frames import Frame

        return Frame(self._as_rows(), column=column, error_column=error_column, options=options)

    def pick_arguments(self, row: Any) -> Any:
        """Leave out what is no argument of this task in a row that is a mapping."""
        return self._as_rows().pick(row)

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

    def pick(self, raw: Any) -> Any:
        """Leave out what is no argument in a row that is a mapping."""
        signature = self.task.declared.signature
        if not isinstance(raw, Mapping) or signature.takes_any_name:
            return raw
        return {name: value for name, value in raw.items() if signature.takes(name)}

    def example_answers(self) -> list[str]:
        """Give the answers of the docstring's examples, as a model would write them."""
        return self.task.declared.prompt.example_answers

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
